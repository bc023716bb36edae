"""The guard alone, around programs that try to get away."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dispatcher.runs import guard

# A playbook as it is at its worst: a fork with a session of its own, a daemon below it, an SSH connection
# that is shared with others, and the main process. Each of them tells its number and then sleeps.
ESCAPING = """
import os, sys, time
def tell():
    with open(sys.argv[1], "a") as stream:
        stream.write(f"{os.getpid()}\\n")
def escape():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            tell()
            time.sleep(600)
        tell()
        time.sleep(600)
escape()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        tell()
        os.closerange(3, 100)  # as ssh does
        read, write = os.pipe()
        os.set_inheritable(write, True)
        os.dup2(read, 0)
        os.execv("/bin/cat", ["ssh: /somewhere/cp/0123456789 [mux]"])
    os._exit(0)
tell()
time.sleep(float(sys.argv[2]))
"""


@dataclass
class Guarded:
    """A guard around the program above, in a folder of its own. The test is its worker."""

    folder: Path
    silence: float = 60
    limit: float = 60
    lasts: float = 600
    processes: list[int] = field(default_factory=list)

    def start(self) -> None:
        """Start it and return when all four processes are there."""
        fifo, told = self.folder / "fifo", self.folder / "told"
        os.mkfifo(fifo)
        self.heart = os.open(fifo, os.O_RDWR)
        command = [sys.executable, "-c", ESCAPING, str(told), str(self.lasts)]
        start = [sys.executable, "-I", "-S", guard.__file__, fifo, str(self.silence), str(self.limit)]
        self.guard = subprocess.Popen([*start, self.folder / "lock", "--", *command])
        deadline = time.monotonic() + 20
        while len(self.processes) < 4 and time.monotonic() < deadline:
            self.processes = [int(line) for line in told.read_text().split()] if told.exists() else []
            time.sleep(0.01)
        assert 4 == len(self.processes)

    @property
    def inner(self) -> int:
        """The process that has started the playbook."""
        return int(Path(f"/proc/{self.guard.pid}/task/{self.guard.pid}/children").read_text().split()[0])

    def living(self) -> list[int]:
        """Return which of the four are alive."""
        return [pid for pid in self.processes if is_alive(pid)]

    def locked(self) -> bool:
        """Whether anybody has the lock."""
        file = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(file)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def title(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def unlocked(guarded: Guarded) -> None:
    """Wait until the lock is free."""
    deadline = time.monotonic() + 20
    while guarded.locked():
        assert time.monotonic() < deadline, "still locked"
        time.sleep(0.001)


@pytest.fixture
def guarded(tmp_path) -> Iterator[Guarded]:
    it = Guarded(tmp_path)
    yield it
    it.guard.kill()
    for pid in it.living():
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(pid, signal.SIGKILL)


def test_a_worker_that_dies_takes_everything_along(guarded):
    """When nobody holds the FIFO any more, no process is left, whatever session it went into."""
    guarded.start()
    os.close(guarded.heart)
    assert guard.LOST == guarded.guard.wait(20)
    assert [] == guarded.living()
    assert not guarded.locked()


def test_a_worker_that_died_before_the_guard_came_starts_nothing(guarded):
    """A guard that finds its worker gone does not even begin."""
    os.mkfifo(guarded.folder / "fifo")
    mark = guarded.folder / "begun"
    start = [sys.executable, "-I", "-S", guard.__file__, guarded.folder / "fifo", "9", "9", "--"]
    guarded.guard = subprocess.Popen([*start, "touch", mark])
    assert guard.LOST == guarded.guard.wait(20)
    assert not mark.exists()


def test_a_worker_that_sleeps_is_not_waited_for(guarded):
    """Silence for longer than agreed ends the playbook, though the FIFO is still open."""
    guarded.silence = 1
    guarded.start()
    assert guard.LOST == guarded.guard.wait(20)
    assert [] == guarded.living()


def test_old_news_are_no_sign_of_life(guarded):
    """What counts is when the job was last known to be the worker's, not when it said so."""
    guarded.silence = 30
    guarded.start()
    os.write(guarded.heart, f"{guard.now() - 31:.3f}\n".encode())
    assert guard.LOST == guarded.guard.wait(20)


def test_signs_of_life_keep_the_playbook_going(guarded):
    """As long as the worker beats, also with a beat in two pieces, the playbook runs to its end."""
    guarded.silence, guarded.lasts = 1, 3
    guarded.start()
    while guarded.guard.poll() is None:
        beat = f"{guard.now():.3f}\n".encode()
        os.write(guarded.heart, beat[:4])
        time.sleep(0.1)
        os.write(guarded.heart, beat[4:])
    assert 0 == guarded.guard.returncode


def test_a_cancel_ends_everything(guarded):
    """Told to end it, the guard leaves nothing."""
    guarded.start()
    os.write(guarded.heart, b"end\n")
    assert guard.CANCELED == guarded.guard.wait(20)
    assert [] == guarded.living()


def test_a_playbook_over_its_limit_is_ended(guarded):
    """The time limit is the guard's to keep."""
    guarded.limit = 1
    guarded.start()
    assert guard.TIMEOUT == guarded.guard.wait(20)
    assert [] == guarded.living()


def test_a_playbook_that_has_ended_leaves_shared_connections_alone(guarded):
    """What else it forgot is ended; SSH's master waits for the next playbook."""
    guarded.lasts = 2
    guarded.start()
    while not (master := [pid for pid in guarded.processes if title(pid).endswith(b" [mux]\0")]):
        time.sleep(0.01)
    assert 0 == guarded.guard.wait(20)
    assert master == guarded.living()
    assert not guarded.locked()


@pytest.mark.parametrize("which", ["outer", "inner"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_one_guard_stands_in_for_the_other(guarded, which, how):
    """Whichever guard is killed, the other one ends the playbook, and the lock is held until then."""
    guarded.start()
    os.kill(guarded.guard.pid if which == "outer" else guarded.inner, how)
    unlocked(guarded)
    time.sleep(0.05)  # from the last descriptor that is closed to the end of its process
    assert [] == guarded.living()


def test_without_any_guard_the_next_one_ends_the_playbook(guarded):
    """Both killed at once: the main process ends, its forks keep the lock, and the next guard ends them."""
    guarded.start()
    inner = guarded.inner
    os.kill(inner, signal.SIGSTOP)  # so that it cannot act before it is killed
    os.kill(guarded.guard.pid, signal.SIGKILL)
    os.kill(inner, signal.SIGKILL)
    guarded.guard.wait(20)
    deadline = time.monotonic() + 20
    while len(guarded.living()) > 3:  # the main process
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert guarded.locked()
    fifo, mark = guarded.folder / "next", guarded.folder / "begun"
    os.mkfifo(fifo)
    os.open(fifo, os.O_RDWR)
    start = [sys.executable, "-I", "-S", guard.__file__, fifo, "60", "60", guarded.folder / "lock"]
    guarded.guard = subprocess.Popen([*start, "--", "touch", mark])
    assert 0 == guarded.guard.wait(20)
    assert mark.exists()
    assert 1 == len(guarded.living())  # the shared connection


def test_the_next_one_ends_nothing_that_has_a_guard(guarded):
    """Who waits for a lock leaves a playbook alone as long as one guard of it lives."""
    guarded.start()
    guard.end_orphans()
    os.kill(guarded.inner, signal.SIGSTOP)
    guard.end_orphans()
    os.kill(guarded.inner, signal.SIGCONT)
    assert 4 == len(guarded.living())


def test_the_next_one_waits_for_the_lock(guarded, tmp_path):
    """While the lock is another's, the guard waits, can be told to end, and gives up after the limit."""
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for number, (word, limit, why) in enumerate([(b"end\n", 60, guard.CANCELED), (b"", 1, guard.BUSY)]):
            fifo, mark = tmp_path / f"fifo-{number}", tmp_path / "begun"
            os.mkfifo(fifo)
            heart = os.open(fifo, os.O_RDWR)
            start = [sys.executable, "-I", "-S", guard.__file__, fifo, "60", str(limit), tmp_path / "lock"]
            guarded.guard = subprocess.Popen([*start, "--", "touch", mark])
            os.write(heart, word)
            assert why == guarded.guard.wait(20)
            os.close(heart)
            assert not mark.exists()
