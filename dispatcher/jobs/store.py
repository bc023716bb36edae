"""The job store: what is accepted here is done, and answered once, whatever crashes.

Every public method is one transaction. Order and locks: a job waits while an older unfinished job locks
something that it does too (FIFO per name), and jobs that share nothing run side by side.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from dispatcher.errors import NotFoundError, OutrunError
from dispatcher.jobs import marks
from dispatcher.jobs.database import transaction
from dispatcher.jobs.job import Job, Order, Owner, State
from dispatcher.jobs.queries import UNFINISHED, as_job, has_elder, is_locked_out
from dispatcher.jobs.schema import claims, confirmations, job_servers, jobs, locks, messages, outbox
from dispatcher.mail.proof import Failure, Pending, Proof
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
    verdict: str  # admitted | refused | repeated | silent | parked
    rule: str
    reason: str


class Store:
    """Jobs, and the replies that belong to them, in one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def take(
        self,
        delivery: Delivery,
        *,
        claim: bool = False,
        order: Order | None = None,
        pending: Pending | None = None,
        proof: Proof | None = None,
        failure: Failure | None = None,
        replies: Sequence[Reply] = (),
    ) -> int | None:
        """Record a mail together with what follows from it: a job, replies, or nothing.

        ``claim``: its sender is proved, so a second delivery of it is none; what else is given implies it.
        ``order`` becomes a job, which is queued or, with ``pending``, waits for its sender's confirmation.
        ``proof`` is used up; that of a confirmation lets the job start which waited for it.
        What goes to the sender is its answer, and the last of these goes out again when the mail comes again
        (verdict ``repeated``).

        Returns the id of the new or confirmed job. A delivery that was taken before has no further effect.
        Raises OutrunError, and records nothing, when the mail, its code or its confirmation has been used
        since it was judged.
        """
        now = time.time()
        row: dict[str, Any] = {field: getattr(delivery, field) for field in Delivery.__dataclass_fields__}
        sender, message_id = delivery.sender, delivery.message_id
        try:
            with transaction(self.engine) as connection:
                if _taken(connection, delivery):
                    return None
                job_id = None
                if claim or order or proof or failure:
                    job_id = marks.leave(
                        connection, sender or "", message_id or "", proof=proof, failure=failure, now=now
                    )
                elif delivery.verdict == "repeated":
                    row |= marks.repeat(connection, sender or "", message_id or "")
                if order is not None:
                    state = State.AWAITING_CONFIRMATION if pending else State.QUEUED
                    job_id = self._insert(connection, order, Owner.SERVE, claim=None, state=state)
                    if pending is not None:
                        marks.wait_for(connection, job_id, order.sender, pending)
                connection.execute(insert(messages).values(**row, seen_at=now, job_id=job_id))
                for reply in replies:
                    about = message_id if reply.recipient == sender else None
                    self._post(connection, reply, job_id, about)
                return job_id
        except IntegrityError:  # what two may not have, somebody else has had
            raise OutrunError from None

    def seen(self, sender: str, message_id: str) -> bool:
        """Whether this mail of a proved sender was taken before."""
        mine = exists().where(claims.c.sender == sender, claims.c.message_id == message_id)
        with transaction(self.engine) as connection:
            return bool(connection.execute(select(mine)).scalar())

    def waiting(self, confirmation: int) -> Job:
        """Return the job that a confirmation is about. Raises NotFoundError when there is none."""
        mine = select(confirmations.c.job_id).where(confirmations.c.id == confirmation)
        with transaction(self.engine) as connection:
            return self._job(connection, connection.execute(mine).scalar() or 0)

    def overdue(self, now: float) -> list[Job]:
        """Return the jobs that nobody has confirmed in time."""
        late = (
            select(jobs.c.id)
            .join(confirmations, confirmations.c.job_id == jobs.c.id)
            .where(jobs.c.state == State.AWAITING_CONFIRMATION.value, confirmations.c.expires_at <= now)
            .order_by(jobs.c.id)
        )
        with transaction(self.engine) as connection:
            return [self._job(connection, job_id) for job_id in connection.execute(late).scalars()]

    def expire(self, job: Job, reply: Reply | None) -> bool:
        """End a job that nobody has confirmed, and post what its sender is told, as one. False: too late."""
        waiting = (jobs.c.id == job.id) & (jobs.c.state == State.AWAITING_CONFIRMATION.value)
        ended = {"state": State.EXPIRED.value, "finished_at": time.time()}
        with transaction(self.engine) as connection:
            if connection.execute(update(jobs).where(waiting).values(ended)).rowcount != 1:
                return False
            if reply is not None:
                self._post(connection, reply, job.id, job.order.message_id)
            return True

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
        replies = () if reply is None else (reply,)
        return self.carry_out(job, lambda _connection: (report, replies)) is not None

    def carry_out(
        self, job: Job, work: Callable[[Connection], tuple[Report, Sequence[Reply]]]
    ) -> Report | None:
        """Do work inside the transaction of its own result: all of it, or none. None: no longer our job."""
        mine = (jobs.c.id == job.id) & (jobs.c.claim == job.claim) & jobs.c.state.in_(UNFINISHED)
        with transaction(self.engine) as connection:
            if connection.execute(select(jobs.c.id).where(mine).with_for_update()).scalar() is None:
                return None
            report, replies = work(connection)
            connection.execute(
                update(jobs)
                .where(mine)
                .values(
                    state=report.status,
                    report=report.model_dump(mode="json"),
                    finished_at=time.time(),
                    claim=None,
                    lease_until=None,
                )
            )
            connection.execute(delete(locks).where(locks.c.job_id == job.id))
            for reply in replies:
                about = job.order.message_id if reply.recipient == job.order.sender else None
                self._post(connection, reply, job.id, about)
            return report

    @classmethod
    def announce(cls, connection: Connection, replies: Sequence[Reply]) -> None:
        """Post mails that answer none, within the transaction of what they are about."""
        for reply in replies:
            cls._post(connection, reply, None, None)

    def post(self, job: Job, reply: Reply) -> None:
        """Post a reply about a job that is still running, unless the job is no longer ours."""
        mine = exists().where(jobs.c.id == job.id, jobs.c.claim == job.claim, jobs.c.state.in_(UNFINISHED))
        with transaction(self.engine) as connection:
            if connection.execute(select(mine)).scalar():
                self._post(connection, reply, job.id, job.order.message_id)

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
    def _insert(
        connection: Connection, order: Order, owner: Owner, claim: str | None, state: State = State.QUEUED
    ) -> int:
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
                state=state.value,
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
    def _post(connection: Connection, reply: Reply, job_id: int | None, about: str | None) -> None:
        """Put a reply into the outbox; the same cause twice gives the same Message-ID, and one mail."""
        if connection.execute(select(exists().where(outbox.c.message_id == reply.message_id))).scalar():
            return
        connection.execute(
            insert(outbox).values(
                message_id=reply.message_id,
                job_id=job_id,
                recipient=reply.recipient,
                about=about,
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


def _taken(connection: Connection, delivery: Delivery) -> bool:
    """Whether this very delivery was taken before: we died between the commit and the move of the mail."""
    same = exists().where(
        messages.c.folder == delivery.folder,
        messages.c.uidvalidity == delivery.uidvalidity,
        messages.c.uid == delivery.uid,
    )
    return bool(connection.execute(select(same)).scalar())
