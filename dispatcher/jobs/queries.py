"""How the tables are read: the two conditions of the queue, and a row as a job."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Row, exists

from dispatcher.jobs.job import Job, Order, Owner, State
from dispatcher.jobs.schema import job_servers, jobs, locks
from dispatcher.runs.report import Report

UNFINISHED = (State.QUEUED.value, State.RUNNING.value)


def has_elder() -> Any:
    """Return the condition that an older unfinished job locks something that the job does too."""
    mine, theirs, elder = job_servers.alias(), job_servers.alias(), jobs.alias()
    return exists().where(
        mine.c.job_id == jobs.c.id,
        theirs.c.server == mine.c.server,
        theirs.c.job_id < jobs.c.id,
        elder.c.id == theirs.c.job_id,
        elder.c.state.in_(UNFINISHED),
    )


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
        ),
        owner=Owner(row.owner),
        state=State(row.state),
        attempts=row.attempts,
        created_at=_utc(row.created_at),
        started_at=_utc(row.started_at) if row.started_at else None,
        finished_at=_utc(row.finished_at) if row.finished_at else None,
        claim=row.claim,
        report=Report.model_validate(row.report) if row.report else None,
    )


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.utc)
