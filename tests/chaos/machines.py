"""The machines of one dispatcher: each a process of ours that somebody starts again when it is gone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from dispatcher.settings import PROJECT
from tests.road import OPERATOR

SERVERS = ("gv1p", "gv2p", "gv3p")
LEASE = 6  # seconds; at least 60 in the settings
SENT_DELAY = 5  # seconds, until the copy of a mail that was taken is there
KINDS = {"service": 2, "service at work": 3, "guard": 1, "ansible": 1, "ssh": 1}  # of processes: how often
_AGAIN = 0.5  # seconds until what has ended is started again, as systemd's RestartSec
_INVENTORY = """
all:
  children:
    checkip_servers:
      hosts: &servers
        gv1p: {{ansible_host: 192.0.2.11}}
        gv2p: {{ansible_host: 192.0.2.12}}
        gv3p: {{ansible_host: 192.0.2.13}}
    macchange_servers:
      hosts: *servers
  vars:
    ansible_user: root
    ansible_ssh_private_key_file: /run/athome-lab/ssh/id_ed25519
    ansible_ssh_common_args: -o UserKnownHostsFile=/run/athome-lab/ssh/known_hosts -o ServerAliveInterval=2
    ansible_control_path_dir: {sockets}
    ansible_ssh_use_tty: false
"""


@dataclass
class Machine:
    """`athome serve` or `athome work` with a folder and SSH connections of its own."""

    verb: str
    folder: Path
    disk: Path  # where its state is
    url: str | None  # of PostgreSQL
    process: subprocess.Popen | None = None
    starts: int = 0
    _ended_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.state = self.disk / self.folder.name
        self.sockets = tempfile.mkdtemp(prefix="c-")  # a short path, as sockets need it
        (self.folder / "hosts.yml").write_text(_INVENTORY.format(sockets=self.sockets))
        settings = yaml.safe_load((PROJECT / "lab/settings.yml").read_text())
        settings |= {"inventory": "hosts.yml", "state_dir": str(self.state), "log": {"format": "text"}}
        settings["mail"]["answers_per_hour"] = 100_000
        settings["smtp"] |= {"sent_folder": "Sent", "sent_delay": SENT_DELAY, "timeout": 5}
        settings["permissions"] = {"demands": {"MACCHANGE": "token"}}
        settings["runs"] = {"concurrency": 2}
        if self.url:
            settings |= {"database": {"url": self.url}}
            settings["runs"]["lease"] = LEASE
        (self.folder / "settings.yml").write_text(yaml.safe_dump(settings))
        self.log = self.folder / "log"
        self.log.touch()

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(Path(__file__).with_name("athome.py")), "--settings",
                str(self.folder / "settings.yml"), *arguments]  # fmt: skip

    def athome(self, *arguments: str) -> str:
        """Run one `athome …` to its end, and return what it says."""
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, check=True, timeout=120,
            env=_environment(),
        ).stdout.strip()  # fmt: skip

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command(self.verb), stdout=log, stderr=log, env=_environment()
            )
        self.starts += 1

    def look_after(self) -> None:
        """Start it again when it has ended, a moment later."""
        if self.process.poll() is None:
            self._ended_at = 0.0
        elif not self._ended_at:
            self._ended_at = time.monotonic()
        elif time.monotonic() > self._ended_at + _AGAIN:
            self._ended_at = 0.0
            self.start()

    def end(self) -> int:
        """Have it end in order; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def clear(self) -> None:
        """Leave nothing of it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.sockets, ignore_errors=True)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT)}


def first_settings(machine: Machine) -> str:
    """Let the operator in; returns a token."""
    machine.athome("senders", "add", OPERATOR)
    return machine.athome("tokens", "issue", OPERATOR, "--description", "telefone")


def ours(machines: list[Machine]) -> dict[str, list[int]]:
    """Return the processes of these machines that live now, by what they are."""
    roots = [str(machine.state).encode() for machine in machines]
    sockets = [machine.sockets.encode() for machine in machines]
    services = {machine.process.pid for machine in machines if machine.process is not None}
    found: dict[str, list[int]] = {"service at work": []}
    for pid in _processes():
        line = _file(pid, "cmdline").replace(b"\0", b" ")
        mark = _file(pid, "environ")
        kind = ""
        if pid in services:
            kind = "service"
        elif not any(root in mark or root in line for root in (*roots, *sockets)):
            continue
        elif b"runs/guard.py" in line:
            kind = "guard"
            found["service at work"] += services & {_parent(pid)}
        elif b"ansible-playbook" in line:
            kind = "ansible"
        elif b"ssh" in line:
            kind = "ssh"
        if kind:
            found.setdefault(kind, []).append(pid)
    return found


def kill(pid: int) -> bool:
    """Send SIGKILL; tells whether there was such a process."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def _processes() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _parent(pid: int) -> int:
    fields = _file(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def _file(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # gone meanwhile
        return b""
