"""What a restored database does not know: what has happened since it was copied.

Its unfinished jobs may have run long ago, its waiting replies may have been sent.
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Engine, select, update

from dispatcher.jobs.database import transaction
from dispatcher.jobs.job import Job, State
from dispatcher.jobs.schema import jobs, outbox
from dispatcher.jobs.store import Store
from dispatcher.replies.compose import Composer
from dispatcher.runs.report import from_results

Choice = Literal["run", "cancel"]


def unfinished(store: Store) -> list[Job]:
    """Return the jobs that would run, the oldest first."""
    states = (State.QUEUED.value, State.RUNNING.value)
    with transaction(store.engine) as connection:
        found = list(
            connection.execute(
                select(jobs.c.id).where(jobs.c.state.in_(states)).order_by(jobs.c.id)
            ).scalars()
        )
    return [store.job(number) for number in found]


def cancel(store: Store, composer: Composer, found: list[Job]) -> None:
    """End them, and tell each one's sender."""
    for job in found:
        report = from_results("canceled", {}, job.order.servers, check=job.order.check, seconds=0.0)
        store.finish(job, report, composer.result(job, report) if job.order.sender else None)


def doubt_replies(engine: Engine) -> int:
    """Let waiting replies be looked for among what was sent before they are sent; return how many."""
    doubtful = {"state": "sending", "sent_at": outbox.c.created_at, "error": None}
    with transaction(engine) as connection:
        return connection.execute(update(outbox).where(outbox.c.state == "waiting").values(doubtful)).rowcount
