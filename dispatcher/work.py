"""`athome work`: workers, on any machine that reaches the database. `athome serve` has them too."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from sqlalchemy import Engine

from dispatcher.commands import COMMANDS
from dispatcher.commands.local import LocalCommand
from dispatcher.errors import AlreadyServingError, ServiceDiedError, SettingsError
from dispatcher.health.metrics import exposed, registry
from dispatcher.health.pulse import Beating, Pulse
from dispatcher.health.watch import Watch
from dispatcher.inventory import InventorySource
from dispatcher.jobs.database import connect
from dispatcher.jobs.local import LocalRunner
from dispatcher.jobs.offering import Offering
from dispatcher.jobs.store import Store
from dispatcher.jobs.worker import Worker
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.senders import Senders
from dispatcher.replies.compose import Composer
from dispatcher.runs.room import Room
from dispatcher.runs.runner import Runner
from dispatcher.settings import Section, Settings

log = logging.getLogger(__name__)

_LOOKED_AT = 0.5  # seconds: `athome health` may have the lock for an instant
_LOCAL = tuple(keyword for keyword, kind in COMMANDS.items() if issubclass(kind, LocalCommand))
_Section = TypeVar("_Section", bound=Section)


class Parts:
    """The threads of a service. One that dies ends the service: systemd starts all of it again."""

    def __init__(self, pulse: Pulse, stop: Event) -> None:
        self._pulse = pulse
        self._stop = stop
        self._threads: list[Thread] = []
        self._died: list[str] = []

    def start(self, name: str, target: Callable[[], None]) -> None:
        """Start a part in a thread of this name."""

        def body() -> None:
            try:
                target()
            except Exception:
                log.exception("%s has died", name)
                self._died.append(name)
            finally:
                self._pulse.over()
                self._stop.set()

        thread = Thread(target=body, name=name)
        thread.start()
        self._threads.append(thread)

    def join(self) -> None:
        """Wait until all that have been started are done."""
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def check(self) -> None:
        """Raise ServiceDiedError when a part has died."""
        if self._died:
            raise ServiceDiedError(
                f"O serviço parou por uma falha em: {', '.join(self._died)}.",
                "Veja o motivo no registro (journalctl -u athome); ao reiniciar, nada se perde.",
            )


class Work:
    """What takes jobs out of the queue and runs them, put together from the settings."""

    def __init__(self, settings: Settings) -> None:
        needed(settings.mail, "mail")  # the answers are composed here, and sent by an athome serve
        self._settings = settings
        self._engine: Engine = connect(settings.job_store)
        self._store = Store(self._engine, settings.runs.lease)
        self._inventory = InventorySource(settings.inventory)
        self._composer = Composer(settings)
        local = LocalRunner(settings, self._inventory, self._composer)
        self._pulse = Pulse()
        self._watch = Watch(self._pulse, settings.state_dir)
        self._worker = Worker(
            self._store, Runner(settings), self._composer, settings.runs, local,
            beat=self._pulse.beat, room=Room(settings.state_dir).enough, offering=self._offering(),
        )  # fmt: skip

    def _offering(self) -> Offering:
        """Return what lets a preview be carried out by an answer: that needs the key of the codes."""
        tokens = needed(self._settings.tokens, "tokens")
        confirmations = Confirmations(self._engine, tokens.pepper())
        senders = Senders(self._engine).all
        return Offering(self._composer, confirmations, senders, self._settings.permissions)

    def run(self, stop: Event) -> None:
        """Work until ``stop`` is set: then no new job is begun, and what is running is finished.

        Raises ServiceDiedError.
        """
        with only_one(self._settings.state_dir), self._watch.over(stop), self._metrics():
            self._inventory.read()  # its errors belong to the start, and its cost too
            parts = Parts(self._pulse, stop)
            self._start_workers(parts, stop)
            self._watch.ready()
            stop.wait()
            self._worker.wake.set()
            parts.join()
            parts.check()

    def _start_workers(self, parts: Parts, stop: Event) -> None:
        seen = Beating(stop, self._pulse)
        for number in range(self._settings.runs.concurrency):
            parts.start(f"worker-{number}", lambda: self._worker.run(seen))
        # Else CANCELAR would wait for the very jobs that it is to end.
        parts.start("local", lambda: self._worker.run(seen, _LOCAL))

    def _metrics(self) -> AbstractContextManager[None]:
        return exposed(self._settings.metrics, lambda: registry(self._engine, self._pulse, self._counts()))

    def _counts(self) -> Counter[str]:
        return Counter()


def worker_only(settings: Settings) -> Work:
    """Return what `athome work` runs. Raises SettingsError when nobody else could share the database."""
    if not settings.database.shared:
        raise SettingsError(
            "athome work trabalha junto com um athome serve de outra máquina, e SQLite é de uma só.",
            "Indique database.url: postgresql+psycopg://conta@host/banco, o mesmo em todas as máquinas.",
        )
    return Work(settings)


@contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Hold the state folder's lock file: what is found running there can then only be left over."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(state_dir / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + _LOOKED_AT
        while not _locked(file):
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            raise AlreadyServingError(
                f"Outro athome serve ou work já usa {state_dir}.",
                "Pare-o antes, ou indique outra pasta em state_dir.",
            )
        yield
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def stop_on_signals(stop: Event) -> None:
    """SIGTERM and Ctrl-C ask for an orderly end; a second one ends at once, and the next start goes on."""

    def handler(number: int, _frame: object) -> None:
        log.info("%s: finishing what runs; once more to end at once", signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)


def needed(section: _Section | None, name: str) -> _Section:
    """Return a section of the settings that may not be left out here. Raises SettingsError."""
    if section is None:
        raise SettingsError(
            f"A configuração não tem a seção {name}, de que este comando precisa.",
            "Compare com docs/settings.example.yml.",
        )
    return section
