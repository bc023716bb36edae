"""A command's subject → its values by field, and what is wrong with its keys."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from dispatcher.commands.base import Command, Problem

SHOWN = 80  # characters of a bad value that are shown back
KEY = re.compile(r"(?:^|(?<=\s))([A-Za-z][A-Za-z0-9_]*)\s*=")


@dataclass(frozen=True, slots=True)
class Pairs:
    """``values``: by field, as written, also under a key that was only nearly right; the first one counts."""

    values: Mapping[str, str]
    problems: tuple[Problem, ...]


def split(kind: type[Command], subject: str) -> Pairs:
    """Read the subject up to the next known key each time; a key that lacks its sign ends a value too."""
    fields = [field.upper() for field in kind.model_fields]
    keys = sorted([*KEY.finditer(subject), *_without_sign(fields[1:], subject)], key=re.Match.start)
    values: dict[str, str] = {}
    meant: dict[str, str] = {}
    problems: list[Problem] = []
    for key, end in zip(keys, [*(key.start() for key in keys[1:]), len(subject)], strict=True):
        name, field, value = key[1].upper(), key[1].lower(), subject[key.end() : end].strip()
        shown = value[:SHOWN]
        if name not in fields:
            near = (*get_close_matches(name, fields, n=1), None)[0]
            known = {"known": ", ".join(fields)}
            problems.append(
                Problem(field=name, value=shown, code="field.unknown", data=known, suggestion=near)
            )
            if near:
                meant.setdefault(near.lower(), value)
        elif field in values:
            first = values[field]
            problems.append(Problem(field=name, value=shown, code="field.duplicate", suggestion=first))
            values[field] = first or value
        elif key[0].endswith("="):
            values[field] = value
        elif value:  # without one the field is missing altogether
            problems.append(Problem(field=name, value=shown, code="field.missing"))
            values[field] = value
    return Pairs(meant | values, tuple(problems))


def _without_sign(fields: Sequence[str], subject: str) -> list[re.Match[str]]:
    """Find ``SERVER gv2p`` and ``SERVER: gv2p``."""
    if not fields:
        return []
    keys = rf"(?<=\s)({'|'.join(fields)})(?=[\s:]|$)(?!\s*=)\s*:?"
    return list(re.finditer(keys, subject, re.IGNORECASE))
