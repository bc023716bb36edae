"""Tokens: eight hexadecimal digits that open a subject, each of one sender, kept as a keyed digest alone."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from dispatcher.jobs import schema
from dispatcher.jobs.database import transaction
from dispatcher.mail.address import normalise
from dispatcher.mail.senders import SenderError


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of an issued token; its digits are not."""

    id: int
    sender: str
    description: str
    enabled: bool
    issued_at: float  # UTC, seconds since 1970


class Tokens:
    """The tokens in the database. ``pepper`` is a key that lies elsewhere: a stolen table guesses nothing."""

    def __init__(self, engine: Engine, pepper: bytes) -> None:
        self._engine = engine
        self._pepper = pepper

    def issue(self, address: str, description: str) -> str:
        """Return a new token of a sender: the only time that it is seen. Raises SenderError."""
        try:
            sender = normalise(address.strip())
        except ValueError:
            sender = ""  # nobody's: falls through to the same sentence as an unknown one
        token = secrets.token_hex(4).upper()
        row = {
            "sender": sender, "digest": self._digest(sender, token), "description": description,
            "enabled": True, "issued_at": time.time(),
        }  # fmt: skip
        try:
            with transaction(self._engine) as connection:
                connection.execute(insert(schema.tokens).values(row))
        except IntegrityError:
            raise SenderError(
                f"{address!r} não está autorizado.", "Autorize primeiro com: athome senders add ENDEREÇO"
            ) from None
        return token

    def check(self, address: str, token: str) -> bool:
        """Whether an enabled token of this sender is the given one, in upper or lower case.

        Takes as long for a sender without tokens as for one with a token.
        """
        tokens = schema.tokens
        own = select(tokens.c.digest).where(tokens.c.sender == address, tokens.c.enabled)
        with transaction(self._engine) as connection:
            digests = list(connection.execute(own).scalars())
        given = self._digest(address, token)
        return any([hmac.compare_digest(given, digest) for digest in digests or ["0" * len(given)]])  # noqa: C419 - a list: no early end

    def all(self, address: str) -> list[Token]:
        """Return what is known of a sender's tokens, oldest first."""
        tokens = schema.tokens
        columns = (tokens.c.id, tokens.c.sender, tokens.c.description, tokens.c.enabled, tokens.c.issued_at)
        with transaction(self._engine) as connection:
            rows = connection.execute(
                select(*columns).where(tokens.c.sender == address).order_by(tokens.c.id)
            )
            return [Token(*row) for row in rows]

    def enable(self, token_id: int, *, enabled: bool) -> None:
        """Let a token count, or no longer count, from the next mail on. Raises SenderError."""
        tokens = schema.tokens
        with transaction(self._engine) as connection:
            changed = connection.execute(
                update(tokens).where(tokens.c.id == token_id).values(enabled=enabled)
            )
        if not changed.rowcount:
            raise SenderError(f"O token {token_id} não existe.", "Emita um com: athome tokens issue ENDEREÇO")

    def _digest(self, sender: str, token: str) -> str:
        return hmac.new(self._pepper, f"{sender}\0{token.upper()}".encode(), "sha256").hexdigest()
