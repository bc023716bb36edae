"""What was decided about every mail: read by people, and kept for as long as the settings say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, delete, select

from dispatcher.jobs import totals
from dispatcher.jobs.database import reading, transaction
from dispatcher.jobs.schema import messages, used_codes

DAY = 86400.0
_STEP = 30  # seconds of a one-time code


@dataclass(frozen=True, slots=True)
class Entry:
    """One mail, as it was judged. Its subject has neither token nor code."""

    id: int
    seen_at: float  # UTC, seconds since 1970
    sender: str | None  # as From claims; believed only if the rules after `authentication` were reached
    message_id: str | None
    subject: str | None
    verdict: str  # admitted | refused | repeated | silent | parked
    rule: str
    reason: str
    job_id: int | None


class Audit:
    """The audit in the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        sender: str | None = None,
        verdicts: Sequence[str] = (),
        rules: Sequence[str] = (),
        after: int = 0,
        limit: int,
    ) -> list[Entry]:
        """Return the newest entries that fit, oldest first; ``after``: only those of a greater id."""
        query = select(*(messages.c[name] for name in Entry.__dataclass_fields__))
        query = query.where(messages.c.id > after).order_by(messages.c.id.desc()).limit(limit)
        if since is not None:
            query = query.where(messages.c.seen_at >= since)
        if until is not None:
            query = query.where(messages.c.seen_at < until)
        if sender is not None:
            query = query.where(messages.c.sender == sender)
        if verdicts:
            query = query.where(messages.c.verdict.in_(verdicts))
        if rules:
            query = query.where(messages.c.rule.in_(rules))
        with reading(self._engine) as connection:
            return [Entry(*row) for row in reversed(connection.execute(query).all())]

    def purge(self, before: float) -> int:
        """Forget the mails that were seen before; return how many.

        Their claims stay: a mail that somebody moves back into the inbox after years is still no new one.
        """
        with transaction(self._engine) as connection:
            old = delete(messages).where(messages.c.seen_at < before)
            gone = connection.execute(old.returning(messages.c.verdict, messages.c.rule)).all()
            totals.add_mails(connection, [(verdict, rule) for verdict, rule in gone])
            connection.execute(delete(used_codes).where(used_codes.c.step < before // _STEP))
        return len(gone)
