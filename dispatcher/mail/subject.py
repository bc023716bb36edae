"""What a subject opens with: a token, ``[7E57C0DE] COMMAND``, or a code that confirms, ``CONFIRMAR CODE``."""

from __future__ import annotations

import re

REDACTED = "[········]"
CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # of confirmations; without 0 O 1 I L U, which are misread

_OPENED = re.compile(r"\[([0-9A-Fa-f]{8})\](?: +(.*))?")
_QUOTED = re.compile(r"(?:re|res|fw|fwd|enc) *(?:\[[0-9]+\] *)?:", re.IGNORECASE)
_ANSWERED = re.compile(r"res? *(?:\[[0-9]+\] *)?: *", re.IGNORECASE)  # forwarding is no answer
_CODE = rf"[{CODE_ALPHABET}]{{4}}(?:-?[{CODE_ALPHABET}]{{4}}){{2}}"
_CONFIRMED = re.compile(rf"CONFIRM(?:AR)? +({_CODE})(?:[ :].*)?", re.IGNORECASE)
# What a bracket opens with, up to its end or, when it was never closed, up to the first KEY=.
_BRACKETED = re.compile(r"\[[^\]=]*(?:\]|(?= [^ =]*=)|$)")
# Also a token without brackets, with a digit too many or too few, or glued to the next word. 12 are a MAC.
# A code, also where somebody took the hyphens for spaces, or mistyped one of its characters after CONFIRMAR.
_CODE_LIKE = re.compile(
    rf"(?<![0-9A-Z])[{CODE_ALPHABET}]{{4}}-[{CODE_ALPHABET}]{{4}}-[{CODE_ALPHABET}]{{4}}(?![0-9A-Z])"
    r"|(?:(?<=CONFIRM )|(?<=CONFIRMAR )) *[^ :]+(?: +[0-9A-Z]{4}(?![^ :]))*",
    re.IGNORECASE,
)
_TOKEN_LIKE = re.compile(r"\[?(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{7,11}|[0-9A-Fa-f]{13,})(?![0-9A-Fa-f])\]?")


class NoToken(ValueError):  # noqa: N818 - an answer for the sender
    """The subject does not open with one token; the text says how it is wrong, without showing it."""


def open_subject(subject: str) -> tuple[str, str]:
    """Split a subject into its token and the command after it. Raises NoToken."""
    if _QUOTED.match(subject):
        raise NoToken("the subject is quoted (Re:, Res:, Fwd:, Enc:): commands come in new mails")
    opened = _OPENED.fullmatch(subject)
    if not opened:
        raise NoToken("the subject does not start with [8 hexadecimal digits] and a space")
    token, command = opened.group(1), opened.group(2) or ""
    if token.lower() in command.lower() or re.search(r"\[[0-9A-Fa-f]{8}\]", command):
        raise NoToken("a second token in the subject")
    return token, command


def open_confirmation(subject: str) -> str | None:
    """Return the code of an answer that confirms, None when the subject is no such answer.

    Answers are quoted by their nature: any number of Re: and Res: may stand before it, and the rest of the
    answered subject after it.
    """
    rest = subject.lstrip(" ")
    while answered := _ANSWERED.match(rest):
        rest = rest[answered.end() :]
    found = _CONFIRMED.fullmatch(rest)
    return found.group(1) if found else None


def redact(subject: str) -> str:
    """Return the subject with whatever may be a token or a code, or a misspelt one, replaced."""
    for pattern, most in ((_CODE_LIKE, 0), (_BRACKETED, 1), (_TOKEN_LIKE, 0)):
        subject = pattern.sub(REDACTED, subject, count=most)
    return subject
