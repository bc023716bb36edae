"""Up, down, status: what a person does with a lab as a whole."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lab import answers, checks, images, keys, state, supervisor, topology
from lab.errors import LabError, NotRunningError, StartError
from lab.keeper import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def say(line: str) -> None:
    """One line of progress."""
    print(f"lab: {line}", flush=True)


def up(name: str, mode: str, ttl: int, *, fresh: bool) -> None:
    """Start the lab and return when every service answers.

    One that runs already is left as it is, or with `fresh` ended first. Raises LabError and its kinds.
    """
    if state.inside():
        raise LabError("this is inside a lab already; a lab is started from outside")
    with _alone(name):
        if _running(name) and not fresh:
            say(f"'{name}' is already running; anew: python3 -m lab up --fresh --name {name}")
            return
        down(name, quiet=True)
        wanted = checks.demand(mode)
        if mode == "auto" and wanted == "plain":
            say("mode plain: systemd containers cannot run here now (python3 -m lab check tells why)")
        images.ensure((host.image for host in topology.HOSTS), say)
        started = time.monotonic()
        say("keys: SSH, DKIM, certificates, passwords")
        folder = state.folder_of(name)
        folder.mkdir(mode=0o700, parents=True)
        try:
            (folder / "logs").mkdir()
            keys.make(folder)
            _start(name, wanted, ttl)
        except BaseException:
            down(name, quiet=True)
            raise
    say(
        f"'{name}' is up in {time.monotonic() - started:.1f} s: {len(topology.HOSTS)} hosts, {wanted}; "
        f"it ends in {_duration(ttl)} or with: python3 -m lab down --name {name}"
    )


def down(name: str, *, quiet: bool = False) -> None:
    """End the lab, or clean up after one that was killed; returns when nothing is left of it."""
    if state.inside():
        raise LabError("this is inside the lab; it is ended from outside")
    started = time.monotonic()
    try:
        running = state.read(name)
    except NotRunningError:
        if state.folder_of(name).exists():
            state.remove(name)
        elif not quiet:
            say(f"'{name}' is not running")
        return
    running.supervisor.end(signal.SIGKILL)
    running.keeper.end(None)  # it cleans up
    state.remove(name)  # in case the keeper was killed too
    if not quiet:
        say(f"'{name}' is down, {time.monotonic() - started:.1f} s")


def status(name: str) -> bool:
    """Print each host, its addresses and which services answer; True when all do. Runs inside the lab."""
    running = state.read_alive(name)
    left = max(0, int(running.ends - time.time()))
    print(f"lab '{name}', {running.mode}, ends in {_duration(left)}")
    well = True
    for host in topology.HOSTS:
        missing = answers.first_missing(host)
        well = well and not missing
        services = " ".join(service.name for service in host.services)
        addresses = f"{topology.address4(host.number):11} {topology.address6(host.number):16}"
        print(f"{host.name:8} {addresses} {f'no answer: {missing}' if missing else f'answers: {services}'}")
    print(f"{topology.ATTACKER} {' '.join(topology.ATTACKER_ADDRESSES)}")
    return well


def _duration(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"  # noqa: PLR2004  seconds of a minute


def _start(name: str, mode: str, ttl: int) -> None:
    """Start the keeper, pass its progress on, return at READY; raises StartError with what it said last."""
    weed = checks.find_weed()
    command = [sys.executable, "-m", "lab.keeper", name, mode, str(weed), str(ttl)]
    log = (state.folder_of(name) / "logs/keeper.log").open("wb")
    keeper = subprocess.Popen(
        command,
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,
        text=True,
    )
    try:
        _follow(keeper.stdout or ())
    except BaseException:
        keeper.terminate()  # it ends the lab and cleans up
        keeper.wait()
        raise


def _follow(lines: Iterable[str]) -> None:
    """Say what the lab says, until READY; raises StartError when it fails or ends before."""
    lines = iter(lines)
    for line in lines:
        if line == f"{supervisor.READY}\n":
            return
        if line.startswith(supervisor.FAILED):
            raise StartError("".join((line.removeprefix(supervisor.FAILED), *lines)).rstrip())
        say(line.rstrip("\n"))
    raise StartError("the lab ended while it started")


def _running(name: str) -> bool:
    try:
        return state.read(name).alive()
    except NotRunningError:
        return False


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Let only one process at a time start the lab of this name."""
    path = images.cache_folder() / f"up-{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is starting '{name}'; waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
