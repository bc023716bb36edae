"""Before and after → the lines that a person reads."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dispatcher.runs.report import Diff


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference. ``sign`` is "+", "-", " " or, for a title, "@"."""

    sign: str
    text: str


def rows(diffs: Iterable[Diff]) -> list[Line]:
    """Return the differences as lines, each part under its title."""
    return [line for diff in diffs for line in _part(diff)]


def _part(diff: Diff) -> Iterator[Line]:
    yield Line("@", diff.after_header or diff.before_header)
    lines = difflib.unified_diff(diff.before.splitlines(), diff.after.splitlines(), lineterm="", n=1)
    for line in list(lines)[2:]:
        if not line.startswith("@@"):
            yield Line(line[0], line[1:])
