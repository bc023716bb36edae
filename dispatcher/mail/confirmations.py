"""One-time codes that a sender gets by mail and answers with: kept as a keyed digest alone."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Literal

from sqlalchemy import Engine, select

from dispatcher.jobs.database import reading
from dispatcher.jobs.job import State
from dispatcher.jobs.schema import confirmations, jobs
from dispatcher.mail.subject import CODE_ALPHABET

_LENGTH = 12  # characters of 30: 58 bits


class Confirmations:
    """The codes in the database. ``pepper`` is the key of the tokens: it lies outside of the database."""

    def __init__(self, engine: Engine, pepper: bytes) -> None:
        self._engine = engine
        self._pepper = pepper

    def new(self, sender: str) -> tuple[str, str]:
        """Return a fresh code, ``XXXX-XXXX-XXXX``, and the digest to keep. Nothing is written here."""
        code = "".join(secrets.choice(CODE_ALPHABET) for _ in range(_LENGTH))
        return f"{code[:4]}-{code[4:8]}-{code[8:]}", self._digest(sender, code)

    def find(self, sender: str, code: str) -> int | Literal["used", "expired"] | None:
        """Return the confirmation that a sender's code (hyphens or not, any case) stands for, or why none.

        None: this sender was never given such a code.
        """
        query = (
            select(confirmations.c.id, confirmations.c.expires_at, confirmations.c.used_at, jobs.c.state)
            .join(jobs, jobs.c.id == confirmations.c.job_id)
            .where(confirmations.c.digest == self._digest(sender, code), confirmations.c.sender == sender)
        )
        with reading(self._engine) as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            return None
        if found.used_at is not None:
            return "used"
        if found.expires_at <= time.time() or found.state != State.AWAITING_CONFIRMATION.value:
            return "expired"
        return int(found.id)

    def _digest(self, sender: str, code: str) -> str:
        plain = code.replace("-", "").upper()
        return hmac.new(self._pepper, f"confirmation\0{sender}\0{plain}".encode(), "sha256").hexdigest()
