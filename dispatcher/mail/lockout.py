"""How often a proved sender may be wrong, and how many mails one gets: asked before the token is.

Only mails that are proved to be a sender's count: nobody is locked out by what others send in his name.
"""

from __future__ import annotations

import time
from typing import Literal

from sqlalchemy import ColumnElement, Engine, func, select

from dispatcher.jobs.database import reading
from dispatcher.jobs.queries import UNFINISHED
from dispatcher.jobs.schema import jobs, outbox, senders
from dispatcher.mail.proof import Failure
from dispatcher.settings import Mail, Tokens

HOUR = 3600.0
ACCEPTED = "accepted"  # the kind of the mail that says that a command waits: it is not counted
APPROVE = "approve"  # that of the mail that asks for a yes to what somebody else wants: nor is it
RATE = "rate"  # the kind of the mail that says that there were too many: its Message-ID begins with it


class Lockout:
    """Reads what was counted; the store does the counting, in the transaction that takes the mail."""

    def __init__(self, engine: Engine, mail: Mail, tokens: Tokens) -> None:
        self._engine = engine
        self._mail = mail
        self._tokens = tokens

    def until(self, sender: str) -> float | None:
        """Return when a sender's lock-out ends (UTC, seconds since 1970), None when there is none."""
        query = select(senders.c.locked_until).where(senders.c.address == sender)
        with reading(self._engine) as connection:
            until = connection.execute(query).scalar()
        return until if until is not None and until > time.time() else None

    def next(self, sender: str) -> Failure:
        """Return what one more wrong token of a sender comes to.

        Wrong tokens are forgotten after a day, so that a few an hour add up too, and after a lock-out.
        """
        now = time.time()
        since, alarmed = now - self._tokens.forget, now - self._tokens.lockout
        query = select(senders.c.failures, senders.c.failed_at, senders.c.locked_until).where(
            senders.c.address == sender
        )
        others = select(func.count()).where(senders.c.address != sender, senders.c.failed_at > alarmed)
        with reading(self._engine) as connection:
            failures, after, locked = connection.execute(query).one_or_none() or (None, None, None)
            failing = connection.execute(others).scalar_one()
        recent = after is not None and after > since and (locked is None or locked < after)
        number = (failures or 0) + 1 if recent else 1
        locks = number >= self._tokens.attempts
        return Failure(
            number=number, after=after, locked_until=now + self._tokens.lockout if locks else None,
            senders=failing + 1,
        )  # fmt: skip

    def too_many(self, sender: str) -> Literal["first", "more"] | None:
        """Whether a sender has had the mails of an hour, counting those that jobs at work will send.

        ``first``: the sender is yet to be told of it, once an hour.
        """
        recent = (
            (outbox.c.recipient == sender)
            & (outbox.c.created_at > time.time() - HOUR)
            & ~outbox.c.message_id.startswith(f"<{ACCEPTED}.")
            & ~outbox.c.message_id.startswith(f"<{APPROVE}.")
        )
        due = (jobs.c.sender == sender) & jobs.c.state.in_(UNFINISHED)
        with reading(self._engine) as connection:

            def count(what: ColumnElement[bool]) -> int:
                return connection.execute(select(func.count()).where(what)).scalar_one()

            if count(recent) + count(due) < self._mail.answers_per_hour:
                return None
            return "more" if count(recent & outbox.c.message_id.startswith(f"<{RATE}.")) else "first"
