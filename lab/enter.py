"""Run a command inside the lab or one of its hosts: status, signals and terminal are as if it ran here."""

from __future__ import annotations

import ctypes
import os
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from lab import state, topology
from lab.errors import LabError, NotRunningError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1  # linux/prctl.h
NOT_FOUND, NOT_EXECUTABLE, KILLED = 127, 126, 128  # a shell's exit codes
ENDING = 0.5  # seconds from the death of the lab's processes to that of its process 1
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
HOST_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                    "USER": "root", "LANG": "C.UTF-8"}  # fmt: skip


def in_lab(name: str, command: Sequence[str], host: str | None = None) -> int:
    """Run a command of this machine in the lab, or in the network of a member; returns its status.

    Working directory and environment stay. Raises NotRunningError, and LabError for an unknown host.
    """
    if host and host not in (topology.ATTACKER, *(known.name for known in topology.HOSTS)):
        raise LabError(f"no host '{host}'; there are: {host_names()}, {topology.ATTACKER}")
    folder = Path.cwd()
    supervisor = _join_lab(name)
    if host:
        _setns(Path(f"/run/netns/{host}"))
    try:
        os.chdir(folder)
    except FileNotFoundError as error:
        raise LabError(f"the folder {folder} is not to be seen in the lab; start from another one") from error
    return _run(supervisor, command, {**os.environ, "ATHOME_LAB": name})


def in_host(name: str, host: str, command: Sequence[str]) -> int:
    """Run a command of a host's own in all of its namespaces; returns its status."""
    if host not in {known.name for known in topology.HOSTS}:
        raise LabError(f"no host '{host}'; there are: {host_names()}")
    supervisor = _join_lab(name)
    first = first_process(host)
    handles = [
        os.open(f"/proc/{first}/ns/{kind}", os.O_RDONLY) for kind in ("uts", "ipc", "net", "pid", "mnt")
    ]
    for handle in handles:
        _setns(handle)
    os.chdir("/")
    terminal = {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}
    return _run(supervisor, command, {**HOST_ENVIRONMENT, **terminal})


def first_process(host: str) -> int:
    """Find a host's process 1, as numbered in the lab: the child of its runner; raises NotRunningError."""
    runner = state.read_runners()[host]
    try:
        return int(Path(f"/proc/{runner}/task/{runner}/children").read_text().split()[0])
    except (FileNotFoundError, IndexError) as error:
        raise NotRunningError(
            f"host {host} has stopped; see {state.INSIDE}/logs/{host}.log in the lab"
        ) from error


def host_names() -> str:
    """Every host, for a message."""
    return ", ".join(host.name for host in topology.HOSTS)


def _join_lab(name: str) -> int:
    """Enter the lab's namespaces, unless this is inside already; returns a pidfd of its process 1."""
    running = state.read_alive(name)
    if state.inside():
        return os.pidfd_open(1)
    pid = running.supervisor.pid
    supervisor = os.pidfd_open(pid)
    handles = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in ("net", "pid", "mnt")]
    for handle in handles:
        _setns(handle)
    return supervisor


def _setns(namespace: int | Path) -> None:
    handle = os.open(namespace, os.O_RDONLY) if isinstance(namespace, Path) else namespace
    if libc.setns(handle, 0):
        number = ctypes.get_errno()
        raise LabError(f"cannot enter the lab's namespaces: {os.strerror(number)}; it takes root")
    os.close(handle)


def _run(supervisor: int, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Fork, as only a child is in the new PID namespace; pass signals on and wait.

    A signal from the terminal reaches the child by itself; only one that a process sent to us is passed on.
    """
    watched = {signal.SIGCHLD, *FORWARDED}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    child = os.fork()
    if child == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a program would inherit that
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _exec(list(command), environment)
    while True:
        received = signal.sigwaitinfo(watched)
        if received.si_signo != signal.SIGCHLD:
            if received.si_code <= 0:  # sent by a process, not by the kernel
                os.kill(child, received.si_signo)
            continue
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL and select.select([supervisor], [], [], ENDING)[0]:
        raise NotRunningError(
            "the command was ended with its lab: by `down`, or because the lab's time was over"
        )
    return KILLED - code if code < 0 else code


def _exec(command: list[str], environment: Mapping[str, str]) -> None:
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606  no shell is wanted
    except OSError as error:
        os.write(2, f"lab: {command[0]}: {error.strerror}\n".encode())
        os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE)
