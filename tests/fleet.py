"""The lab's servers as an operator reaches them: by SSH, and by Ansible alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from dispatcher.settings import PROJECT
from lab.host import FILES

PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
CHECKIP_SERVERS = ("gv1p", "gv2p", "gv3p", "voip1")
MACCHANGE_SERVERS = ("gv1p", "gv2p", "gv3p")
_PHONES = ("users.conf", "macs.csv")  # the two files that have MACs
_PHONES_AT_FIRST = FILES / "arimonitor/etc/asterisk"


def on(host: str, *command: str, check: bool = True) -> str:
    """Run a command on a server of the lab, as root by SSH."""
    ssh = ["ssh", "-F", "/run/athome-lab/ssh/config", host, *command]
    done = subprocess.run(
        ssh, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=check, timeout=60
    )
    return done.stdout


def playbook(name: str, *arguments: str, check: bool = True) -> str:
    """Run a playbook as an operator does who has Ansible alone."""
    done = subprocess.run(
        [PLAYBOOK, "-i", "inventory/lab", f"playbooks/{name}", *arguments], stdin=subprocess.DEVNULL,
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def forget(*addresses: str) -> None:
    """Take everybody off the whitelists and these addresses out of every jail: tests start from one place."""
    fresh = (
        "rm -f /etc/fail2ban/jail.d/*athome-whitelist*; fail2ban-client reload && "
        f"fail2ban-client unban {' '.join(addresses)}"
    )
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda host: on(host, fresh), CHECKIP_SERVERS))


@contextmanager
def busy(host: str, folder: str = "/run/athome-fail2ban") -> Iterator[None]:
    """Hold a role's lock on a server: a run that comes there waits until the block ends, for up to 30 s."""
    hold = f"mkdir -p -m 700 {folder} && flock {folder}/lock sh -c 'echo held; cat'"
    ssh = ["ssh", "-F", "/run/athome-lab/ssh/config", host, hold]
    with subprocess.Popen(ssh, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            yield
        finally:
            holder.stdin.close()  # cat ends, and with it the lock


def banned(host: str, address: str) -> bool:
    """Whether the server's fail2ban has the address in any jail."""
    return "'" in on(host, "fail2ban-client", "banned", address)


def in_kernel(host: str, address: str) -> bool:
    """Whether the server's firewall has the address in any set of fail2ban."""
    return address in on(host, "nft", "list", "ruleset")


def _asterisk(host: str) -> Path:
    return Path(f"/run/lab/hosts/{host}/root/etc/asterisk")


def phones(host: str) -> tuple[bytes, ...]:
    """Return the two files that say which MAC an extension of this server has: users.conf and macs.csv."""
    return tuple((_asterisk(host) / name).read_bytes() for name in _PHONES)


def edit_phones(host: str, name: str, edit: Callable[[bytes], bytes]) -> None:
    """Change one of the two files, as a person or a panel would."""
    path = _asterisk(host) / name
    path.write_bytes(edit(path.read_bytes()))


def fresh_phones() -> None:
    """Put the files, arimonitor and the role's memory back on every server: tests start from one place."""

    def fresh(host: str) -> None:
        for name in _PHONES:
            edit_phones(host, name, lambda _old, name=name: (_PHONES_AT_FIRST / name).read_bytes())
        on(host, "rm -rf /var/lib/athome-mac-binding; arimonitorctl forget")

    with ThreadPoolExecutor() as pool:
        list(pool.map(fresh, MACCHANGE_SERVERS))


def arimonitor_has(host: str, extension: str) -> str:
    """Return the MAC that arimonitor on this server has for the extension, empty when none."""
    _mode, _, rest = on(host, "arimonitorctl", "show").partition("\n")
    table, _end = json.JSONDecoder().raw_decode(rest)  # its events follow
    return table.get(extension, "")
