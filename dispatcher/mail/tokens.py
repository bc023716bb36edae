"""Tokens: eight digits that open a subject, each of one sender, kept as a keyed digest alone.

A static token is eight hexadecimal digits. A one-time token is what an authenticator app makes eight decimal
digits of every 30 seconds (RFC 6238); its secret is derived from the pepper when it is asked for.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Any, Literal

import pyotp
from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from dispatcher.errors import SettingsError
from dispatcher.jobs.database import connect, reading, transaction
from dispatcher.jobs.schema import tokens, used_codes
from dispatcher.mail.address import normalise
from dispatcher.mail.proof import Proof
from dispatcher.mail.senders import SenderError
from dispatcher.settings import Settings

Kind = Literal["static", "totp"]
Unproved = Literal["wrong", "expired", "used"]

STEP = 30  # seconds that a one-time code is shown
DIGITS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """What is known of an issued token; its digits are not."""

    id: int
    sender: str
    description: str
    enabled: bool
    issued_at: float  # UTC, seconds since 1970, as all of these
    kind: Kind
    expires_at: float | None  # None: never
    used_at: float | None  # the last time that it opened a command

    @property
    def state(self) -> Literal["enabled", "disabled", "expired"]:
        """Whether it counts now."""
        if not self.enabled:
            return "disabled"
        expired = self.expires_at is not None and self.expires_at <= time.time()
        return "expired" if expired else "enabled"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A one-time token that no row is kept of yet: its app has to show a first code."""

    sender: str
    salt: str
    totp: pyotp.TOTP


class Tokens:
    """The tokens in the database. ``pepper`` is a key that lies elsewhere: a stolen table guesses nothing.

    A one-time code may be ``window`` seconds younger or older than its mail's arrival.
    """

    def __init__(self, engine: Engine, pepper: bytes, window: float = 300.0) -> None:
        self._engine = engine
        self._pepper = pepper
        self._window = window

    def prove(self, sender: str, given: str, arrived: float) -> Proof | Unproved:
        """Return what the eight digits of a mail that arrived then (UTC, seconds since 1970) prove.

        Takes as long for a sender without tokens as for one with a static token.
        """
        own = select(tokens).where(tokens.c.sender == sender, tokens.c.enabled)
        with reading(self._engine) as connection:
            rows = connection.execute(own).all()
            digest = self._digest(sender, given)
            equal = [hmac.compare_digest(digest, row.digest) for row in rows]  # a list: no early end
            hmac.compare_digest(digest, "0" * len(digest))
            for row, same in zip(rows, equal, strict=True):
                if same:
                    return _expired(row) or Proof(kind="static", token_id=row.id)
            if len(given) == DIGITS and given.isdecimal():
                for row in rows:
                    if row.kind == "totp" and (step := self._step(row, given, arrived)) is not None:
                        return _expired(row) or _used(connection, row, step)
        return "wrong"

    def issue(
        self, address: str, description: str, *, expires_at: float | None = None, enabled: bool = True
    ) -> str:
        """Return a new static token of a sender: the only time that it is seen. Raises SenderError."""
        token = secrets.token_hex(4).upper()
        if not self.admit(address, token, description, expires_at=expires_at, enabled=enabled):
            return self.issue(address, description, expires_at=expires_at, enabled=enabled)  # one in 2^32
        return token

    def admit(
        self,
        address: str,
        token: str,
        description: str,
        *,
        expires_at: float | None = None,
        enabled: bool = True,
    ) -> bool:
        """Let a static token of eight hexadecimal digits count for a sender; False when it does already."""
        sender = _normalised(address)
        row = {"kind": "static", "digest": self._digest(sender, token), "enabled": enabled}
        return self._insert(sender, description, expires_at, row)

    def counts(self, address: str, token: str) -> bool:
        """Whether a static token of a sender is known, also one that is disabled or has expired."""
        mine = select(tokens.c.id).where(tokens.c.digest == self._digest(_normalised(address), token))
        with reading(self._engine) as connection:
            return connection.execute(mine).scalar() is not None

    def enrol(self, address: str, issuer: str) -> tuple[Enrolment, str]:
        """Return a new one-time token of a sender and its otpauth address, for the app: seen only now."""
        sender, salt = _normalised(address), secrets.token_hex(16)
        totp = self._totp(sender, salt)
        return Enrolment(sender, salt, totp), totp.provisioning_uri(name=sender, issuer_name=issuer)

    def complete(
        self,
        enrolment: Enrolment,
        description: str,
        *,
        expires_at: float | None = None,
        code: str | None = None,
    ) -> bool:
        """Let the codes of an enrolment count. False: ``code`` is none that its app shows about now."""
        if code is not None and not enrolment.totp.verify(code, valid_window=2):
            return False
        digest = self._hmac("enrolment", enrolment.sender, enrolment.salt).hex()
        row = {"kind": "totp", "digest": digest, "salt": enrolment.salt, "enabled": True}
        return self._insert(enrolment.sender, description, expires_at, row)

    def all(self, address: str | None = None) -> list[Token]:
        """Return what is known of a sender's tokens, or of everybody's, oldest first."""
        query = _TOKENS if address is None else _TOKENS.where(tokens.c.sender == _normalised(address))
        with reading(self._engine) as connection:
            return [Token(**row) for row in connection.execute(query.order_by(tokens.c.id)).mappings()]

    def one(self, token_id: int) -> Token:
        """Return what is known of a token. Raises SenderError."""
        with reading(self._engine) as connection:
            row = connection.execute(_TOKENS.where(tokens.c.id == token_id)).mappings().one_or_none()
        if row is None:
            raise _unknown(token_id)
        return Token(**row)

    def enable(self, token_id: int, *, enabled: bool) -> None:
        """Let a token count, or no longer count, from the next mail on. Raises SenderError."""
        self._update(token_id, enabled=enabled)

    def expire(self, token_id: int, when: float) -> None:
        """Let a token count until then at the latest. Raises SenderError."""
        known = self.one(token_id).expires_at
        self._update(token_id, expires_at=when if known is None else min(when, known))

    def revoke(self, token_id: int) -> None:
        """Delete a token for good. Raises SenderError."""
        with transaction(self._engine) as connection:
            gone = connection.execute(delete(tokens).where(tokens.c.id == token_id))
        if not gone.rowcount:
            raise _unknown(token_id)

    def _insert(self, sender: str, description: str, expires_at: float | None, row: dict[str, Any]) -> bool:
        row |= {"sender": sender, "description": description, "expires_at": expires_at}
        known = select(tokens.c.id).where(tokens.c.digest == row["digest"])
        try:
            with transaction(self._engine) as connection:
                if connection.execute(known).scalar() is not None:
                    return False
                connection.execute(insert(tokens).values(row | {"issued_at": time.time()}))
        except IntegrityError:
            raise _not_authorised(sender) from None
        return True

    def _update(self, token_id: int, **values: object) -> None:
        with transaction(self._engine) as connection:
            changed = connection.execute(update(tokens).where(tokens.c.id == token_id).values(**values))
        if not changed.rowcount:
            raise _unknown(token_id)

    def _step(self, row: Any, given: str, arrived: float) -> int | None:
        """Return the step whose code was given, the one nearest to the arrival; None when it is none."""
        totp = self._totp(row.sender, row.salt)
        now, around = int(arrived // STEP), int(self._window // STEP)
        found = [
            step
            for step in sorted(
                range(max(0, now - around), now + around + 1), key=lambda step: abs(step - now)
            )
            if hmac.compare_digest(totp.generate_otp(step), given)
        ]
        return found[0] if found else None

    def _totp(self, sender: str, salt: str) -> pyotp.TOTP:
        secret = base64.b32encode(self._hmac("totp", sender, salt)[:20])  # 160 bits, as SHA-1 has
        return pyotp.TOTP(secret.decode(), digits=DIGITS, interval=STEP)

    def _digest(self, sender: str, token: str) -> str:
        return hmac.new(self._pepper, f"{sender}\0{token.upper()}".encode(), "sha256").hexdigest()

    def _hmac(self, use: str, sender: str, salt: str) -> bytes:
        return hmac.digest(self._pepper, f"{use}\0{sender}\0{salt}".encode(), "sha256")


_TOKENS = select(
    tokens.c.id,
    tokens.c.sender,
    tokens.c.description,
    tokens.c.enabled,
    tokens.c.issued_at,
    func.coalesce(tokens.c.kind, "static").label("kind"),
    tokens.c.expires_at,
    tokens.c.used_at,
)


def opened(settings: Settings) -> Tokens:
    """Return the tokens of the settings' database. Raises SettingsError, SecretError, StoreError."""
    if settings.tokens is None:
        raise SettingsError(
            "A configuração não tem a seção tokens.", "Compare com docs/settings.example.yml."
        )
    return Tokens(connect(settings.job_store), settings.tokens.pepper(), settings.tokens.totp_window)


def _expired(row: Any) -> Literal["expired"] | None:
    return "expired" if row.expires_at is not None and row.expires_at <= time.time() else None


def _used(connection: Connection, row: Any, step: int) -> Proof | Literal["used"]:
    same = select(used_codes.c.step).where(used_codes.c.token_id == row.id, used_codes.c.step == step)
    if connection.execute(same).scalar() is not None:
        return "used"
    return Proof(kind="totp", token_id=row.id, step=step)


def _normalised(address: str) -> str:
    try:
        return normalise(address.strip())
    except ValueError:
        raise _not_authorised(repr(address)) from None


def _not_authorised(address: str) -> SenderError:
    return SenderError(
        f"{address} não está autorizado.", "Autorize primeiro com: athome senders add ENDEREÇO"
    )


def _unknown(token_id: int) -> SenderError:
    return SenderError(f"O token {token_id} não existe.", "Veja os que existem com: athome tokens list")
