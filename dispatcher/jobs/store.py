"""The job store: what is accepted here is done, and answered once, whatever crashes.

Every public method is one transaction. Order and locks: a job waits while an older unfinished job locks
something that it does too (FIFO per name), and jobs that share nothing run side by side.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from dispatcher.errors import NotFoundError
from dispatcher.jobs.database import transaction
from dispatcher.jobs.job import Job, Order, Owner, State
from dispatcher.jobs.queries import UNFINISHED, as_job, has_elder, is_locked_out
from dispatcher.jobs.schema import job_servers, jobs, locks, messages, outbox
from dispatcher.replies.compose import Reply
from dispatcher.runs.report import Report

LEASE = 30.0  # seconds without a sign of life until the job of a shell is given up


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A mail as the audit keeps it. ``subject`` has no token any more."""

    folder: str
    uidvalidity: int
    uid: int
    sender: str | None
    message_id: str | None
    subject: str | None
    verdict: str  # admitted | refused | silent | parked
    rule: str
    reason: str


class Store:
    """Jobs, and the replies that belong to them, in one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def take(
        self, delivery: Delivery, *, order: Order | None = None, reply: Reply | None = None
    ) -> int | None:
        """Record a mail together with what follows from it: a job, a reply, or nothing.

        Returns the new job's id. A delivery that was taken before has no further effect, and a second mail of
        the same sender and Message-ID gets no second job.
        """
        with transaction(self.engine) as connection:
            row = {field: getattr(delivery, field) for field in Delivery.__dataclass_fields__}
            if order is not None and self._seen(connection, order):
                order, row = (
                    None,
                    row | {"verdict": "silent", "rule": "replay", "reason": "the job exists already"},
                )
            job_id = None
            try:
                with connection.begin_nested():
                    if order is not None:
                        job_id = self._insert(connection, order, Owner.SERVE, claim=None)
                    connection.execute(insert(messages).values(**row, seen_at=time.time(), job_id=job_id))
            except IntegrityError:  # another reader was faster: its transaction holds everything
                return None
            if reply is not None:
                self._post(connection, reply, job_id)
            return job_id

    def seen(self, sender: str, message_id: str) -> bool:
        """Whether this sender's mail has been made a job already."""
        with transaction(self.engine) as connection:
            return self._job_of_mail(connection, sender, message_id)

    def submit(self, order: Order) -> Job:
        """Queue a command from the shell. The job is this process's own; ``renew`` keeps it."""
        claim = secrets.token_hex(16)
        with transaction(self.engine) as connection:
            job_id = self._insert(connection, order, Owner.SHELL, claim=claim)
        return self.job(job_id)

    def claim(self, own: Job | None = None) -> Job | None:
        """Start the oldest job that is not locked out, or the shell's own job; None when there is none.

        The locks' primary key makes sure that nothing is given to two jobs.
        """
        with transaction(self.engine) as connection:
            self._give_up_lost_shells(connection)
            mine = jobs.c.owner == Owner.SERVE.value if own is None else jobs.c.id == own.id
            found = connection.execute(
                select(jobs.c.id)
                .where(jobs.c.state == State.QUEUED.value, mine, ~has_elder(), ~is_locked_out())
                .order_by(jobs.c.id)
                .limit(1)
            ).scalar()
            if found is None:
                return None
            names = select(job_servers.c.server, job_servers.c.job_id).where(job_servers.c.job_id == found)
            connection.execute(insert(locks).from_select(["server", "job_id"], names))
            connection.execute(
                update(jobs)
                .where(jobs.c.id == found)
                .values(
                    state=State.RUNNING.value,
                    attempts=jobs.c.attempts + 1,
                    claim=secrets.token_hex(16),
                    started_at=time.time(),
                    lease_until=time.time() + LEASE,
                )
            )
            return self._job(connection, found)

    def renew(self, job: Job) -> bool:
        """Say that the shell which owns the job is alive. False: the job has been given up or canceled."""
        with transaction(self.engine) as connection:
            renewed = connection.execute(
                update(jobs)
                .where(jobs.c.id == job.id, jobs.c.claim == job.claim, jobs.c.state.in_(UNFINISHED))
                .values(lease_until=time.time() + LEASE)
            )
            return renewed.rowcount == 1

    def finish(self, job: Job, report: Report, reply: Reply | None) -> bool:
        """Write result, reply and the release of the locks as one. False: the job is no longer ours."""
        with transaction(self.engine) as connection:
            written = connection.execute(
                update(jobs)
                .where(jobs.c.id == job.id, jobs.c.claim == job.claim, jobs.c.state.in_(UNFINISHED))
                .values(
                    state=report.status,
                    report=report.model_dump(mode="json"),
                    finished_at=time.time(),
                    claim=None,
                    lease_until=None,
                )
            )
            if written.rowcount != 1:
                return False
            connection.execute(delete(locks).where(locks.c.job_id == job.id))
            if reply is not None:
                self._post(connection, reply, job.id)
            return True

    def post(self, job: Job, reply: Reply) -> None:
        """Post a reply about a job that is still running, unless the job is no longer ours."""
        mine = exists().where(jobs.c.id == job.id, jobs.c.claim == job.claim, jobs.c.state.in_(UNFINISHED))
        with transaction(self.engine) as connection:
            if connection.execute(select(mine)).scalar():
                self._post(connection, reply, job.id)

    def requeue(self) -> list[int]:
        """Put back what the service was running when it died. Only for who holds the service's lock file."""
        interrupted = (jobs.c.state == State.RUNNING.value) & (jobs.c.owner == Owner.SERVE.value)
        with transaction(self.engine) as connection:
            found = list(
                connection.execute(select(jobs.c.id).where(interrupted).order_by(jobs.c.id)).scalars()
            )
            connection.execute(delete(locks).where(locks.c.job_id.in_(found)))
            connection.execute(update(jobs).where(interrupted).values(state=State.QUEUED.value, claim=None))
            return found

    def job(self, job_id: int) -> Job:
        """Return one job. Raises StoreError when there is none of this number."""
        with transaction(self.engine) as connection:
            return self._job(connection, job_id)

    def recent(self, limit: int, state: State | None = None) -> list[Job]:
        """Return the newest jobs, newest first."""
        query = select(jobs.c.id).order_by(jobs.c.id.desc()).limit(limit)
        with transaction(self.engine) as connection:
            self._give_up_lost_shells(connection)
            found = connection.execute(query if state is None else query.where(jobs.c.state == state.value))
            return [self._job(connection, job_id) for job_id in found.scalars()]

    @staticmethod
    def _insert(connection: Connection, order: Order, owner: Owner, claim: str | None) -> int:
        now = time.time()
        job_id = connection.execute(
            insert(jobs)
            .values(
                sender=order.sender,
                message_id=order.message_id,
                thread=order.references,
                keyword=order.keyword,
                subject=order.subject,
                arguments=order.arguments,
                servers=list(order.servers),
                check=order.check,
                language=order.language,
                state=State.QUEUED.value,
                attempts=0,
                owner=owner.value,
                claim=claim,
                created_at=now,
                lease_until=now + LEASE if owner is Owner.SHELL else None,
            )
            .returning(jobs.c.id)
        ).scalar_one()
        for name in order.locks:
            connection.execute(insert(job_servers).values(job_id=job_id, server=name))
        return int(job_id)

    @staticmethod
    def _job_of_mail(connection: Connection, sender: str | None, message_id: str | None) -> bool:
        known = exists().where(jobs.c.sender == sender, jobs.c.message_id == message_id)
        return bool(connection.execute(select(known)).scalar())

    def _seen(self, connection: Connection, order: Order) -> bool:
        return self._job_of_mail(connection, order.sender, order.message_id)

    @staticmethod
    def _post(connection: Connection, reply: Reply, job_id: int | None) -> None:
        """Put a reply into the outbox; the same cause twice gives the same Message-ID, and one mail."""
        if connection.execute(select(exists().where(outbox.c.message_id == reply.message_id))).scalar():
            return
        connection.execute(
            insert(outbox).values(
                message_id=reply.message_id,
                job_id=job_id,
                recipient=reply.recipient,
                message=reply.mime,
                state="waiting",
                not_before=0.0,
                created_at=time.time(),
            )
        )

    @staticmethod
    def _give_up_lost_shells(connection: Connection) -> None:
        """Cancel what a shell left behind that was killed, so that it does not hold its locks for ever."""
        lost = (
            (jobs.c.owner == Owner.SHELL.value)
            & jobs.c.state.in_(UNFINISHED)
            & (jobs.c.lease_until < time.time())
        )
        connection.execute(delete(locks).where(locks.c.job_id.in_(select(jobs.c.id).where(lost))))
        connection.execute(
            update(jobs)
            .where(lost)
            .values(state=State.CANCELED.value, claim=None, lease_until=None, finished_at=time.time())
        )

    def _job(self, connection: Connection, job_id: int) -> Job:
        row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
        if row is None:
            raise NotFoundError(f"O job {job_id} não existe.", "Veja os que existem com: athome jobs list")
        names = (
            select(job_servers.c.server).where(job_servers.c.job_id == job_id).order_by(job_servers.c.server)
        )
        return as_job(row, tuple(connection.execute(names).scalars()))
