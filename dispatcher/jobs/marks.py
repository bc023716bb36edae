"""What a mail leaves in the database so that it, its code and its confirmation count once.

Each function is a part of the transaction that takes the mail, and raises OutrunError when somebody else was
faster since the mail was judged.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select, update

from dispatcher.errors import OutrunError
from dispatcher.jobs.job import State
from dispatcher.jobs.schema import (
    claims,
    confirmations,
    job_servers,
    jobs,
    outbox,
    senders,
    tokens,
    used_codes,
)
from dispatcher.mail.proof import Failure, Pending, Proof

REPEATS = 3  # so often the answer to a mail that is delivered again is sent again


def leave(
    connection: Connection,
    sender: str,
    message_id: str,
    *,
    proof: Proof | None,
    failure: Failure | None,
    now: float,
) -> int | None:
    """Take a mail of a proved sender for good: a second delivery breaks the primary key.

    Returns the job that its proof, a confirmation, lets start.
    """
    connection.execute(insert(claims).values(sender=sender, message_id=message_id, claimed_at=now, repeats=0))
    if failure is not None:
        _fail(connection, sender, failure, now)
    return None if proof is None else _use_up(connection, sender, proof, now)


def wait_for(connection: Connection, job_id: int, sender: str | None, pending: Sequence[Pending]) -> None:
    """Keep the codes of which any lets a job start: those of its sender, unless they are somebody else's."""
    for one in pending:
        whose = {"job_id": job_id, "sender": one.sender or sender}
        connection.execute(
            insert(confirmations).values(**whose, digest=one.digest, expires_at=one.expires_at)
        )


def repeat(connection: Connection, sender: str, message_id: str) -> dict[str, str]:
    """Let the answer to a claimed mail go out again, as it was; return what the audit is to say instead."""
    mine = (claims.c.sender == sender) & (claims.c.message_id == message_id)
    counted = update(claims).where(mine, claims.c.repeats < REPEATS).values(repeats=claims.c.repeats + 1)
    if not connection.execute(counted).rowcount:
        return {"verdict": "silent", "reason": f"taken before, and its answer was sent again {REPEATS} times"}
    answered = (outbox.c.recipient == sender) & (outbox.c.about == message_id)
    last = connection.execute(
        select(outbox.c.id).where(answered).order_by(outbox.c.id.desc()).limit(1)
    ).scalar()
    whole = func.length(outbox.c.message) > 0  # its text may have been forgotten meanwhile
    again = (outbox.c.id == last) & outbox.c.state.in_(("sent", "dead", "bounced")) & whole
    connection.execute(update(outbox).where(again).values(state="waiting", attempts=0, not_before=0.0))
    return {}


def _fail(connection: Connection, sender: str, failure: Failure, now: float) -> None:
    """Write down one more wrong token, unless another one was written down since this one was counted."""
    same = (senders.c.address == sender) & senders.c.failed_at.is_not_distinct_from(failure.after)
    values = {"failures": failure.number, "failed_at": now, "locked_until": failure.locked_until}
    _one(connection.execute(update(senders).where(same).values(values)).rowcount)


def _use_up(connection: Connection, sender: str, proof: Proof, now: float) -> int | None:
    """Write down that a proof was used. Whoever had one begins again without wrong tokens."""
    if proof.token_id is not None:
        counts = (tokens.c.id == proof.token_id) & tokens.c.enabled
        _one(connection.execute(update(tokens).where(counts).values(used_at=now)).rowcount)
    if proof.step is not None:
        connection.execute(insert(used_codes).values(token_id=proof.token_id, step=proof.step))
    connection.execute(
        update(senders)
        .where(senders.c.address == sender)
        .values(failures=None, failed_at=None, locked_until=None)
    )
    return None if proof.confirmation is None else _confirm(connection, sender, proof.confirmation, now)


def _confirm(connection: Connection, sender: str, confirmation: int, now: float) -> int:
    """Let the job behind a confirmation start, once; the codes that others have for it are used up too.

    The job's row comes first: of two who answer at the same time, the second finds it started.
    """
    about = select(confirmations.c.job_id).where(confirmations.c.id == confirmation)
    job_id = connection.execute(about).scalar() or 0
    waiting = (jobs.c.id == job_id) & (jobs.c.state == State.AWAITING_CONFIRMATION.value)
    started = {"state": State.QUEUED.value, "confirmed_by": sender}
    _one(connection.execute(update(jobs).where(waiting).values(started)).rowcount)
    unused = confirmations.c.used_at.is_(None)
    mine = (confirmations.c.id == confirmation) & (confirmations.c.sender == sender) & unused
    in_time = mine & (confirmations.c.expires_at > now)
    _one(connection.execute(update(confirmations).where(in_time).values(used_at=now)).rowcount)
    others = (confirmations.c.job_id == job_id) & unused
    connection.execute(update(confirmations).where(others).values(used_at=now))
    connection.execute(update(job_servers).where(job_servers.c.job_id == job_id).values(unfinished=True))
    return int(job_id)


def _one(rows: int) -> None:
    if rows != 1:
        raise OutrunError
