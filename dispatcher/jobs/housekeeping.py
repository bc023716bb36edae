"""What is done with is forgotten after the days that the settings say: nothing else ever deletes a job.

Jobs go with their rows of replies, unless one of these still waits for the server or for a person. Of a
reply that was sent, the text goes first. The link of a collected archive goes when it has expired: it is of
no more use. What the counters say about what is gone stays (``totals``).

Deleting is done in small transactions: the service goes on meanwhile. Two that do it at once, on several
machines, do each a part.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import Connection, Engine, Text, cast, delete, exists, func, select, update

from dispatcher.errors import StoreError
from dispatcher.jobs import totals
from dispatcher.jobs.audit import DAY, Audit
from dispatcher.jobs.database import reading, transaction
from dispatcher.jobs.schema import jobs, messages, outbox
from dispatcher.runs import ara
from dispatcher.settings import Settings

log = logging.getLogger(__name__)

_BATCH = 500  # jobs of one transaction
_DONE_WITH = ("sent", "dropped")  # replies that nobody has to look after any more


@dataclass(frozen=True, kw_only=True, slots=True)
class Purged:
    """How much was forgotten, or would be."""

    mails: int = 0  # the audit's rows
    jobs: int = 0
    replies: int = 0  # rows of replies that belong to no job, such as rejections
    texts: int = 0  # texts of replies that were sent
    links: int = 0  # links that have expired
    runs: int = 0  # folders


class Housekeeping:
    """Forgets what the settings say."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._audit = Audit(engine)
        self._audit_days = settings.mail.audit_days if settings.mail else 365
        self._retention = settings.retention
        self._runs = settings.state_dir / "runs"
        self._settings = settings

    def run(self, stop: Event) -> None:
        """Purge at once and then every day, until told to stop."""
        while True:
            try:
                gone = self.purge(time.time())
                if any(getattr(gone, name) for name in Purged.__dataclass_fields__):
                    log.info("forgotten: %s", gone)
            except StoreError as error:
                log.error("nothing is purged today: %s", error)
            except Exception:  # not worth the service, which would meet it again at each start
                log.exception("nothing is purged today")
            if stop.wait(DAY):
                return

    def due(self, now: float) -> Purged:
        """Return how much ``purge`` would forget; change nothing."""
        with reading(self._engine) as connection:

            def count(table: Any, *conditions: Any) -> int:
                return int(
                    connection.execute(
                        select(func.count()).select_from(table).where(*conditions)
                    ).scalar_one()
                )

            return Purged(
                mails=count(messages, messages.c.seen_at < now - self._audit_days * DAY),
                jobs=count(jobs, self._old_jobs(now)),
                replies=count(outbox, self._old_replies(now)),
                texts=count(outbox, self._old_texts(now)),
                links=len(_expired(connection, now)),
                runs=sum(1 for _folder in self._old_folders(connection, now)),
            )

    def purge(self, now: float) -> Purged:
        """Forget what is due, and return how much it was. Raises StoreError."""
        mails = self._audit.purge(now - self._audit_days * DAY)
        gone = 0
        while batch := self._purge_jobs(now):
            gone += batch
        with transaction(self._engine) as connection:
            replies = connection.execute(delete(outbox).where(self._old_replies(now))).rowcount
            texts = connection.execute(
                update(outbox).where(self._old_texts(now)).values(message=b"")
            ).rowcount
            expired = _expired(connection, now)
            for number, report in expired.items():
                connection.execute(update(jobs).where(jobs.c.id == number).values(report=report))
            folders = list(self._old_folders(connection, now))
        runs = sum(map(_removed, folders))
        ara.forget(self._settings)
        return Purged(mails=mails, jobs=gone, replies=replies, texts=texts, links=len(expired), runs=runs)

    def _purge_jobs(self, now: float) -> int:
        """Delete some jobs with what belongs to them; the counters get what they were."""
        with transaction(self._engine) as connection:
            some = list(
                connection.execute(
                    select(jobs.c.id).where(self._old_jobs(now)).order_by(jobs.c.id).limit(_BATCH)
                ).scalars()
            )
            if not some:
                return 0
            connection.execute(delete(outbox).where(outbox.c.job_id.in_(some)))
            connection.execute(update(messages).where(messages.c.job_id.in_(some)).values(job_id=None))
            columns = (jobs.c.keyword, jobs.c.state, jobs.c.started_at, jobs.c.finished_at)
            gone = connection.execute(delete(jobs).where(jobs.c.id.in_(some)).returning(*columns)).all()
            totals.add_runs(connection, [tuple(row) for row in gone])
            return len(gone)

    def _old_jobs(self, now: float) -> Any:
        cared_for = exists().where(outbox.c.job_id == jobs.c.id, outbox.c.state.not_in(_DONE_WITH))
        return (
            jobs.c.state.in_(totals.TERMINAL)
            & (jobs.c.finished_at < now - self._retention.jobs_days * DAY)
            & ~cared_for
        )

    def _old_replies(self, now: float) -> Any:
        return (
            outbox.c.job_id.is_(None)
            & outbox.c.state.in_(_DONE_WITH)
            & (outbox.c.created_at < now - self._retention.jobs_days * DAY)
        )

    def _old_texts(self, now: float) -> Any:
        return (
            (outbox.c.state == "sent")
            & (outbox.c.sent_at < now - self._retention.replies_days * DAY)
            & (func.length(outbox.c.message) > 0)
        )

    def _old_folders(self, connection: Connection, now: float) -> Iterator[Path]:
        """Find the folders of runs that are over: by their job, or, when that is gone, by their own time."""
        before = now - self._retention.runs_days * DAY
        kept = set(
            connection.execute(
                select(jobs.c.id).where(jobs.c.finished_at.is_(None) | (jobs.c.finished_at >= before))
            ).scalars()
        )
        for folder in sorted(self._runs.glob("*")):
            known = folder.name.isdecimal() and int(folder.name) in kept
            if not known and folder.is_dir() and folder.stat().st_mtime < before:
                yield folder


def _expired(connection: Connection, now: float) -> dict[int, dict[str, Any]]:
    """Return the reports that have a link which opens nothing any more, by their job, without it."""
    found: dict[int, dict[str, Any]] = {}
    linked = select(jobs.c.id, jobs.c.report).where(
        jobs.c.state.in_(totals.TERMINAL), cast(jobs.c.report, Text).like('%"link": %')
    )
    for number, report in connection.execute(linked):
        changed = False
        for host in report.get("hosts", ()):
            data = host.get("data") or {}
            if data.get("link") and (data.get("expires") or now) < now:
                del data["link"]
                changed = True
        if changed:
            found[number] = report
    return found


def _removed(folder: Path) -> bool:
    """Remove a run's folder, unless its guard still holds it."""
    try:
        file = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    except OSError as error:
        log.warning("the folder %s stays: %s", folder, error.strerror or error)
        return False
    finally:
        os.close(file)
    return True
