"""How many runs and mails there have been: what is in the tables, and what was counted when it was purged."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select, update

from dispatcher.jobs.database import insert_new
from dispatcher.jobs.job import State
from dispatcher.jobs.schema import jobs, messages, totals

# Seconds; upper bounds of the classes that durations of runs are counted in. The last class has none.
# Rows in the table are by their place here: a bound that is changed would move what was counted.
BOUNDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)

TERMINAL = tuple(state.value for state in State if state.terminal)


@dataclass(slots=True)
class Count:
    """So many, and how long they took together."""

    number: int = 0
    seconds: float = 0.0


Runs = dict[tuple[str, str, int], Count]  # by command, outcome and place in BOUNDS
Mails = Counter[tuple[str, str]]  # by verdict and rule


def bucket(seconds: float) -> int:
    """Return the place in BOUNDS of a duration; len(BOUNDS) for one above all of them."""
    return bisect_left(BOUNDS, seconds)


def runs(connection: Connection) -> Runs:
    """Return all runs that have ended since the database was made. A job that never ran took 0 seconds."""
    took = func.coalesce(jobs.c.finished_at - jobs.c.started_at, 0.0)
    place = case(*((took <= bound, number) for number, bound in enumerate(BOUNDS)), else_=len(BOUNDS))
    living = (
        select(jobs.c.keyword, jobs.c.state, place, func.count(), func.sum(took))
        .where(jobs.c.finished_at.is_not(None))
        .group_by(jobs.c.keyword, jobs.c.state, place)
    )
    counted: Runs = defaultdict(Count)
    for keyword, state, number, found, seconds in (*connection.execute(living), *_purged(connection, "runs")):
        counted[keyword, state, int(number)].number += int(found)
        counted[keyword, state, int(number)].seconds += float(seconds)
    return counted


def mails(connection: Connection) -> Mails:
    """Return all mails that were judged since the database was made."""
    living = select(messages.c.verdict, messages.c.rule, func.count()).group_by(
        messages.c.verdict, messages.c.rule
    )
    counted: Mails = Counter()
    for verdict, rule, found in connection.execute(living):
        counted[verdict, rule] += int(found)
    for verdict, rule, _bucket, found, _seconds in _purged(connection, "mails"):
        counted[verdict, rule] += int(found)
    return counted


def add_runs(connection: Connection, gone: Iterable[tuple[str, str, float | None, float | None]]) -> None:
    """Count runs (command, outcome, start, end) as the same transaction deletes them."""
    counted: Runs = defaultdict(Count)
    for keyword, state, started_at, finished_at in gone:
        seconds = finished_at - started_at if started_at and finished_at else 0.0
        count = counted[keyword, state, bucket(seconds)]
        count.number += 1
        count.seconds += seconds
    _add(connection, "runs", counted)


def add_mails(connection: Connection, gone: Iterable[tuple[str, str]]) -> None:
    """Count mails (verdict, rule) as the same transaction deletes them."""
    counted = Counter(gone)
    _add(connection, "mails", {(*key, 0): Count(number) for key, number in counted.items()})


def _purged(connection: Connection, kind: str) -> Iterable[tuple[str, str, int, int, float]]:
    columns = (totals.c.first, totals.c.second, totals.c.bucket, totals.c.number, totals.c.seconds)
    return [tuple(row) for row in connection.execute(select(*columns).where(totals.c.kind == kind))]


def _add(connection: Connection, kind: str, counted: Mapping[tuple[str, str, int], Count]) -> None:
    for (first, second, place), count in sorted(counted.items()):
        key = {"kind": kind, "first": first, "second": second, "bucket": place}
        same = [totals.c[name] == value for name, value in key.items()]
        more = {
            "number": totals.c.number + count.number,
            "seconds": totals.c.seconds + count.seconds,
        }
        connection.execute(insert_new(connection, totals).values(**key, number=0, seconds=0.0))
        connection.execute(update(totals).where(*same).values(more))
