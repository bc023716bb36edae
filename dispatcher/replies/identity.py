"""The Message-IDs of what we send: the same cause always gives the same one, and nobody else can make it.

That is why a bounce is believed which names one: it comes from somebody who has had the mail in hand.
"""

from __future__ import annotations

import hashlib
import hmac

_DIGITS = 32  # hexadecimal: 128 bits


def derived_key(pepper: bytes) -> bytes:
    """Return the key for Message-IDs. All machines of one installation have the same pepper."""
    return hmac.new(pepper, b"athome Message-ID", hashlib.sha256).digest()


def message_id(key: bytes, kind: str, recipient: str, cause: str | None, domain: str) -> str:
    """Return the Message-ID of a kind of mail to somebody about a cause, with its angle brackets."""
    digest = hmac.new(key, _named(kind, recipient, cause), hashlib.sha256).hexdigest()[:_DIGITS]
    return f"<{kind}.{digest}@{domain}>"


def guessable(known: str, recipient: str, cause: str | None) -> bool:
    """Whether a Message-ID is one of those without a key, as they were made at first.

    Whoever knows the command's mail can make it: a bounce that names it proves nothing.
    """
    kind, _, rest = known.removeprefix("<").partition(".")
    digest = hashlib.sha256(_named(kind, recipient, cause)).hexdigest()[:_DIGITS]
    return rest.partition("@")[0] == digest


def _named(kind: str, recipient: str, cause: str | None) -> bytes:
    return f"{kind} {recipient} {cause}".encode()
