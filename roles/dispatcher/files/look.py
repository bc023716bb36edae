"""What a host has, as one JSON document. Argument: the units that are to run, as JSON.

It is sent to the host's own Python, whichever that is: standard library, Python 3.6 and newer. One that is
too old for the program is then told so.
"""

import grp
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

OPT, ETC, UNITS = Path("/opt/athome"), Path("/etc/athome"), Path("/etc/systemd/system")


def said(*command: str) -> str:
    """Return what a program says on its standard output."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.stdout.decode(errors="replace").strip()


def text(path: Path) -> str:
    """Return what is in a file, nothing if there is none."""
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def linked(name: str) -> str:
    """Return which release a link is to."""
    return (OPT / name).resolve().name if (OPT / name).is_dir() else ""


def names(folder: Path) -> list:
    """Return all files below a folder, relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def runs(unit: str) -> bool:
    """Whether a unit runs now, and will after a reboot."""
    asked = said("systemctl", "is-enabled", unit), said("systemctl", "is-active", unit)
    return asked == ("enabled", "active")


def settled() -> bool:
    """Whether what is in place has been started with: a run that was cut off may have left it newer."""
    good = OPT / "current" / "good"
    placed = [*UNITS.glob("athome*.*"), *ETC.glob("*.yml"), *(ETC / "credentials").glob("*")]
    return good.is_dir() and all(path.stat().st_mtime <= good.stat().st_mtime for path in placed)


wanted = set(json.loads(sys.argv[1]))
enabled = {path.name for path in UNITS.glob("*.wants/athome*")}
system = dict(re.findall(r'(?m)^(\w+)="?(.*?)"?$', text(Path("/etc/os-release"))))
packages = {"python3-venv": find_spec("ensurepip"), "openssh-client": shutil.which("ssh")}
seen = {
    "system": system.get("PRETTY_NAME", "?"),
    "family": [system.get("ID", ""), *system.get("ID_LIKE", "").split()],
    "root": os.geteuid() == 0,
    "python": list(sys.version_info[:3]),
    "systemd": int((re.findall(r"\d+", said("systemctl", "--version")) or [0])[0]),
    "missing": [name for name, there in packages.items() if not there],
    "account": any(group.gr_name == "athome" for group in grp.getgrall()),
    "releases": sorted(path.parent.name for path in OPT.glob("releases/*/ready")),
    "current": linked("current"),
    "previous": linked("previous"),
    "credentials": names(ETC / "credentials"),
    "inventory": names(ETC / "inventory"),
    "as_wanted": settled() and enabled == wanted and all(runs(unit) for unit in wanted),
    "orphan_retries": text(Path("/proc/sys/net/ipv4/tcp_orphan_retries")),
}
print(json.dumps(seen))
