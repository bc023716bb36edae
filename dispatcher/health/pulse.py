"""The service's parts show that they make progress; a file tells it to other processes.

Whatever kills the service leaves that file behind as it was: whether a process is still there, its lock file
tells, which the kernel frees (``work.only_one``). Times are seconds of CLOCK_BOOTTIME: they go on while
the machine is suspended, and nobody can set them back.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event, Lock, current_thread

from dispatcher import __version__
from dispatcher.runs.guard import now

QUIET = 120.0  # seconds that a part may say nothing, unless it has announced more
FILE = "serve.json"
_SLICE = 5.0  # seconds: a part that waits for long says so meanwhile


@dataclass(frozen=True, slots=True)
class Part:
    """One thread of the service."""

    name: str
    heard: float
    quiet: float  # seconds from then on in which nothing need be heard
    state: str = ""  # in its own words: "listening", "job 7"
    since: float = 0.0  # how long it has been so

    def late(self, at: float) -> float:
        """Return for how many seconds too long nothing was heard; not above 0 when all is well."""
        return at - self.heard - self.quiet


@dataclass(frozen=True, slots=True)
class Told:
    """What the file says."""

    pid: int
    version: str
    started_at: float  # UTC, seconds since 1970
    told: float
    stopping: bool
    parts: tuple[Part, ...]


class Pulse:
    """Gathers the signs of life. Each thread speaks for itself, by its name."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}
        self._lock = Lock()
        self._started_at = time.time()

    def beat(self, quiet: float = QUIET, state: str | None = None) -> None:
        """Say that the calling thread lives, and for how long it may be silent now."""
        name, at = current_thread().name, now()
        with self._lock:
            part = self._parts.get(name) or Part(name, at, quiet, since=at)
            if state is not None and state != part.state:
                part = replace(part, state=state, since=at)
            self._parts[name] = replace(part, heard=at, quiet=quiet)

    def say(self, state: str) -> None:
        """Say what the calling thread is doing, which it thereby shows to be alive."""
        self.beat(state=state)

    def over(self) -> None:
        """Say that the calling thread ends: nothing is expected of it any more."""
        with self._lock:
            self._parts.pop(current_thread().name, None)

    def parts(self) -> tuple[Part, ...]:
        """Return what is known of each."""
        with self._lock:
            return tuple(self._parts.values())

    def write(self, folder: Path, *, stopping: bool) -> None:
        """Tell other processes. Raises OSError."""
        told = Told(os.getpid(), __version__, self._started_at, now(), stopping, self.parts())
        new = folder / f"{FILE}.new"
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            json.dump(asdict(told), stream)
        new.replace(folder / FILE)


class Beating(Event):
    """Stands for another event; who asks it, or waits for it, is alive."""

    def __init__(self, event: Event, pulse: Pulse) -> None:
        super().__init__()
        self._event = event
        self._beat: Callable[[], None] = pulse.beat

    def is_set(self) -> bool:
        """Return whether the event is set."""
        self._beat()
        return self._event.is_set()

    def set(self) -> None:
        """Set the event."""
        self._event.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the event, for so many seconds at the most."""
        until = now() + timeout if timeout is not None else float("inf")
        while True:
            self._beat()
            left = until - now()
            if self._event.wait(max(0.0, min(_SLICE, left))) or left <= _SLICE:
                return self._event.is_set()


def read(folder: Path) -> Told | None:
    """Return what the service of a state folder has told last; None when there is nothing to be read."""
    try:
        said = json.loads((folder / FILE).read_text(encoding="utf-8"))
        parts = tuple(Part(**part) for part in said.pop("parts"))
        return Told(**said, parts=parts)
    except (OSError, ValueError, TypeError, KeyError):
        return None
