"""Runs whose worker dies, sleeps or gives up: the real Ansible Runner, Ansible and SSH, in the lab."""

import ctypes
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dispatcher.commands.checkip import CheckIp
from dispatcher.errors import RunLostError
from dispatcher.runs.report import Report
from dispatcher.runs.runner import Runner
from dispatcher.settings import PROJECT, Runs, Settings
from tests.fleet import busy, on
from tests.road import ATHOME

SERVER = "gv2p"
INVENTORY = """
all:
  hosts:
    gv2p: {{ansible_host: 192.0.2.12}}
  vars:
    ansible_user: root
    ansible_ssh_private_key_file: /run/athome-lab/ssh/id_ed25519
    ansible_ssh_common_args: -o UserKnownHostsFile=/run/athome-lab/ssh/known_hosts
    ansible_control_path_dir: {sockets}
    ansible_ssh_use_tty: false
"""
BOUND = 20  # seconds that nothing here takes by far
fork = multiprocessing.get_context("fork")


class Steps(CheckIp):
    """A command with a playbook of many short steps, which it writes down on the server."""

    playbook: ClassVar[str] = str(Path(__file__).with_name("steps.yml"))
    name: str
    steps: int = 10

    def extravars(self) -> dict[str, Any]:
        return {"name": self.name, "steps": self.steps}


@pytest.fixture(autouse=True)
def adopting() -> Iterator[None]:
    """Whatever loses its parent becomes this process's child, so that nothing gets away unseen."""
    ctypes.CDLL(None).prctl(36, ctypes.c_ulong(1))  # PR_SET_CHILD_SUBREAPER
    yield
    end_all()
    time.sleep(0.1)
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass
    ctypes.CDLL(None).prctl(36, ctypes.c_ulong(0))


@pytest.fixture
def settings(lab, tmp_path) -> Iterator[Settings]:
    """No SSH connection is open yet, and none has a terminal: what runs on a server does not end with it."""
    sockets = tempfile.mkdtemp(prefix="guard-")  # a short path, as sockets need it
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY.format(sockets=sockets))
    on(SERVER, "rm", "-f", "/run/steps")
    yield Settings(inventory=inventory, state_dir=tmp_path, runs=Runs(lease=5))
    shutil.rmtree(sockets)


def work(settings: Settings, name: str, steps: int, ident: str = "1", **more: Any) -> Report:
    """Run a playbook of so many steps on the server."""
    command = Steps(checkip="203.0.113.99", name=name, steps=steps)
    return Runner(settings).run(command, (SERVER,), ident=ident, check=False, **more)


class Worker:
    """A process that runs a playbook for us, until somebody kills it."""

    def __init__(self, settings: Settings, name: str, steps: int, ident: str = "1") -> None:
        def body() -> None:
            try:
                self._begun.set()
                work(settings, name, steps, ident)
            except RunLostError:
                os._exit(75)
            os._exit(0)

        self._begun = fork.Event()
        self.process = fork.Process(target=body)
        self.process.start()
        assert self._begun.wait(BOUND)

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)


def end_all() -> None:
    """Kill every descendant of this process; one that has just ended needs no help."""
    for pid, _line in below():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def below(ancestor: int | None = None) -> list[tuple[int, str]]:
    """Return pid and command line of every living descendant of a process, by default of this one."""
    listing = subprocess.run(
        ["ps", "-eww", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    children: dict[int, list[tuple[int, str]]] = {}
    for line in listing.splitlines():
        pid, parent, state, arguments = line.split(maxsplit=3)
        if state[0] not in "ZX" and "ps -eww -o" not in arguments:
            children.setdefault(int(parent), []).append((int(pid), arguments))
    found = list(children.get(ancestor or os.getpid(), []))
    for pid, _line in found:  # grows meanwhile
        found += children.get(pid, [])
    return found


def nothing_left(*but: str) -> None:
    """Wait until no process is left, except for those whose command line has one of these words."""
    deadline = time.monotonic() + BOUND
    while left := [line for _pid, line in below() if not any(word in line for word in but)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def record() -> list[list[str]]:
    """Return what the server has written down: name, begins or ends, and when."""
    return [line.split() for line in on(SERVER, "cat", "/run/steps", check=False).splitlines()]


def begun(name: str, steps: int = 1) -> None:
    """Wait until so many steps of this playbook have begun."""
    deadline = time.monotonic() + BOUND
    while sum(line[:2] == [name, "begins"] for line in record()) < steps:
        assert time.monotonic() < deadline, f"{name} does not begin"
        time.sleep(0.02)


def turns() -> list[str]:
    """Return whose lines they are, in their order on the server, each series once."""
    names = [line[0] for line in record()]
    return [name for number, name in enumerate(names) if number == 0 or name != names[number - 1]]


@pytest.mark.parametrize("kills", [5, pytest.param(300, marks=pytest.mark.long)])
def test_no_playbook_survives_its_worker(settings, kills):
    """Killed at any moment, a worker leaves no process, and no step on the server after its re-run's."""
    chance = random.Random(kills)  # noqa: S311 - moments, not secrets
    for number in range(kills):
        worker = Worker(settings, f"killed-{number}", 20)
        time.sleep(chance.uniform(0, 2.5))
        worker.signal(signal.SIGKILL)
        work(settings, f"again-{number}", 2)
        nothing_left("[mux]")
        assert 4 == sum(line[0] == f"again-{number}" for line in record())
        end_all()  # the next one connects anew, and may be killed while it does
    order = turns()
    assert len(order) == len(set(order)), f"{order}: interleaved"


def test_athome_run_that_is_killed_leaves_no_process(settings):
    """The command line itself, killed while a server keeps its playbook waiting, takes the playbook along."""
    path = settings.state_dir / "settings.yml"
    path.write_text(f"inventory: {PROJECT}/inventory/lab\nstate_dir: {settings.state_dir}\n")
    with busy("gv1p"):
        before = {pid for pid, _line in below()}
        command = [ATHOME, "--settings", path, "run", "CHECKIP=203.0.113.99", "--check"]
        shell = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + BOUND
        while not any(line.startswith("ssh -o ControlMaster") for _pid, line in below(shell.pid)):
            assert time.monotonic() < deadline, "no connection"
            time.sleep(0.02)
        shell.kill()
        shell.wait()
        while {line for pid, line in below() if pid not in before and "[mux]" not in line}:
            assert time.monotonic() < deadline, below()
            time.sleep(0.02)


def test_shared_connections_of_a_killed_run_are_ended_and_others_are_not(settings):
    """The SSH master that a killed run has opened goes with it; one that was there before stays."""
    work(settings, "before", 1)
    assert 1 == len([line for _pid, line in below() if "[mux]" in line])
    worker = Worker(settings, "uses-it", 50)
    begun("uses-it")
    worker.signal(signal.SIGKILL)
    nothing_left("[mux]")
    assert 1 == len([line for _pid, line in below() if "[mux]" in line])
    end_all()
    worker = Worker(settings, "opens-one", 50)
    begun("opens-one")
    worker.signal(signal.SIGKILL)
    nothing_left()


def test_a_worker_that_sleeps_past_its_lease_finds_its_run_ended(settings):
    """Stopped for longer than 0.6 of a lease, it has no playbook any more, and knows it when it wakes up."""
    worker = Worker(settings, "stopped", 300)
    begun("stopped")
    worker.signal(signal.SIGSTOP)
    deadline = time.monotonic() + BOUND
    while [line for pid, line in below() if pid != worker.process.pid and "<defunct>" not in line]:
        assert time.monotonic() < deadline, below()
        time.sleep(0.02)
    steps = len(record())
    work(settings, "again", 1, ident="2")
    worker.signal(signal.SIGCONT)
    worker.process.join(BOUND)
    assert 75 == worker.process.exitcode
    assert ["stopped", "again"] == turns()
    assert steps < 600


def test_a_worker_that_does_not_know_its_job_to_be_its_own_has_its_run_ended(settings):
    """Cut off from the database, it may beat as it likes: the lease runs from when it was last renewed."""
    renewed = time.clock_gettime(time.CLOCK_BOOTTIME)
    with pytest.raises(RunLostError):
        work(settings, "cut-off", 300, kept=lambda: renewed)
    nothing_left("[mux]")


def test_a_cancel_ends_all_of_it(settings):
    """Canceled in the middle, the run returns with nothing left of it, and no step begins on the server."""
    stop = threading.Event()
    asked = []

    def cancel() -> None:
        begun("canceled", 2)
        asked.append(float(on(SERVER, "date", "+%s.%N")))
        stop.set()

    thread = threading.Thread(target=cancel)
    thread.start()
    report = work(settings, "canceled", 300, canceled=stop.is_set)
    thread.join()
    assert "canceled" == report.status
    nothing_left()
    last = max(float(line[2]) for line in record() if line[1] == "begins")
    print(f"last step {last - asked[0]:.2f} s after the cancel")
    assert len(record()) < 600


def test_two_runs_on_one_server_take_turns(settings):
    """Whoever comes second waits until the first one is gone, though no store kept them apart."""
    workers = [Worker(settings, name, 10, ident=name) for name in ("one", "two", "three")]
    for worker in workers:
        worker.process.join(60)
    assert {"one", "two", "three"} == set(turns())
    assert 3 == len(turns())


@pytest.mark.parametrize(
    "guards",
    [pytest.param("outer", marks=pytest.mark.long), pytest.param("inner", marks=pytest.mark.long), "both"],
)
def test_a_run_whose_guards_are_killed_does_not_overlap_the_next(settings, guards):
    """One guard ends the playbook for the other; without any, the next run waits until its forks are done."""
    worker = Worker(settings, "unguarded", 20)
    begun("unguarded")
    found = [pid for pid, line in below(worker.process.pid) if "runs/guard.py" in line]
    assert 2 == len(found)
    for pid in {"outer": found[:1], "inner": found[1:], "both": found}[guards]:
        os.kill(pid, signal.SIGKILL)
    worker.process.join(BOUND)
    work(settings, "next", 2, ident="2")
    assert ["unguarded", "next"] == turns()
