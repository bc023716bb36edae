"""Before and after → the lines that a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
_WORDS = {
    _MEMORY: N_("bloqueios e liberações em memória de "),
    "banned in:": N_("bloqueado em:"),
    "whitelisted in:": N_("liberado em:"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference. ``sign`` is "+", "-", for a title "@", for what is left out "…"."""

    sign: str
    text: str


def rows(diffs: Iterable[Diff], language: str, known: str = "") -> list[Line]:
    """Return the differences as lines, each part under its title, as far as they are about ``known``."""
    return [_said(line, diff, language) for diff in diffs for line in _part(diff, known)]


def _said(line: Line, diff: Diff, language: str) -> Line:
    """Return a line that a module of ours has written in the reader's language."""
    if diff.after_header.startswith(_MEMORY):
        for words, said in _WORDS.items():
            if line.text.startswith(words):
                return Line(line.sign, translations(language).gettext(said) + line.text[len(words) :])
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
