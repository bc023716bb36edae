"""What a piece of work costs, with every process that it starts, detached ones too. Linux only."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h: orphans come to us, and with them their account
SAMPLE = 0.02  # seconds between two looks at the memory


@dataclass(frozen=True)
class Cost:
    """What was spent: seconds of the clock, seconds of CPU, and the most memory at one moment in bytes."""

    wall: float
    cpu: float
    peak: int


def middle(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(
        median(cost.wall for cost in costs),
        median(cost.cpu for cost in costs),
        int(median(cost.peak for cost in costs)),
    )


def measure(commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> Cost:
    """Run the commands one after another; raises RuntimeError when one fails.

    CPU time is the kernel's account of every process that ended. Memory is the resident pages of all that run
    at one moment (PSS: what two of them share counts once), looked at fifty times a second.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os._exit(_run(commands, environment, write))
    os.close(write)
    peak = 0
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        peak = max(peak, sum(map(_resident, _descendants(child))))
        time.sleep(SAMPLE)
    with os.fdopen(read, "rb") as pipe:
        account = pipe.read()
    if not account:
        raise RuntimeError("a command failed; what it said is above")
    wall, cpu = json.loads(account)
    return Cost(wall, cpu, peak)


def _run(commands: Sequence[Sequence[str]], environment: Mapping[str, str], account: int) -> int:
    """Run in a child of its own: the account of its children is then that of the commands alone."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    started = time.monotonic()
    for command in commands:
        if subprocess.run(command, env=environment, check=False).returncode:
            return 1
    try:
        while True:
            os.wait()
    except ChildProcessError:  # nobody is left
        pass
    wall, spent = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    os.write(account, json.dumps([wall, spent.ru_utime + spent.ru_stime]).encode())
    return 0


def _descendants(pid: int) -> Iterator[int]:
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from _descendants(child)
    except OSError:  # it has ended meanwhile
        return


def _resident(pid: int) -> int:
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0
    return sum(int(row.split()[1]) for row in rows if row.startswith("Pss:")) * 1024
