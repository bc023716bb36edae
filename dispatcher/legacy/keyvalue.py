"""Lines of ``KEY=value``, as the predecessor's monitor_config.txt has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.DOTALL)
_QUOTED = re.compile(r"""(["'])(.*?)\1\s*(?:#.*)?""", re.DOTALL)
_COMMENT = re.compile(r"\s#.*|^#.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pair:
    """One line. ``whole``: its value with what else would be a comment, for values in which # is itself."""

    line: int
    key: str  # in capitals
    value: str = field(repr=False)
    whole: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no ``KEY=value``."""

    line: int


def pairs(text: str) -> Iterator[Pair | Unreadable]:
    """Yield each line that is neither blank nor a comment. Quotes around a value are no part of it."""
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        line = raw.strip(" \t\0\ufeff\x1a")
        if not line or line[0] in "#;":
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            yield Unreadable(number)
        elif quoted := _QUOTED.fullmatch(found[2]):
            yield Pair(number, found[1].upper(), quoted[2], quoted[2])
        else:
            value = _COMMENT.sub("", found[2], count=1).rstrip(" \t")
            yield Pair(number, found[1].upper(), value, found[2])
