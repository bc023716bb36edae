"""How the tables are read: who may start, and a row as a job."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Row,
    cast,
    exists,
    extract,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)  # fmt: skip

from dispatcher.jobs.database import is_postgresql
from dispatcher.jobs.job import PAYLOAD, Job, Order, Owner, State
from dispatcher.jobs.schema import job_servers, jobs, locks, paused
from dispatcher.runs.report import Report

UNFINISHED = (State.QUEUED.value, State.RUNNING.value)
_LOCKLESS = 100  # jobs that lock nothing: so many are looked at, as others may be starting some of them


def clock(connection: Connection) -> ColumnElement[float]:
    """Return the time: of machines that share a database, the database's own."""
    if is_postgresql(connection.engine):
        return cast(extract("epoch", func.statement_timestamp()), Float)
    return literal(time.time())


def lease_ended(connection: Connection, lease: float) -> ColumnElement[bool]:
    """Return the condition that nobody has kept a job.

    Nobody could while the database was away: after its start everybody has a lease's time again.
    """
    now = clock(connection)
    ended: ColumnElement[bool] = jobs.c.lease_until < now
    if is_postgresql(connection.engine):
        started = cast(extract("epoch", func.pg_postmaster_start_time()), Float)
        ended = ended & (started < now - lease)
    return ended


def first_in_line(connection: Connection, only: Collection[str] | None = None) -> list[int]:
    """Return the jobs that may be startable: the first of each name's queue, and some that lock nothing.

    ``only``: the commands of which these last ones are looked for; None: all.

    However many wait or are finished, it takes one look at an index for each name that somebody waits for.
    """
    unfinished = job_servers.c.unfinished
    names = select(func.min(job_servers.c.server).label("name")).where(unfinished).cte(recursive=True)
    later = select(func.min(job_servers.c.server)).where(unfinished, job_servers.c.server > names.c.name)
    names = names.union_all(select(later.scalar_subquery()).where(names.c.name.is_not(None)))
    first = select(func.min(job_servers.c.job_id)).where(unfinished, job_servers.c.server == names.c.name)
    lockless = (
        select(jobs.c.id)
        .where(jobs.c.names == 0, jobs.c.state == State.QUEUED.value, is_due(connection), is_of(only))
        .order_by(jobs.c.id)
        .limit(_LOCKLESS)
    ).subquery()
    firsts = select(first.scalar_subquery()).where(names.c.name.is_not(None))
    found = connection.execute(union_all(firsts, select(lockless.c.id))).scalars()
    return sorted({job_id for job_id in found if job_id is not None})


def is_due(connection: Connection) -> ColumnElement[bool]:
    """Return the condition that a job's time has come, and that this program can read it."""
    return or_(jobs.c.not_before.is_(None), jobs.c.not_before <= clock(connection)) & (
        func.coalesce(jobs.c.payload, 1) <= PAYLOAD
    )


def is_of(only: Collection[str] | None) -> ColumnElement[bool]:
    """Return the condition that a job is one of these commands; None: of any."""
    return true() if only is None else jobs.c.keyword.in_(sorted(only))


def is_paused() -> Any:
    """Return the condition that a person has paused something that the job locks."""
    return exists().where(job_servers.c.job_id == jobs.c.id, paused.c.server == job_servers.c.server)


def has_elder() -> Any:
    """Return the condition that an older unfinished job locks something that the job does too."""
    mine, theirs = job_servers.alias(), job_servers.alias()
    # One inside of the other, so that nobody begins with all that wait.
    elder = exists().where(
        theirs.c.unfinished, theirs.c.server == mine.c.server, theirs.c.job_id < mine.c.job_id
    )
    return exists().where(mine.c.job_id == jobs.c.id, elder)


def is_locked_out() -> Any:
    """Return the condition that something the job locks is being worked on."""
    return exists().where(job_servers.c.job_id == jobs.c.id, locks.c.server == job_servers.c.server)


def as_job(row: Row[Any], locked: tuple[str, ...]) -> Job:
    """Return a row of the jobs table, and what the job locks, as a value."""
    return Job(
        id=row.id,
        order=Order(
            keyword=row.keyword,
            subject=row.subject,
            arguments=row.arguments,
            servers=locked if row.servers is None else tuple(row.servers),
            locks=locked,
            check=row.check,
            language=row.language,
            sender=row.sender,
            message_id=row.message_id,
            references=row.thread,
            retry_of=row.retry_of,
            offer=row.offer,
            preview_of=row.preview_of,
            foreseen=row.foreseen,
            undoes=row.undoes,
        ),
        owner=Owner(row.owner),
        state=State(row.state),
        attempts=row.attempts,
        created_at=_utc(row.created_at),
        started_at=_utc(row.started_at) if row.started_at else None,
        finished_at=_utc(row.finished_at) if row.finished_at else None,
        claim=row.claim,
        not_before=_utc(row.not_before) if row.not_before else None,
        payload=row.payload or 1,
        canceled_by=row.canceled_by,
        confirmed_by=row.confirmed_by,
        report=Report.model_validate(row.report) if row.report else None,
    )


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.utc)
