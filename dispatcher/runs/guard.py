"""Runs a playbook for a worker, and sees to it that nothing of the playbook outlives either of them.

    python -I -S guard.py HEARTBEAT SILENCE LIMIT LOCK… -- PROGRAM ARGUMENT…

HEARTBEAT is a FIFO that the worker holds open and writes lines to: when its job was last known to be its own
(seconds of CLOCK_BOOTTIME), or ``end``. The playbook is ended when the FIFO's writers are gone, when the last
such moment is more than SILENCE seconds ago, when it is told to, or after LIMIT seconds. It starts once every
LOCK, a file or a folder, is its own; the kernel frees the locks when the last process that has them is gone.

There are two guards, and whichever of them dies, the other one ends the playbook. Both adopt what loses its
parent (PR_SET_CHILD_SUBREAPER), so no process gets away by a session or a group of its own, as those of
pexpect, of Ansible's forks and of SSH's masters are. The outer guard is what the worker sees; the inner one
starts the playbook, in a session without terminal, and listens. Should both be killed at once, the main
process of the playbook dies with them, its forks keep the locks, and the guard that wants these next ends
them.

Standard library only, and little of it: it starts before every playbook.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

# Exit codes; below 120 and from 128 on they are the playbook's.
BUSY, LOST, TIMEOUT, CANCELED = 122, 123, 124, 125

_MARK = "ATHOME_GUARD"  # in the environment of all that a guard has started: its HEARTBEAT
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_PAUSE = 0.02  # seconds between two looks at what does not tell of itself
_NAP = 1.0  # seconds at the most without a look at the clock: it goes on while the machine is suspended


def now() -> float:
    """Return seconds since the machine started, those in which it was suspended included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Owner:
    """The worker as heard through its FIFO."""

    def __init__(self, heartbeat: str, silence: float) -> None:
        self.file = os.open(heartbeat, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._silence = silence
        self._until = now() + silence
        self._begun = b""

    def verdict(self) -> int | None:
        """Return why the playbook has to end, None while it may go on."""
        while True:
            try:
                said = os.read(self.file, 4096)
            except BlockingIOError:
                return LOST if now() > self._until else None
            if not said:
                return LOST
            *lines, self._begun = (self._begun + said).split(b"\n")
            if b"end" in lines:
                return CANCELED
            if lines:
                self._until = float(lines[-1]) + self._silence


def main(heartbeat: str, silence: str, limit: str, *rest: str) -> int:
    """Wait for the locks, have the playbook run, and return its exit code or one of ours."""
    locks, command = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
    owner = Owner(heartbeat, float(silence))
    if (refused := _lock(locks, owner, float(limit))) is not None:
        return refused
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    alive, ours = os.pipe()
    inner = os.fork()
    if inner == 0:
        os.close(ours)  # it is then the outer guard's alone, and closes when that one dies
        os.environ[_MARK] = heartbeat
        os._exit(_inner(command, owner, alive, float(limit)))
    _pid, status = os.waitpid(inner, 0)
    end_all(but_masters=os.WIFEXITED(status))
    return _code(status)


def take(file: int, until: float, verdict: Callable[[], int | None] = lambda: None) -> int | None:
    """Wait for the lock of an open file. Returns None, or why it could not be had: the verdict, or BUSY."""
    look = 0.0
    while not _taken(file):
        if (why := BUSY if now() > until else verdict()) is not None:
            return why
        if now() > look:
            end_orphans()
            look = now() + _NAP
        time.sleep(_PAUSE)
    return None


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def end_orphans() -> None:
    """Kill what was left behind by guards that are gone, both of them; SSH's masters stay."""
    marked = {pid: mark for pid in _processes() if (mark := _mark(pid))}
    guarded = {argument for pid in _processes() for argument in _file(pid, "cmdline").split(b"\0")}
    for pid, mark in marked.items():
        if mark not in guarded and not _is_master(pid):  # it is no argument of a guard any more
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _mark(pid: int) -> bytes:
    """Return the HEARTBEAT of the guard that a process descends from; nothing if from none."""
    name = f"{_MARK}=".encode()
    return next(
        (line[len(name) :] for line in _file(pid, "environ").split(b"\0") if line.startswith(name)), b""
    )


def _lock(paths: Iterable[str], owner: Owner, limit: float) -> int | None:
    """Take every lock, and keep it open for all that comes after; returns why not to start."""
    until = now() + limit
    for path in paths:  # sorted, so that no two wait for each other
        flags = os.O_RDONLY if os.path.isdir(path) else os.O_RDWR | os.O_CREAT  # noqa: PTH112 - dear to import
        file = os.open(path, flags, 0o600)
        os.set_inheritable(file, True)  # noqa: FBT003 - a positional of the standard library
        if (why := take(file, until, owner.verdict)) is not None:
            return why
    return owner.verdict()


def _inner(command: tuple[str, ...], owner: Owner, alive: int, limit: float) -> int:
    """Start the playbook and stay until nothing of it is left; returns the exit code."""
    os.setsid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # only to be woken
    guard = os.getpid()
    playbook = os.fork()
    if playbook == 0:
        # Should both guards be killed at once. Its forks then keep the locks until they are done.
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(LOST)
        os.execvp(command[0], command)  # noqa: S606 - what a guard is for
    poll = select.poll()
    for file in (owner.file, alive, woken):
        poll.register(file, select.POLLIN)
    until = now() + limit
    while True:
        ready = dict(poll.poll(1000 * min(_NAP, max(0, until - now()))))
        if woken in ready:
            os.read(woken, 4096)
        if (status := _reaped(playbook)) is not None:
            end_all(but_masters=os.WIFEXITED(status))
            return _code(status)
        why = LOST if alive in ready else owner.verdict()
        if why is None and now() >= until:
            why = TIMEOUT
        if why is not None:
            end_all()
            return why


def end_all(*, but_masters: bool = False) -> None:
    """Kill every process below this one; return when there is none.

    ``but_masters``: SSH's masters stay. A playbook that has ended leaves them to the next one.
    """
    while _children():
        left = [pid for pid in _below(os.getpid()) if not (but_masters and _is_master(pid))]
        if but_masters and not left:
            return
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE / 4)


def _children() -> bool:
    """Reap what has ended; whether a child is left. What loses its parent becomes one: none is none."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def _reaped(playbook: int) -> int | None:
    """Reap what has ended; returns the playbook's status if it is among that."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid in (0, playbook):
            return status if pid else None


def _below(ancestor: int) -> Iterator[int]:
    """Find the living descendants of a process."""
    children: dict[int, list[int]] = {}
    for pid in _processes():
        state, parent, *_ = *_file(pid, "stat").rpartition(b")")[2].split(), b"", b""
        if state not in b"ZX":  # the empty one neither: gone meanwhile
            children.setdefault(int(parent), []).append(pid)
    found = [ancestor]
    for pid in found:  # grows meanwhile
        found += children.get(pid, [])
    return iter(found[1:])


def _is_master(pid: int) -> bool:
    """Whether it is a shared SSH connection that waits for its next user: ``ssh: PATH [mux]``."""
    title = _file(pid, "cmdline").rstrip(b"\0")
    return title.startswith(b"ssh: ") and title.endswith(b" [mux]")


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - dear to import


def _file(pid: int, name: str) -> bytes:
    """Return a file of a process; nothing when the process is gone or another user's."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as stream:  # noqa: PTH123 - pathlib is dear to import
            return stream.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def _code(status: int) -> int:
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value)):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
