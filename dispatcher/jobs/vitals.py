"""How queue and outbox stand, read without holding anybody up: for health and metrics alike."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from dispatcher.jobs.job import State
from dispatcher.jobs.pauses import listed
from dispatcher.jobs.queries import is_paused
from dispatcher.jobs.schema import job_servers, jobs, outbox
from dispatcher.replies.letters import STATES


@dataclass(frozen=True, slots=True)
class Running:
    """A job that is being worked on."""

    id: int
    keyword: str
    seconds: float  # so far, of this attempt


@dataclass(frozen=True, slots=True)
class Oldest:
    """The job that has waited the longest."""

    id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Vitals:
    """Numbers of one moment."""

    jobs: dict[str, int]  # by state, of those that have not ended
    oldest_job: Oldest | None  # of those whose time has come, and whose servers nobody has paused
    oldest_by_server: dict[str, float]  # seconds that its first waiting job has waited
    running: tuple[Running, ...]
    replies: dict[str, int]  # by state
    oldest_reply: float  # seconds that the first reply has waited which is due; 0 when none does
    paused: tuple[str, ...]  # servers


def vitals(connection: Connection) -> Vitals:
    """Read them, within the caller's transaction."""
    now = time.time()
    unfinished = State.open()
    depth = select(jobs.c.state, func.count()).where(jobs.c.state.in_(unfinished)).group_by(jobs.c.state)
    queued = (jobs.c.state == State.QUEUED.value) & (func.coalesce(jobs.c.not_before, 0.0) <= now)
    oldest = select(jobs.c.id, jobs.c.created_at).where(queued, ~is_paused()).order_by(jobs.c.id).limit(1)
    by_server = (
        select(job_servers.c.server, func.min(jobs.c.created_at))
        .join(jobs, jobs.c.id == job_servers.c.job_id)
        .where(queued)
        .group_by(job_servers.c.server)
    )
    running = select(jobs.c.id, jobs.c.keyword, jobs.c.started_at).where(jobs.c.state == State.RUNNING.value)
    letters = select(outbox.c.state, func.count()).group_by(outbox.c.state)
    open_reply = outbox.c.state.in_(("waiting", "sending"))
    first = connection.execute(oldest).one_or_none()
    unsent = connection.execute(select(func.min(outbox.c.created_at)).where(open_reply)).scalar()
    return Vitals(
        jobs=dict.fromkeys(unfinished, 0)
        | {state: int(number) for state, number in connection.execute(depth)},
        oldest_job=Oldest(first.id, max(0.0, now - first.created_at)) if first else None,
        oldest_by_server={
            server: max(0.0, now - created_at) for server, created_at in connection.execute(by_server)
        },
        running=tuple(
            Running(number, keyword, max(0.0, now - (started_at or now)))
            for number, keyword, started_at in connection.execute(running)
        ),
        replies=dict.fromkeys(STATES, 0)
        | {state: int(number) for state, number in connection.execute(letters)},
        oldest_reply=max(0.0, now - unsent) if unsent is not None else 0.0,
        paused=tuple(pause.server for pause in listed(connection)),
    )
