"""The worker's side of a run's guard: signs of life, and the word to end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from dispatcher.errors import StoreError
from dispatcher.logs import inherited
from dispatcher.runs.guard import now

_BEAT = 0.2  # seconds: how soon a cancel is noticed
_PATIENCE = 10.0  # seconds until a guard that was told to end the playbook is itself given up


class Heartbeat:
    """What a worker says to the guard through an open FIFO."""

    def __init__(self, file: int, kept: Callable[[], float], canceled: Callable[[], bool]) -> None:
        self._file = file
        self._kept = kept
        self._canceled = canceled
        self._told: float | None = None

    def beat(self) -> None:
        """Say how long the job is known to be ours, and whether it is to end. Raises StoreError."""
        self._say(f"{self._kept():.3f}")
        if self._canceled():
            self._told = self._told or now()
            self._say("end")

    def unheeded(self) -> bool:
        """Whether the guard should have ended the playbook long since."""
        return self._told is not None and now() - self._told > _PATIENCE

    def _say(self, word: str) -> None:
        with suppress(BlockingIOError):  # nobody has listened for minutes
            os.write(self._file, f"{word}\n".encode())


@contextmanager
def beating(fifo: Path, kept: Callable[[], float], canceled: Callable[[], bool]) -> Iterator[Heartbeat]:
    """Beat while the block lasts, in a thread of its own: what handles an event may take its time.

    ``fifo`` is made for the block. ``kept`` returns the moment (``guard.now``) at which the job was last
    known to be this worker's; ``canceled`` is asked five times a second. Either may raise StoreError: how
    long it goes on without the database, the last beat decides.
    """
    over = Event()

    def beat() -> None:
        while not over.wait(_BEAT):
            with suppress(StoreError):
                heartbeat.beat()

    os.mkfifo(fifo, 0o600)
    # For reading too: there is no waiting for the guard, and no signal when it is gone.
    file = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    heartbeat = Heartbeat(file, kept, canceled)
    thread = Thread(target=inherited(beat), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield heartbeat
    finally:
        over.set()
        thread.join()
        os.close(file)  # a guard that still has a playbook ends it now
        fifo.unlink(missing_ok=True)
