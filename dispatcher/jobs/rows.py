"""A job's and a reply's rows, written and read within the caller's transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from dispatcher.errors import NotFoundError
from dispatcher.jobs.database import insert_new
from dispatcher.jobs.job import PAYLOAD, Job, Order, Owner, State
from dispatcher.jobs.queries import as_job, clock
from dispatcher.jobs.schema import confirmations, job_servers, jobs, locks, outbox
from dispatcher.replies.compose import Reply
from dispatcher.runs.report import Report, canceled


def one(connection: Connection, job_id: int) -> Job:
    """Return one job. Raises NotFoundError."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"O job {job_id} não existe.", "Veja os que existem com: athome jobs list")
    names = select(job_servers.c.server).where(job_servers.c.job_id == job_id).order_by(job_servers.c.server)
    return as_job(row, tuple(connection.execute(names).scalars()))


def add(
    connection: Connection,
    order: Order,
    owner: Owner,
    *,
    claim: str | None = None,
    lease: float | None = None,
    state: State = State.QUEUED,
) -> int:
    """Write an order down as a job; return its number. ``lease``: seconds until it is given up."""
    now = clock(connection)
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
            lease_until=None if lease is None else now + lease,
            payload=PAYLOAD,
            names=len(order.locks),
            retry_of=order.retry_of,
            offer=order.offer,
            preview_of=order.preview_of,
            foreseen=order.foreseen,
            undoes=order.undoes,
        )
        .returning(jobs.c.id)
    ).scalar_one()
    for name in order.locks:
        place = {"job_id": job_id, "server": name, "unfinished": state is State.QUEUED}
        connection.execute(insert(job_servers).values(place))
    return int(job_id)


def close(connection: Connection, job_id: int, state: str, **values: object) -> None:
    """Let a job have ended in this state: nobody has it any more, and it is in nobody's way."""
    ended = {"state": state, "finished_at": clock(connection), "claim": None, "lease_until": None}
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(ended | values))
    connection.execute(delete(locks).where(locks.c.job_id == job_id))
    connection.execute(update(job_servers).where(job_servers.c.job_id == job_id).values(unfinished=False))


def queue_again(
    connection: Connection, which: ColumnElement[bool], found: Sequence[int], **values: object
) -> None:
    """Put running jobs back, in their old place."""
    connection.execute(delete(locks).where(locks.c.job_id.in_(found)))
    queued = {"state": State.QUEUED.value, "claim": None, "lease_until": None}
    connection.execute(update(jobs).where(which).values(queued | values))


def end(connection: Connection, job_id: int, by: str, compose: Callable[[Job, Report], Reply]) -> Job:
    """End a job for a person; return it as it then is. Raises NotFoundError.

    One that nobody works on ends here, with the reply that ``compose`` makes for its sender. One that is
    running is marked: its worker ends it (``listening.py``) and replies. One that has ended stays so.
    """
    connection.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())
    job = one(connection, job_id)
    if job.state.terminal or job.canceled_by:
        return job
    if job.state is State.RUNNING:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(canceled_by=by))
        return one(connection, job_id)
    report = canceled(by, job.order.sender, check=job.order.check)
    close(connection, job_id, report.status, canceled_by=by, report=report.model_dump(mode="json"))
    unused = (confirmations.c.job_id == job_id) & confirmations.c.used_at.is_(None)
    connection.execute(update(confirmations).where(unused).values(expires_at=time.time()))
    if job.order.sender:
        post(connection, compose(job, report), job_id, job.order.message_id)
    return one(connection, job_id)


def post(connection: Connection, reply: Reply, job_id: int | None, about: str | None) -> None:
    """Put a reply into the outbox; the same cause twice gives the same Message-ID, and one mail."""
    row: dict[str, Any] = {
        "message_id": reply.message_id,
        "job_id": job_id,
        "recipient": reply.recipient,
        "about": about,
        "message": reply.mime,
        "state": "waiting",
        "attempts": 0,
        "not_before": 0.0,
        "created_at": time.time(),
    }
    connection.execute(insert_new(connection, outbox).values(row))


def announce(connection: Connection, replies: Sequence[Reply]) -> None:
    """Post mails that answer none."""
    for reply in replies:
        post(connection, reply, None, None)
