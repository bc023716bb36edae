"""What a mail proves beyond its sender's address, and what is still to be proved before its job may start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What the subject opened with. Taking a mail uses its proof up, in the same transaction."""

    kind: Literal["static", "totp", "confirmation"]
    token_id: int | None = None  # of static and totp
    step: int | None = None  # of totp: 30 s steps since 1970; each counts once
    confirmation: int | None = None  # of confirmation: its row; the job behind it starts once


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """An answer that a job waits for: the digest of its code, until when it counts, and whose it is."""

    digest: str  # HMAC-SHA256 of sender and code, hex, as Confirmations.new returns it
    expires_at: float  # UTC, seconds since 1970
    sender: str | None = None  # None: whoever sent the command


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One more wrong token of a proved sender."""

    number: int  # wrong tokens in a row, this one included
    after: float | None  # when the one before it was written down: nobody may have counted since
    locked_until: float | None = None  # UTC, seconds since 1970; None: not locked
    senders: int = 1  # how many different senders have failed lately, this one included
