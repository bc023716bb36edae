"""Claim and finish jobs with a backlog behind them, and without: what is done or waits must not matter.

Backlogs: 100,000 finished jobs, and 10,000 that wait behind running ones on a fleet of eight servers. The
rows are written as the store would leave them. A claim that finds nothing is measured too: it has to find
out that everybody waits.

    .venv/bin/python -m benchmarks.queue [--postgresql URL]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine, insert, text

from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Order
from dispatcher.jobs.schema import job_servers, jobs, locks
from dispatcher.jobs.store import Delivery, Store
from dispatcher.replies.compose import Reply
from dispatcher.runs.report import HostResult, Report

FLEET = tuple(f"gv{number}p" for number in range(1, 9))
FREE = "voip1"  # the server whose jobs are claimed
DONE = Report(status="successful", hosts=(HostResult(host=FREE, outcome="ok", code="fail2ban.not_banned"),))
_BATCH = 5000  # rows of one statement


def main() -> None:
    """Measure both databases with and without the backlog, and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--finished", type=int, default=100_000)
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument(
        "--folder", type=Path, default=Path("build"), help="where SQLite's file is made, on a disk"
    )
    parser.add_argument("--postgresql", help="URL of an empty database; default: a server of the tests")
    options = parser.parse_args()
    with ExitStack() as stack:
        for name, empty, full in databases(options, stack):
            fill(full, options.finished, options.waiting)
            for what, engine in (("empty", empty), ("backlog", full)):
                figures = measure(Store(engine), options.rounds)
                shown = ", ".join(f"{each} {seconds * 1000:.2f} ms" for each, seconds in figures.items())
                print(f"{name}, {what}: {shown}", flush=True)


def databases(options: argparse.Namespace, stack: ExitStack) -> Iterator[tuple[str, Engine, Engine]]:
    """Yield the name of each kind, an empty database, and one for the backlog."""
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="queue-", dir=options.folder.resolve()))
    yield "SQLite", connect(f"sqlite:///{folder}/empty.db"), connect(f"sqlite:///{folder}/full.db")
    if options.postgresql:
        engine = connect(options.postgresql)
        yield "PostgreSQL", engine, engine
        return
    from tests.postgres import cluster  # noqa: PLC0415 - it needs pytest, which a benchmark does not

    server = stack.enter_context(cluster(settings=()))  # with fsync, as a server has it
    empty, full = (connect(stack.enter_context(server.database())) for _ in range(2))
    yield "PostgreSQL", empty, full


def fill(engine: Engine, finished: int, waiting: int) -> None:
    """Write finished jobs on all servers, one running job on each of the fleet, and jobs that wait for it."""
    with engine.begin() as connection:
        first = connection.execute(text("SELECT coalesce(max(id), 0) + 1 FROM jobs")).scalar_one()
        rows: list[dict[str, Any]] = []
        places: list[dict[str, Any]] = []
        for number in range(finished + len(FLEET) + waiting):
            state = "successful" if number < finished else "queued"
            server = FLEET[number % len(FLEET)] if number % 10 or number >= finished else FREE
            if finished <= number < finished + len(FLEET):
                state, server = "running", FLEET[number - finished]
            job_id = first + number
            rows.append(_row(job_id, state, server))
            places.append({"job_id": job_id, "server": server, "unfinished": state != "successful"})
        for start in range(0, len(rows), _BATCH):
            connection.execute(insert(jobs), rows[start : start + _BATCH])
            connection.execute(insert(job_servers), places[start : start + _BATCH])
        running = places[finished : finished + len(FLEET)]
        connection.execute(
            insert(locks), [{"server": row["server"], "job_id": row["job_id"]} for row in running]
        )
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT setval('jobs_id_seq', (SELECT max(id) FROM jobs))"))
    with _outside(engine) as connection:
        connection.execute(text("ANALYZE"))  # as autovacuum does by itself after a while


def _row(job_id: int, state: str, server: str) -> dict[str, Any]:
    return {
        "id": job_id, "sender": "ana@example.com", "message_id": f"<{job_id}@bench.example.com>",
        "thread": "", "keyword": "CHECKIP", "subject": "CHECKIP=203.0.113.7",
        "arguments": {"checkip": "203.0.113.7"}, "servers": [server],
        "check": False, "language": "pt_BR", "state": state, "attempts": 1,
        "owner": "serve", "created_at": 1.0, "payload": 1, "names": 1,
        "finished_at": 2.0 if state == "successful" else None,
        "report": DONE.model_dump(mode="json") if state == "successful" else None,
    }  # fmt: skip


@contextmanager
def _outside(engine: Engine) -> Iterator[Any]:
    """Return a connection without a transaction."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def measure(store: Store, rounds: int) -> dict[str, float]:
    """Return the median seconds of each step of a job's life, and of a claim that finds nothing."""
    took: dict[str, list[float]] = {"take": [], "claim": [], "finish": [], "claim nothing": []}

    def timed(what: str, work: Any) -> Any:
        started = time.monotonic()
        result = work()
        took[what].append(time.monotonic() - started)
        return result

    for number in range(rounds):
        delivery = Delivery(
            folder="INBOX", uidvalidity=1, uid=number, sender="ana@example.com",
            message_id=f"<new{number}@bench.example.com>", subject="CHECKIP=203.0.113.7", verdict="admitted",
            rule="token", reason="valid",
        )  # fmt: skip
        order = Order(
            keyword="CHECKIP", subject="CHECKIP=203.0.113.7", arguments={"checkip": "203.0.113.7"},
            servers=(FREE,), locks=(FREE,), check=False, language="pt_BR", sender="ana@example.com",
            message_id=delivery.message_id,
        )  # fmt: skip
        expected = timed("take", lambda: store.take(delivery, order=order))  # noqa: B023 - called at once
        job = timed("claim", store.claim)
        if job is None or job.id != expected:
            raise RuntimeError(f"claimed {job and job.id} instead of {expected}")
        answer = Reply(
            kind="result", recipient="ana@example.com", message_id=f"<{job.id}@bench>", mime=b"Subject: x"
        )
        timed("finish", lambda: store.finish(job, DONE, answer))  # noqa: B023 - called at once
        if timed("claim nothing", store.claim) is not None:
            raise RuntimeError("somebody else's job was claimed")
    return {what: median(seconds) for what, seconds in took.items()}


if __name__ == "__main__":
    main()
