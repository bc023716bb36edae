"""Before and after → the lines that a person reads."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dispatcher.replies.visible import visible
from dispatcher.runs.report import Diff

MAX_LINES = 40  # of one thing; more than that nobody reads on a phone
_WIDTH = 300  # characters of a line
_READ = 200_000  # characters of a text that are compared


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference. ``sign`` is "+", "-", " ", for a title "@", for what is left out "…"."""

    sign: str
    text: str


def rows(diffs: Iterable[Diff]) -> list[Line]:
    """Return the differences as lines, each part under its title."""
    return [line for diff in diffs for line in _part(diff)]


def _part(diff: Diff) -> Iterator[Line]:
    before, after = diff.before[:_READ].splitlines(), diff.after[:_READ].splitlines()
    lines = [
        Line(line[0], _text(line[1:]))
        for line in list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]
        if not line.startswith("@@")
    ]
    if not lines:
        return
    yield Line("@", visible(diff.after_header or diff.before_header, _WIDTH))
    yield from lines[:MAX_LINES]
    if len(lines) > MAX_LINES:
        yield Line("…", str(len(lines) - MAX_LINES))


def _text(line: str) -> str:
    """Keep the indent, which means something in a configuration file."""
    indent = len(line) - len(line.lstrip(" "))
    return " " * min(indent, 40) + visible(line, _WIDTH)
