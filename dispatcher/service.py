"""`athome serve`: mailbox, workers and outbox as one process."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from dispatcher.errors import AlreadyServingError, ServiceDiedError, SettingsError
from dispatcher.health.metrics import exposed, registry
from dispatcher.health.pulse import Beating, Pulse
from dispatcher.health.watch import Watch
from dispatcher.intake import Intake
from dispatcher.inventory import InventorySource
from dispatcher.jobs.database import connect
from dispatcher.jobs.housekeeping import Housekeeping
from dispatcher.jobs.local import LocalRunner
from dispatcher.jobs.store import Store
from dispatcher.jobs.worker import Worker
from dispatcher.mail.admission import Admission
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.mailbox import Mailbox
from dispatcher.mail.permissions import check
from dispatcher.mail.senders import Senders
from dispatcher.orders import Orders
from dispatcher.replies.compose import Composer
from dispatcher.replies.notices import Notices
from dispatcher.replies.outbox import Outbox
from dispatcher.runs.runner import Runner
from dispatcher.settings import Section, Settings

log = logging.getLogger(__name__)

_LOOKED_AT = 0.5  # seconds: `athome health` may have the lock for an instant
_Section = TypeVar("_Section", bound=Section)


class Service:
    """Everything that `athome serve` needs, put together from the settings and started by ``run``."""

    def __init__(self, settings: Settings) -> None:
        imap = _needed(settings.imap, "imap")
        smtp = _needed(settings.smtp, "smtp")
        mail = _needed(settings.mail, "mail")
        tokens = _needed(settings.tokens, "tokens")
        for secret in (imap.password, smtp.password, tokens.pepper):
            secret()  # a missing secret is found at the start, not at the first mail
        check(settings.permissions)
        self._settings = settings
        self._engine = connect(settings.job_store)
        self._store = Store(self._engine)
        self._inventory = InventorySource(settings.inventory)
        composer = Composer(settings)
        local = LocalRunner(settings, self._inventory, composer)
        self._pulse = Pulse()
        self._watch = Watch(self._pulse, settings.state_dir)
        self._worker = Worker(
            self._store, Runner(settings), composer, settings.runs, local, beat=self._pulse.beat
        )
        if mail.authentication == "results_only":
            log.warning(
                "mail.authentication is results_only: no signature is checked here, and a mail is believed"
                " when %s says dmarc=pass; see docs/SEGURANCA.md",
                mail.results_of,
            )
        admission = Admission.of(mail, tokens, self._engine, self._store.seen)
        senders = Senders(self._engine)
        orders = Orders(
            composer=composer,
            inventory=self._inventory,
            permissions=settings.permissions,
            confirmations=Confirmations(self._engine, tokens.pepper()),
            senders=senders.all,
            waiting=self._store.waiting,
        )
        notices = Notices(composer, settings, senders.all)
        self._intake = Intake(self._store, admission, orders, notices, self._taken)
        self._housekeeping = Housekeeping(self._engine, settings)
        self._mailbox = Mailbox(imap, max_bytes=mail.max_bytes)
        self._outbox = Outbox(self._engine, smtp, beat=self._pulse.beat)

    def run(self, stop: Event) -> None:
        """Serve until ``stop`` is set: then no new mail is taken, and what is running is finished."""
        with only_one(self._settings.state_dir), self._watch.over(stop), self._metrics():
            if interrupted := self._store.requeue():
                log.warning(
                    "interrupted when the service ended last time, queued again: jobs %s", interrupted
                )
            self._inventory.read()  # its errors belong to the start, and its cost too
            died: list[str] = []
            sent = Event()
            seen, sending = Beating(stop, self._pulse), Beating(sent, self._pulse)
            outbox = self._thread(
                "outbox", lambda: self._outbox.run(sending, self._worker.posted), stop, died
            )
            threads = [
                self._thread("housekeeping", lambda: self._housekeeping.run(stop), stop, died),
                self._thread("mailbox", lambda: self._read(seen), stop, died),
                *(
                    self._thread(f"worker-{number}", lambda: self._worker.run(seen), stop, died)
                    for number in range(self._settings.runs.concurrency)
                ),
            ]
            self._watch.ready()
            stop.wait()
            self._taken()
            for thread in threads:
                thread.join()
            sent.set()  # only now: the last job's reply goes out too
            self._worker.posted.set()
            outbox.join()
            if died:
                raise ServiceDiedError(
                    f"O serviço parou por uma falha em: {', '.join(died)}.",
                    "Veja o motivo no registro (journalctl -u athome); ao reiniciar, nada se perde.",
                )

    def _metrics(self) -> AbstractContextManager[None]:
        return exposed(
            self._settings.metrics, lambda: registry(self._engine, self._pulse, self._outbox.counts)
        )

    def _read(self, stop: Event) -> None:
        self._mailbox.run(self._intake.take, stop, self._pulse.say)

    def _taken(self) -> None:
        self._worker.wake.set()
        self._worker.posted.set()

    def _thread(self, name: str, target: Callable[[], None], stop: Event, died: list[str]) -> Thread:
        """Start a part of the service. One that dies ends the service: systemd starts all of it again."""

        def body() -> None:
            try:
                target()
            except Exception:
                log.exception("%s has died", name)
                died.append(name)
            finally:
                self._pulse.over()
                stop.set()

        thread = Thread(target=body, name=name)
        thread.start()
        return thread


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
                f"Outro athome serve já usa {state_dir}.",
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


def _needed(section: _Section | None, name: str) -> _Section:
    if section is None:
        raise SettingsError(
            f"A configuração não tem a seção {name}, de que athome serve precisa.",
            "Compare com docs/settings.example.yml.",
        )
    return section
