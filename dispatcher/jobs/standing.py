"""Where jobs stand, and why, as one person may see and end them: for STATUS, CANCELAR and the shell."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, true

from dispatcher.errors import NotFoundError
from dispatcher.jobs import rows
from dispatcher.jobs.job import Job, State
from dispatcher.jobs.pauses import Pause, listed
from dispatcher.jobs.schema import job_servers, jobs
from dispatcher.mail.sender import Sender
from dispatcher.mail.senders import shell_account
from dispatcher.replies.compose import Reply
from dispatcher.runs.report import Notice, Report

_NAMED = 5  # jobs that a job comes after, by number; of the others only how many they are
_UNFINISHED = State.open()


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A job, how many older ones it comes after in line, and what it waits for, as codes with their data."""

    job: Job
    ahead: int = 0
    waits: tuple[Notice, ...] = ()


def standing(connection: Connection, job: Job) -> Standing:
    """Look where a job stands, within the caller's transaction."""
    if job.state is State.AWAITING_CONFIRMATION:
        code = "queue.approval" if job.order.offer == "approval" else "queue.confirmation"
        return Standing(job=job, waits=(Notice(code=code),))
    if job.state is not State.QUEUED:
        return Standing(job=job)
    waits = []
    held = [pause for pause in listed(connection) if pause.server in job.order.locks]
    for pause in held:
        code = "queue.paused_because" if pause.reason else "queue.paused"
        waits.append(Notice(code=code, data={"server": pause.server, "reason": pause.reason}))
    mine, theirs = job_servers.alias(), job_servers.alias()
    before = (
        select(theirs.c.job_id, theirs.c.server)
        .join(mine, mine.c.server == theirs.c.server)
        .where(mine.c.job_id == job.id, theirs.c.unfinished, theirs.c.job_id < job.id)
    ).subquery()
    ahead = connection.execute(select(func.count(before.c.job_id.distinct()))).scalar_one()
    if ahead:
        some = select(before.c.job_id).distinct().order_by(before.c.job_id).limit(_NAMED)
        names = select(before.c.server).distinct().order_by(before.c.server)
        data = {
            "jobs": list(connection.execute(some).scalars()),
            "servers": list(connection.execute(names).scalars()),
            "ahead": ahead,
        }
        waits.append(Notice(code="queue.behind_many" if ahead > _NAMED else "queue.behind", data=data))
    if job.too_new:
        waits.append(Notice(code="queue.version"))
    elif job.not_before and job.not_before > datetime.now(timezone.utc):
        waits.append(Notice(code="queue.later"))
    return Standing(job=job, ahead=ahead, waits=tuple(waits or [Notice(code="queue.worker")]))


class Queue:
    """The jobs that somebody may see and end: one's own; an administrator's and the shell's are all.

    Lives in one transaction. ``own``: the job that asks, which is nothing to be shown.
    """

    def __init__(
        self,
        connection: Connection,
        asker: Sender | None,
        own: int,
        compose: Callable[[Job, Report], Reply],
    ) -> None:
        self._connection = connection
        self._asker = asker
        self._own = own
        self._compose = compose
        self.everybody = asker is None or asker.privileged

    def unfinished(self, most: int) -> tuple[list[Standing], int]:
        """Return the oldest that have not ended, and how many there are besides."""
        mine = jobs.c.state.in_(_UNFINISHED) & self._visible()
        count = self._connection.execute(select(func.count()).where(mine)).scalar_one()
        found = self._jobs(select(jobs.c.id).where(mine).order_by(jobs.c.id).limit(most))
        return [standing(self._connection, job) for job in found], count - len(found)

    def ended(self, most: int, without: Collection[str]) -> list[Standing]:
        """Return the newest that have ended, but of no such commands."""
        # Who asked for a preview and left it at that has not let anything end.
        left = (jobs.c.state == State.EXPIRED.value) & (func.coalesce(jobs.c.offer, "") == "asked")
        mine = jobs.c.state.not_in(_UNFINISHED) & jobs.c.keyword.not_in(without) & ~left & self._visible()
        found = self._jobs(select(jobs.c.id).where(mine).order_by(jobs.c.id.desc()).limit(most))
        return [Standing(job=job) for job in found]

    def one(self, job_id: int) -> Standing | None:
        """Return one job; None when there is none that this person may see."""
        try:
            job = rows.one(self._connection, job_id)
        except NotFoundError:
            return None
        seen = self.everybody or (self._asker and job.order.sender == self._asker.address)
        return standing(self._connection, job) if seen else None

    def paused(self) -> list[Pause]:
        """Return the servers that a person has paused."""
        return listed(self._connection)

    def cancel(self, job_id: int) -> Job:
        """End a job that ``one`` returned; see ``rows.end``."""
        by = self._asker.address if self._asker else shell_account()
        return rows.end(self._connection, job_id, by, self._compose)

    def itself(self, job_id: int) -> bool:
        """Whether it is the very job that asks."""
        return job_id == self._own

    def _visible(self) -> ColumnElement[bool]:
        mine = true() if self._asker is None or self.everybody else jobs.c.sender == self._asker.address
        return mine & (jobs.c.id != self._own)

    def _jobs(self, query: Any) -> list[Job]:
        found = list(self._connection.execute(query).scalars())
        return [rows.one(self._connection, job_id) for job_id in found]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """The queue of one server, or of another name that jobs lock."""

    server: str
    pause: Pause | None
    running: int | None  # the job that works on it
    waiting: int
    first: int | None  # the oldest job that waits


def queues(connection: Connection) -> list[Line]:
    """Return the queues that somebody waits in, works on or has paused, by name."""
    counted = (
        select(
            job_servers.c.server, jobs.c.state, func.count().label("number"), func.min(jobs.c.id).label("id")
        )
        .join(jobs, jobs.c.id == job_servers.c.job_id)
        .where(job_servers.c.unfinished)
        .group_by(job_servers.c.server, jobs.c.state)
    )
    found = {(row.server, row.state): row for row in connection.execute(counted)}
    paused = {pause.server: pause for pause in listed(connection)}
    running, queued = State.RUNNING.value, State.QUEUED.value
    return [
        Line(
            server=name,
            pause=paused.get(name),
            running=found[name, running].id if (name, running) in found else None,
            waiting=found[name, queued].number if (name, queued) in found else 0,
            first=found[name, queued].id if (name, queued) in found else None,
        )
        for name in sorted({server for server, _state in found} | set(paused))
    ]
