"""Process 1 of the lab, in mount, network and process namespaces of its own: its end ends everything in it.

Run by lab.keeper. Its standard output is the progress for the person who waits; READY is its last line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab import answers, cgroups, host, network, topology
from lab.errors import StartError
from lab.state import INSIDE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    Runners = dict[topology.Host, subprocess.Popen[bytes]]

READY = "ready"
FAILED = "failed: "
PATIENCE = 60  # seconds until a host that does not answer is given up
LOG_TAIL, LOG_WIDTH = 10, 200  # lines and characters shown of a log


def main(folder: Path, lab: str, mode: str, weed: Path, ttl: int) -> NoReturn:
    """Build the lab, say so, then reap orphans until the end: a signal or the time limit."""
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, lambda *_: os._exit(0))
    signal.alarm(ttl)
    make_private(folder)
    setup = host.Setup(lab=lab, folder=INSIDE, mode=mode, weed=weed)
    try:
        print("network: a bridge, a namespace for each host", flush=True)
        network.build()
        network.write_names()
        print(f"hosts: starting {len(topology.HOSTS)} ({mode})", flush=True)
        members = sorted(topology.HOSTS, key=lambda member: -len(member.services))  # the slowest first
        for member in members:
            host.prepare(member, setup)
        processes = start_hosts(members, setup)
        write_runners(processes)
        print("services: waiting for their answers", flush=True)
        for member, process in processes.items():
            wait_for(member, process, time.monotonic() + PATIENCE)
    except StartError as error:
        print(f"{FAILED}{error}", flush=True)
        os._exit(1)
    print(READY, flush=True)
    os.dup2(2, 1)  # whoever waited may go
    while True:
        ended = reap()
        again = [member for member, process in processes.items() if (process.pid, host.REBOOT) == ended]
        if again:
            processes |= start_hosts(again, setup)
            write_runners(processes)


def start_hosts(members: Iterable[topology.Host], setup: host.Setup) -> Runners:
    """Start prepared hosts, each in its own control group, and leave those again."""
    processes = {member: host.start(member, setup) for member in members}
    if setup.mode == "systemd":
        cgroups.enter(setup.lab, "supervisor")
    return processes


def write_runners(processes: Runners) -> None:
    """Tell others in hosts.json which process started each host: the parent of the host's process 1."""
    new = INSIDE / "hosts.json.new"
    new.write_text(json.dumps({member.name: process.pid for member, process in processes.items()}))
    new.rename(INSIDE / "hosts.json")


def reap() -> tuple[int, int]:
    """Wait for the end of any child, adopted ones included, and return its number and exit status."""
    try:
        pid, status = os.wait()
    except ChildProcessError:  # every host was switched off
        time.sleep(1)
        return 0, 0
    return pid, os.waitstatus_to_exitcode(status)


def make_private(folder: Path) -> None:
    """Make a /run of the lab's own, in memory, with the lab's folder at its fixed place."""
    new = folder / "run"
    new.mkdir()
    _mount("-t", "tmpfs", "-o", "mode=755", "athome-lab", str(new))
    for name in ("athome-lab", "lab", "netns", "lock"):
        (new / name).mkdir()
    _mount("--bind", str(folder), str(new / "athome-lab"))
    _mount("--move", str(new), "/run")


def wait_for(member: topology.Host, process: subprocess.Popen[bytes], deadline: float) -> None:
    """Return once every service of the host answers; raises StartError when it ended, or took too long."""
    missing = "its first answer"
    while missing:
        if process.poll() is not None:
            raise StartError(f"host {member.name} ended while it started{_tail(member)}")
        if time.monotonic() > deadline:
            raise StartError(f"host {member.name} gave no answer in {PATIENCE} s ({missing}){_tail(member)}")
        missing = answers.first_missing(member)
        if missing:
            time.sleep(0.03)


def _tail(member: topology.Host) -> str:
    """Last lines of the host's console, and of the logs of services that tell there how they start."""
    logs = [INSIDE / "logs" / f"{member.name}.log"]
    logs += [
        host.root_of(member) / service.started_log[0] for service in member.services if service.started_log
    ]
    text = ""
    for log in logs:
        lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL:] if log.exists() else []
        text += f"\n  the end of {log}:" + "".join(f"\n    {line[-LOG_WIDTH:]}" for line in lines)
    return text


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", "--no-mtab", *arguments], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]))
