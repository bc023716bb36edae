"""tokens.json: eight digits that opened a subject, whoever wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from dispatcher.i18n import N_
from dispatcher.legacy.documents import entries
from dispatcher.legacy.rows import Wrong
from dispatcher.replies.visible import visible

NAME = "tokens.json"
_EXAMPLE = '{"tokens": [{"token": "7E57C0DE", "description": "…", "enabled": true}]}'
_FIELDS = ("token", "description", "enabled")
_HEX = re.compile("[0-9A-Fa-f]{8}")


@dataclass(frozen=True, slots=True)
class OldToken:
    """One token. ``item``: its place in the list, from 1."""

    item: int
    token: str = field(repr=False)
    description: str
    enabled: bool
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OldTokens:
    """The file."""

    tokens: tuple[OldToken, ...]
    unknown: tuple[str, ...] = ()
    wrong: tuple[Wrong, ...] = ()


def parse(text: str, name: str) -> OldTokens:
    """Return what the file has; an entry that is wrong stops no other. Raises LegacyError."""
    found, unknown = entries(text, name, "tokens", _EXAMPLE)
    taken, wrong = [], []
    secrets = {entry["token"].upper() for entry in found if _problem(entry) is None}
    for item, entry in enumerate(found, start=1):
        if problem := _problem(entry):
            wrong.append(Wrong(str(item), "token", problem))
            continue
        others = tuple(str(key) for key in entry if key not in _FIELDS)
        description = _HEX.sub(
            lambda digits: "…" if digits[0].upper() in secrets else digits[0],
            visible(str(entry.get("description") or "")),
        )
        taken.append(OldToken(item, entry["token"].upper(), description, entry.get("enabled", True), others))
    return OldTokens(tuple(taken), unknown, tuple(wrong))


def _problem(entry: Any) -> str | None:
    """Return what is wrong with an entry, without repeating it: it may be a token with a slip."""
    if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
        return N_("falta token")
    if not _HEX.fullmatch(entry["token"]):
        return N_("token não tem 8 dígitos hexadecimais")
    if not isinstance(entry.get("enabled", True), bool):
        return N_("enabled não é true nem false")
    return None
