"""The job store: what is accepted here is done, and answered once, whatever crashes.

Every public method is one transaction. Order and locks: a job waits while an older unfinished job locks
something that it does too (FIFO per name), and jobs that share nothing run side by side.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from dispatcher.errors import NotNowError, OutrunError
from dispatcher.jobs import marks, rows
from dispatcher.jobs.database import is_postgresql, reading, transaction
from dispatcher.jobs.job import Job, Order, Owner, State
from dispatcher.jobs.offering import Offered
from dispatcher.jobs.queries import (
    UNFINISHED,
    clock,
    first_in_line,
    has_elder,
    is_due,
    is_locked_out,
    is_of,
    is_paused,
    lease_ended,
)  # fmt: skip
from dispatcher.jobs.schema import claims, confirmations, job_servers, jobs, locks, messages
from dispatcher.mail.proof import Failure, Pending, Proof
from dispatcher.replies.compose import Reply
from dispatcher.runs.report import Report

LEASE = 60.0  # seconds without a sign of life until a job is given up
_TRIES = 3
RETRIED = (State.FAILED, State.PARTIAL, State.TIMEOUT, State.CANCELED)  # what `retry` takes

log = logging.getLogger(__name__)


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
    """Jobs, and the replies that belong to them, in one database.

    A running job has to be kept by ``renew`` if it is a shell's, or if machines share the database; else it
    is given up ``lease`` seconds after the last time.
    """

    def __init__(self, engine: Engine, lease: float = LEASE) -> None:
        self.engine = engine
        self.lease = lease
        self.shared = is_postgresql(engine)

    def leased(self, job: Job) -> bool:
        """Whether a job is given up when nobody renews it. What a dead service leaves on SQLite is not."""
        return self.shared or job.owner is Owner.SHELL

    def take(
        self,
        delivery: Delivery,
        *,
        claim: bool = False,
        order: Order | None = None,
        pending: Sequence[Pending] = (),
        proof: Proof | None = None,
        failure: Failure | None = None,
        replies: Sequence[Reply] = (),
    ) -> int | None:
        """Record a mail together with what follows from it: a job, replies, or nothing.

        ``claim``: its sender is proved, so a second delivery of it is none; what else is given implies it.
        ``order`` becomes a job, which is queued or, with ``pending``, waits for the first of these answers.
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
                    job_id = rows.add(connection, order, Owner.SERVE, state=state)
                    marks.wait_for(connection, job_id, order.sender, pending)
                connection.execute(insert(messages).values(**row, seen_at=now, job_id=job_id))
                for reply in replies:
                    about = message_id if reply.recipient == sender else None
                    rows.post(connection, reply, job_id, about)
                return job_id
        except IntegrityError:  # what two may not have, somebody else has had
            raise OutrunError from None

    def seen(self, sender: str, message_id: str) -> bool:
        """Whether this mail of a proved sender was taken before."""
        mine = exists().where(claims.c.sender == sender, claims.c.message_id == message_id)
        with reading(self.engine) as connection:
            return bool(connection.execute(select(mine)).scalar())

    def waiting(self, confirmation: int) -> Job:
        """Return the job that a confirmation is about. Raises NotFoundError when there is none."""
        mine = select(confirmations.c.job_id).where(confirmations.c.id == confirmation)
        with reading(self.engine) as connection:
            return rows.one(connection, connection.execute(mine).scalar() or 0)

    def overdue(self, now: float) -> list[Job]:
        """Return the jobs that nobody has confirmed in time."""
        late = (
            select(jobs.c.id)
            .join(confirmations, confirmations.c.job_id == jobs.c.id)
            .where(jobs.c.state == State.AWAITING_CONFIRMATION.value, confirmations.c.expires_at <= now)
            .distinct()  # of those who may approve, each has a code
            .order_by(jobs.c.id)
        )
        with reading(self.engine) as connection:
            return [rows.one(connection, job_id) for job_id in connection.execute(late).scalars()]

    def expire(self, job: Job, reply: Reply | None) -> bool:
        """End a job that nobody has confirmed, and post what its sender is told, as one. False: too late."""
        waiting = (jobs.c.id == job.id) & (jobs.c.state == State.AWAITING_CONFIRMATION.value)
        with transaction(self.engine) as connection:
            if connection.execute(select(jobs.c.id).where(waiting).with_for_update()).scalar() is None:
                return False
            rows.close(connection, job.id, State.EXPIRED.value)
            if reply is not None:
                rows.post(connection, reply, job.id, job.order.message_id)
            return True

    def submit(self, order: Order) -> Job:
        """Queue a command from the shell. The job is this process's own; ``renew`` keeps it."""
        claim = secrets.token_hex(16)
        with transaction(self.engine) as connection:
            job_id = rows.add(connection, order, Owner.SHELL, claim=claim, lease=self.lease)
        return self.job(job_id)

    def claim(self, own: Job | None = None, only: Collection[str] | None = None) -> Job | None:
        """Start the oldest job that may, or the shell's own job; None when there is none.

        ``only``: the commands to choose from. The locks' primary key makes sure that nothing is given to two
        jobs.
        """
        for _try in range(_TRIES):
            with suppress(IntegrityError):  # somebody else was faster
                return self._claim(own, only)
        return None

    def _claim(self, own: Job | None, only: Collection[str] | None) -> Job | None:
        with transaction(self.engine) as connection:
            self._recover(connection)
            mine = (
                jobs.c.id == own.id
                if own
                else jobs.c.id.in_(first_in_line(connection, only)) & (jobs.c.owner == Owner.SERVE.value)
            )
            found = connection.execute(
                select(jobs.c.id, jobs.c.owner)
                .where(jobs.c.state == State.QUEUED.value, mine, is_due(connection), is_of(only))
                .where(~has_elder(), ~is_locked_out(), ~is_paused())
                .order_by(jobs.c.id)
                .limit(1)
                .with_for_update(skip_locked=True, of=jobs)
            ).one_or_none()
            if found is None:
                return None
            names = select(job_servers.c.server, job_servers.c.job_id).where(job_servers.c.job_id == found.id)
            names = names.order_by(job_servers.c.server)  # so that no two wait for each other
            connection.execute(insert(locks).from_select(["server", "job_id"], names))
            now = clock(connection)
            leased = self.shared or found.owner == Owner.SHELL.value
            connection.execute(
                update(jobs)
                .where(jobs.c.id == found.id)
                .values(
                    state=State.RUNNING.value,
                    attempts=jobs.c.attempts + 1,
                    claim=secrets.token_hex(16),
                    started_at=now,
                    lease_until=now + self.lease if leased else None,
                )
            )
            return rows.one(connection, found.id)

    def renew(self, job: Job) -> bool:
        """Say that who works on the job is alive. False: the job has been given up or canceled."""
        with transaction(self.engine) as connection:
            renewed = connection.execute(
                update(jobs)
                .where(jobs.c.id == job.id, jobs.c.claim == job.claim, jobs.c.state.in_(UNFINISHED))
                .values(lease_until=clock(connection) + self.lease)
            )
            return renewed.rowcount == 1

    def give_back(self, job: Job, after: float) -> bool:
        """Queue a job again whose run was lost, to be started after so many seconds. False: no longer ours.

        It keeps its place: whoever locks what it does waits for it.
        """
        mine = (jobs.c.id == job.id) & (jobs.c.claim == job.claim) & (jobs.c.state == State.RUNNING.value)
        with transaction(self.engine) as connection:
            if connection.execute(select(jobs.c.id).where(mine).with_for_update()).scalar() is None:
                return False
            rows.queue_again(connection, mine, [job.id], not_before=clock(connection) + after)
            return True

    def finish(self, job: Job, report: Report, reply: Reply | None, offered: Offered | None = None) -> bool:
        """Write result, reply and the release of the locks as one. False: the job is no longer ours.

        With them, what the result offers: a job that waits, and the mails with its codes.
        """

        def work(connection: Connection) -> tuple[Report, Sequence[Reply]]:
            replies = () if reply is None else (reply,)
            if offered is None:
                return report, replies
            waiting = State.AWAITING_CONFIRMATION
            job_id = rows.add(connection, offered.order, Owner.SERVE, state=waiting)
            marks.wait_for(connection, job_id, offered.order.sender, offered.pending)
            return report, (*replies, *offered.replies)

        return self.carry_out(job, work) is not None

    def carry_out(
        self, job: Job, work: Callable[[Connection], tuple[Report, Sequence[Reply]]]
    ) -> Report | None:
        """Do work inside the transaction of its own result: all of it, or none. None: no longer our job."""
        mine = (jobs.c.id == job.id) & (jobs.c.claim == job.claim) & jobs.c.state.in_(UNFINISHED)
        with transaction(self.engine) as connection:
            if connection.execute(select(jobs.c.id).where(mine).with_for_update()).scalar() is None:
                return None
            report, replies = work(connection)
            rows.close(connection, job.id, report.status, report=report.model_dump(mode="json"))
            for reply in replies:
                about = job.order.message_id if reply.recipient == job.order.sender else None
                rows.post(connection, reply, job.id, about)
            return report

    def cancel(self, job_id: int, by: str, compose: Callable[[Job, Report], Reply]) -> Job:
        """End a job for a person, see ``rows.end``. Raises NotFoundError."""
        with transaction(self.engine) as connection:
            return rows.end(connection, job_id, by, compose)

    def canceled(self, job: Job) -> bool:
        """Whether a person wants a job of ours to end; read without holding anybody up."""
        asked = select(jobs.c.canceled_by).where(jobs.c.id == job.id)
        with reading(self.engine) as connection:
            return connection.execute(asked).scalar() is not None

    def retry(self, job_id: int) -> Job:
        """Queue a job again that did not do all it should, as a new job whose reply joins the old thread.

        Raises NotFoundError, and NotNowError for one that may not be tried again, or was before.
        """
        with transaction(self.engine) as connection:
            job = rows.one(connection, job_id)
            unconfirmed = exists().where(confirmations.c.job_id == job_id, confirmations.c.used_at.is_(None))
            later = connection.execute(select(jobs.c.id).where(jobs.c.retry_of == job_id)).scalar()
            if later is not None:
                raise NotNowError(
                    f"O job {job_id} já foi tentado de novo: é o job {later}.",
                    f"Veja-o com: athome jobs show {later}",
                )
            if job.order.foreseen and job.report and job.report.check:  # it only looked
                raise NotNowError(
                    f"O job {job_id} parou ao conferir os servidores: não estavam como a simulação mostrou.",
                    "Envie o comando de novo, para que se veja o que mudaria agora.",
                )
            if job.state not in RETRIED or connection.execute(select(unconfirmed)).scalar():
                raise NotNowError(
                    f"O job {job_id} não pode ser tentado de novo: está {job.state.value}.",
                    "Repetem-se os que terminaram como failed, partial, timeout ou canceled, se não "
                    "esperavam mais a confirmação do remetente.",
                )
            again = job.order.following(retry_of=job_id, preview_of=None, foreseen=None)
            new = rows.add(connection, again, Owner.SERVE)
            confirmed = {"confirmed_by": job.confirmed_by}
            connection.execute(update(jobs).where(jobs.c.id == new).values(confirmed))
            return rows.one(connection, new)

    def post(self, job: Job, reply: Reply) -> None:
        """Post a reply about a job that is still running, unless the job is no longer ours."""
        mine = exists().where(jobs.c.id == job.id, jobs.c.claim == job.claim, jobs.c.state.in_(UNFINISHED))
        with transaction(self.engine) as connection:
            if connection.execute(select(mine)).scalar():
                rows.post(connection, reply, job.id, job.order.message_id)

    def requeue(self) -> list[int]:
        """Put back what the service was running when it died. Only for who holds the service's lock file."""
        interrupted = (jobs.c.state == State.RUNNING.value) & (jobs.c.owner == Owner.SERVE.value)
        with transaction(self.engine) as connection:
            found = list(
                connection.execute(select(jobs.c.id).where(interrupted).order_by(jobs.c.id)).scalars()
            )
            rows.queue_again(connection, interrupted, found)
            return found

    def job(self, job_id: int) -> Job:
        """Return one job. Raises StoreError when there is none of this number."""
        with reading(self.engine) as connection:
            return rows.one(connection, job_id)

    def recent(self, limit: int, state: State | None = None) -> list[Job]:
        """Return the newest jobs, newest first."""
        query = select(jobs.c.id).order_by(jobs.c.id.desc()).limit(limit)
        with transaction(self.engine) as connection:
            self._recover(connection)
            found = connection.execute(query if state is None else query.where(jobs.c.state == state.value))
            return [rows.one(connection, job_id) for job_id in found.scalars()]

    def _recover(self, connection: Connection) -> None:
        """Give up what nobody has kept: a shell's job is canceled, a worker's is queued again."""
        ended = (
            select(jobs.c.id, jobs.c.owner)
            .where(lease_ended(connection, self.lease))  # what has ended has none
            .with_for_update(skip_locked=True)
        )
        for job_id, owner in connection.execute(ended).all():
            again = owner == Owner.SERVE.value
            log.warning("job %d: nobody has kept it: %s", job_id, "queued again" if again else "canceled")
            if again:
                rows.queue_again(connection, jobs.c.id == job_id, [job_id])
            else:
                rows.close(connection, job_id, State.CANCELED.value)


def _taken(connection: Connection, delivery: Delivery) -> bool:
    """Whether this very delivery was taken before: we died between the commit and the move of the mail."""
    same = exists().where(
        messages.c.folder == delivery.folder,
        messages.c.uidvalidity == delivery.uidvalidity,
        messages.c.uid == delivery.uid,
    )
    return bool(connection.execute(select(same)).scalar())
