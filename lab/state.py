"""Where a running lab keeps what others must know about it, and how its end is cleaned up.

Outside, each lab has a folder; inside, that folder is always at INSIDE: two labs use the same paths.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import cgroups
from lab.errors import LabError, NotRunningError

INSIDE = Path("/run/athome-lab")
OUTSIDE = Path("/run/athome-labs")  # one folder for each lab; in memory, and root's alone to write
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


@dataclass(frozen=True)
class Process:
    """A process, told from a later one with the same number by its start time (clock ticks since boot)."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Process:
        """Describe a process that runs now; raises ProcessLookupError."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError as error:
            raise ProcessLookupError(pid) from error
        return cls(pid, int(stat.rpartition(")")[2].split()[19]))  # field 22, see proc(5)

    def alive(self) -> bool:
        """Whether this very process still exists."""
        try:
            return Process.of(self.pid) == self
        except ProcessLookupError:
            return False

    def end(self, number: signal.Signals | None, timeout: float | None = 15) -> None:
        """Send a signal, if any, and wait until the process is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive():
                if number is not None:
                    signal.pidfd_send_signal(handle, number)
                select.select([handle], [], [], timeout)
        finally:
            os.close(handle)


@dataclass(frozen=True)
class Running:
    """A lab that was started; written to state.json."""

    name: str
    mode: str  # systemd or plain
    ends: float  # seconds since the epoch
    keeper: Process  # outside: waits for the end and cleans up
    supervisor: Process  # process 1 inside

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.supervisor.alive()


def inside() -> bool:
    """Whether this process runs in a lab already."""
    return (INSIDE / "state.json").exists()


def folder_of(name: str) -> Path:
    """Folder of the lab of this name; inside a lab, its own. Raises LabError for an impossible name."""
    if not NAME.fullmatch(name):
        raise LabError(
            f"'{name}' is no name for a lab: at most 31 small letters, digits and hyphens; e.g. --name test-2"
        )
    return INSIDE if inside() else OUTSIDE / name


def write(folder: Path, running: Running) -> None:
    """Write state.json in one step."""
    temporary = folder / "state.json.new"
    temporary.write_text(json.dumps(asdict(running), indent=1) + "\n")
    temporary.rename(folder / "state.json")


def read(name: str) -> Running:
    """Read about the lab of this name, alive or not; raises NotRunningError when there is no trace of one."""
    try:
        data = json.loads((folder_of(name) / "state.json").read_text())
    except FileNotFoundError as error:
        raise NotRunningError(
            f"the lab '{name}' is not running; start it: python3 -m lab up --name {name}"
        ) from error
    return Running(
        **{**data, "keeper": Process(**data["keeper"]), "supervisor": Process(**data["supervisor"])}
    )


def read_alive(name: str) -> Running:
    """Read about the running lab of this name; raises NotRunningError."""
    running = read(name)
    if not inside() and not running.alive():
        raise NotRunningError(f"the lab '{name}' has ended; start it again: python3 -m lab up --name {name}")
    return running


def read_runners() -> dict[str, int]:
    """Inside a lab: for each host the process that started it, parent of the host's process 1."""
    runners: dict[str, int] = json.loads((INSIDE / "hosts.json").read_text())
    return runners


def remove(name: str) -> None:
    """Take away what the end of a lab's processes leaves: its cgroups and its folder."""
    cgroups.remove(name)
    folder = folder_of(name)
    for _attempt in range(50):  # its mounts go a moment after its last process
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(0.05)
    try:
        folder.parent.rmdir()
    except OSError:
        return  # other labs are there
