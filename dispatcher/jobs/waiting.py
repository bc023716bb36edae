"""Tells whoever sent a command by mail that it waits for its turn: once, and only if it waits for long."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event

from sqlalchemy import ColumnElement, Connection, Engine, exists, select, update

from dispatcher.commands import COMMANDS
from dispatcher.commands.local import LocalCommand
from dispatcher.errors import StoreError
from dispatcher.jobs import rows
from dispatcher.jobs.database import reading, transaction
from dispatcher.jobs.job import Owner, State
from dispatcher.jobs.queries import clock
from dispatcher.jobs.schema import confirmations, jobs
from dispatcher.jobs.standing import standing
from dispatcher.logs import of_job
from dispatcher.replies.compose import Composer
from dispatcher.replies.standing import accepted

log = logging.getLogger(__name__)

POLL = 5.0  # seconds between two looks
_BATCH = 50  # jobs of one look; the others have the next one
_SOON = [
    keyword for keyword, kind in COMMANDS.items() if issubclass(kind, LocalCommand)
]  # these wait for none


class Waiting:
    """The jobs of one database whose senders do not know yet that they wait. Several may serve one.

    ``after``: seconds that a job waits before anybody is told; 0: nobody is. ``posted`` is called when there
    is mail in the outbox.
    """

    def __init__(self, engine: Engine, composer: Composer, after: float, posted: Callable[[], None]) -> None:
        self._engine = engine
        self._composer = composer
        self._after = after
        self._posted = posted

    def run(self, stop: Event) -> None:
        """Look now and then until told to stop."""
        while not stop.wait(POLL):
            try:
                self.tell()
            except StoreError as error:  # noqa: PERF203 - the database may be back at the next look
                log.error("who waits is not told yet: %s", error)

    def tell(self) -> int:
        """Tell those who have waited for long enough; return how many they are. Raises StoreError."""
        if not self._after:
            return 0
        with reading(self._engine) as connection:
            due = select(jobs.c.id).where(self._untold(connection)).order_by(jobs.c.id).limit(_BATCH)
            found = list(connection.execute(due).scalars())
        told = sum(self._told(job_id) for job_id in found)
        if told:
            self._posted()
        return told

    def _untold(self, connection: Connection) -> ColumnElement[bool]:
        """Return the condition that a job waits for its first start, and that its sender is to hear so."""
        before = clock(connection) - self._after
        only_now = exists().where(
            confirmations.c.job_id == jobs.c.id, confirmations.c.used_at > time.time() - self._after
        )
        return (
            (jobs.c.state == State.QUEUED.value)
            & jobs.c.told_at.is_(None)
            & (jobs.c.attempts == 0)
            & (jobs.c.owner == Owner.SERVE.value)
            & jobs.c.sender.is_not(None)
            & jobs.c.keyword.not_in(_SOON)
            & (jobs.c.created_at <= before)
            & ~only_now
        )

    def _told(self, job_id: int) -> bool:
        """Post the mail and write down that there is one, as one; False: it waits no more, or knows."""
        with transaction(self._engine) as connection, of_job(job_id):
            still = select(jobs.c.id).where(jobs.c.id == job_id, self._untold(connection))
            if connection.execute(still.with_for_update(skip_locked=True)).scalar() is None:
                return False
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(told_at=clock(connection)))
            seen = standing(connection, rows.one(connection, job_id))
            try:
                reply = accepted(self._composer, seen.job, seen.ahead, seen.waits)
            except Exception:  # a fault in the template is no reason to try for ever
                log.exception("job %d: its sender cannot be told that it waits", job_id)
                return False
            rows.post(connection, reply, job_id, seen.job.order.message_id)
            log.info("job %d: its sender is told that it waits", job_id)
            return True
