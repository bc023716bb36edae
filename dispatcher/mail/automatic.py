"""What shows that no person sent a mail: one row a sign (RFC 3834, RFC 2919, RFC 2369, common use)."""

from __future__ import annotations

from collections.abc import Callable

from dispatcher.mail.message import Message

_BULK = frozenset({b"bulk", b"junk", b"list", b"auto_reply"})
_SUPPRESSED = frozenset({b"all", b"autoreply"})


def sign_of_a_machine(message: Message, own: str) -> str | None:
    """Return the first sign that it is automatic, None when there is none. ``own`` is our own address."""
    if message.sender == own:
        return "the dispatcher's own address"
    if any(own.encode() in value.lower() for value in message.values(b"x-loop")):
        return "X-Loop"
    return next((reason for reason, shows in _SIGNS if shows(message)), None)


def _any(field: bytes, shows: Callable[[bytes], bool]) -> Callable[[Message], bool]:
    return lambda message: any(shows(value) for value in message.values(field))


_SIGNS: tuple[tuple[str, Callable[[Message], bool]], ...] = (
    ("Auto-Submitted", _any(b"auto-submitted", lambda value: _first_word(value) != b"no")),
    ("Precedence", _any(b"precedence", lambda value: _first_word(value) in _BULK)),
    ("a mailing list", lambda message: any(name.startswith(b"list-") for name, _value in message.fields)),
    ("a bounce: Return-Path is null", _any(b"return-path", lambda value: value.replace(b" ", b"") == b"<>")),
    ("an answering machine: X-Autoreply", _any(b"x-autoreply", lambda _value: True)),
    ("an answering machine: X-Autorespond", _any(b"x-autorespond", lambda _value: True)),
    (
        "X-Auto-Response-Suppress",
        _any(b"x-auto-response-suppress", lambda value: bool(_words(value) & _SUPPRESSED)),
    ),
    (
        "a report about another mail",
        _any(b"content-type", lambda value: _first_word(value) == b"multipart/report"),
    ),
)


def _words(value: bytes) -> set[bytes]:
    return {word.strip().lower() for word in value.split(b",")}


def _first_word(value: bytes) -> bytes:
    """Return the value without comments and parameters, in lower case: ``No (x); y=z`` is ``no``."""
    return value.replace(b"(", b" ").replace(b";", b" ").strip().partition(b" ")[0].lower()
