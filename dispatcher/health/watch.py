"""Watches the service's parts, and tells systemd and the state file how they are.

It asks no database and no server, so nothing that is away can keep it from its work: systemd starts the
service anew when a part hangs, not when there is nothing but to wait.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from dispatcher.health.pulse import Part, Pulse
from dispatcher.health.systemd import notify, watchdog
from dispatcher.runs.guard import now

log = logging.getLogger(__name__)

TICK = 2.0  # seconds between two looks


class Watch:
    """Looks after the parts while a block lasts."""

    def __init__(self, pulse: Pulse, folder: Path) -> None:
        self._pulse = pulse
        self._folder = folder
        self._late: set[str] = set()
        self._said = ""
        self._written = True
        self._stopping = False

    @contextmanager
    def over(self, stop: Event) -> Iterator[None]:
        """Watch what is started before and during the block. ``stop``: the service has been told to end."""
        done = Event()
        tick = min(TICK, (watchdog() or TICK * 3) / 3)

        def body() -> None:
            while not done.wait(tick):
                self.look(stopping=stop.is_set())

        self.look(stopping=False)
        thread = Thread(target=body, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.look(stopping=True)

    @staticmethod
    def ready() -> None:
        """Tell systemd that the parts have been started."""
        notify("READY=1")

    def look(self, *, stopping: bool) -> bool:
        """Look once, and tell; returns whether all parts make progress."""
        if stopping and not self._stopping:
            self._stopping = True
            notify("STOPPING=1")
        parts = self._pulse.parts()
        late = {part.name: part.late(now()) + part.quiet for part in parts if part.late(now()) > 0}
        for name in late.keys() - self._late:
            log.critical("%s has made no progress for %.0f s", name, late[name])
        for name in self._late - late.keys():
            log.warning("%s makes progress again", name)
        self._late = set(late)
        if not late:
            notify("WATCHDOG=1")
        status = _status(parts, late, stopping=stopping)
        if status != self._said:
            self._said = status
            notify(f"STATUS={status}")
        self._write(stopping=stopping)
        return not late

    def _write(self, *, stopping: bool) -> None:
        try:
            self._pulse.write(self._folder, stopping=stopping)
            self._written = True
        except OSError as error:
            if self._written:
                log.error("the state file cannot be written, athome health will not know: %s", error)
            self._written = False


def _status(parts: tuple[Part, ...], late: dict[str, float], *, stopping: bool) -> str:
    """Return one line for `systemctl status`."""
    hang = [f"{name} HANGS" for name in sorted(late)]
    mailbox = [f"mailbox {part.state}" for part in parts if part.name == "mailbox" and part.state]
    busy = [part.state for part in parts if part.name.startswith("worker") and part.state]
    running = f"running {', '.join(sorted(busy))}" if busy else "no job running"
    return "; ".join([*hang, *(["ending: no new mail"] if stopping else mailbox), running])
