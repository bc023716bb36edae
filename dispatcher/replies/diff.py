"""Before and after → the lines that a person reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dispatcher.i18n import N_, translations
from dispatcher.replies.narrowing import identities, narrowed, without
from dispatcher.replies.visible import visible
from dispatcher.runs.report import Diff

MAX_LINES = 40  # of one thing; more than that nobody reads on a phone
_WIDTH = 300  # characters of a line
_READ = 200_000  # characters of a text that are compared
# What fail2ban_access says of what is in no file, in its own words; a file's lines stay as they are.
_MEMORY = "bans and run-time whitelist of "
_STANDING = re.compile(r"(?P<jail>.+): (?P<ban>(?:not )?banned), (?P<entry>(?:not )?whitelisted)")
_WORDS = {
    "banned": N_("bloqueado"),
    "not banned": N_("não bloqueado"),
    "whitelisted": N_("liberado"),
    "not whitelisted": N_("não liberado"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference. ``sign`` is "+", "-", for a title "@", for what is left out "…"."""

    sign: str
    text: str


def rows(diffs: Iterable[Diff], language: str, known: str = "") -> list[Line]:
    """Return the differences as lines, each part under its title, as far as they are about ``known``."""
    return [_said(line, diff, language) for diff in diffs for line in _part(diff, known)]


def first(lines: Sequence[Line], most: int) -> tuple[Line, ...]:
    """Return so many lines, and how many there are besides."""
    rest = sum(int(line.text) if line.sign == "…" else 1 for line in lines[most:])
    return (*lines[:most], Line("…", str(rest))) if rest else tuple(lines)


def _said(line: Line, diff: Diff, language: str) -> Line:
    """Return a line that a module of ours has written in the reader's language."""
    if not diff.after_header.startswith(_MEMORY):
        return line
    gettext = translations(language).gettext
    if line.sign == "@":
        address = line.text.removeprefix(_MEMORY)
        return Line(line.sign, gettext(N_("bloqueios e liberações em memória de {0}")).format(address))
    if found := _STANDING.fullmatch(line.text):
        ban, entry = (gettext(_WORDS[found[name]]) for name in ("ban", "entry"))
        return Line(line.sign, f"{found['jail']}: {ban}, {entry}")
    return line


def _part(diff: Diff, known: str) -> Iterator[Line]:
    before, after = diff.before[:_READ].splitlines(), diff.after[:_READ].splitlines()
    lines = [Line(sign, _text(text)) for sign, text in narrowed(before, after, known)]
    if not lines:
        return
    title = diff.after_header or diff.before_header
    yield Line("@", visible(without(title, identities(known)), _WIDTH))
    yield from lines[:MAX_LINES]
    if len(lines) > MAX_LINES:
        yield Line("…", str(len(lines) - MAX_LINES))


def _text(line: str) -> str:
    """Keep the indent, which means something in a configuration file."""
    indent = len(line) - len(line.lstrip(" "))
    return " " * min(indent, 40) + visible(line, _WIDTH)
