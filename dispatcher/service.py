"""`athome serve`: mailbox, workers and outbox as one process."""

from __future__ import annotations

import logging
from collections import Counter
from functools import partial
from threading import Event

from dispatcher.health.pulse import Beating
from dispatcher.intake import Intake
from dispatcher.jobs import undoing
from dispatcher.jobs.housekeeping import Housekeeping
from dispatcher.jobs.lead import Lead
from dispatcher.jobs.waiting import Waiting
from dispatcher.mail.admission import Admission
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.mailbox import Disposition, Mailbox
from dispatcher.mail.message import RawMessage
from dispatcher.mail.permissions import check
from dispatcher.mail.senders import Senders
from dispatcher.orders import Orders
from dispatcher.replies.bounces import Bounces
from dispatcher.replies.notices import Notices
from dispatcher.replies.outbox import Outbox
from dispatcher.settings import Settings
from dispatcher.work import Parts, Work, needed, only_one

log = logging.getLogger(__name__)


class Service(Work):
    """Everything that `athome serve` needs, put together from the settings and started by ``run``.

    On PostgreSQL several may run: each works, one reads the mailbox, and whoever is first sends.
    """

    def __init__(self, settings: Settings) -> None:
        imap = needed(settings.imap, "imap")
        smtp = needed(settings.smtp, "smtp")
        mail = needed(settings.mail, "mail")
        tokens = needed(settings.tokens, "tokens")
        for secret in (imap.password, smtp.password, tokens.pepper):
            secret()  # a missing secret is found at the start, not at the first mail
        check(settings.permissions)
        super().__init__(settings)
        if mail.authentication == "results_only":
            log.warning(
                "mail.authentication is results_only: no signature is checked here, and a mail is believed"
                " when %s says dmarc=pass; see docs/SEGURANCA.md",
                mail.results_of,
            )
        admission = Admission.of(mail, tokens, self._engine, self._store.seen)
        senders = Senders(self._engine)
        orders = Orders(
            composer=self._composer,
            inventory=self._inventory,
            permissions=settings.permissions,
            confirmations=Confirmations(self._engine, tokens.pepper()),
            senders=senders.all,
            waiting=self._store.waiting,
            found=partial(undoing.found, self._engine),
        )
        notices = Notices(self._composer, settings, senders.all)
        self._intake = Intake(
            self._store, admission, orders, notices, self._taken, bounces=Bounces(self._engine)
        )
        self._housekeeping = Housekeeping(self._engine, settings)
        self._waiting = Waiting(
            self._engine, self._composer, settings.runs.tell_after, self._worker.posted.set
        )
        self._mailbox = Mailbox(imap, max_bytes=mail.max_bytes)
        self._lead = Lead(self._engine, "mailbox")
        self._outbox = Outbox(self._engine, smtp, imap, beat=self._pulse.beat)

    def run(self, stop: Event) -> None:
        """Serve until ``stop`` is set: then no new mail is taken, and what is running is finished."""
        with only_one(self._settings.state_dir), self._watch.over(stop), self._metrics():
            if not self._store.shared and (interrupted := self._store.requeue()):
                log.warning(
                    "interrupted when the service ended last time, queued again: jobs %s", interrupted
                )
            self._inventory.read()  # its errors belong to the start, and its cost too
            sent = Event()
            sending, parts = Parts(self._pulse, stop), Parts(self._pulse, stop)
            due = Beating(sent, self._pulse)
            sending.start("outbox", lambda: self._outbox.run(due, self._worker.posted))
            parts.start("housekeeping", lambda: self._housekeeping.run(stop))
            parts.start("waiting", lambda: self._waiting.run(Beating(stop, self._pulse)))
            parts.start("mailbox", lambda: self._lead.run(self._read, stop, self._stand_by))
            self._start_workers(parts, stop)
            self._watch.ready()
            stop.wait()
            self._taken()
            parts.join()
            sent.set()  # only now: the last job's reply goes out too
            self._worker.posted.set()
            sending.join()
            parts.check()
            sending.check()

    def _counts(self) -> Counter[str]:
        return self._outbox.counts

    def _read(self, over: Event) -> None:
        self._mailbox.run(self._take, Beating(over, self._pulse), self._pulse.say)

    def _take(self, raw: RawMessage) -> Disposition:
        """Decide about a mail, unless another machine reads the mailbox by now."""
        self._lead.sure()
        return self._intake.take(raw)

    def _stand_by(self) -> None:
        self._pulse.say("standby")

    def _taken(self) -> None:
        self._worker.wake.set()
        self._worker.posted.set()
