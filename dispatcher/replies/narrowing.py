"""A difference → what it is about: whatever is somebody else's in a changed file, or secret, becomes "…"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from difflib import SequenceMatcher

HIDDEN = "…"
# No part repeats without an end where another may begin: a line of 200,000 characters is read in one pass.
# What names somebody: a MAC, an IPv4 or IPv6 address or network, a mail address, a telephone number.
_IDENTITY = re.compile(
    r"(?<![0-9a-f:.-])[0-9a-f]{2}([:.-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?![0-9a-f:])"
    r"|(?<![0-9a-f])[0-9a-f]{4}([.:-])[0-9a-f]{4}\2[0-9a-f]{4}(?![0-9a-f])"
    r"|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?(?![\d/])"
    r"|(?<![0-9a-f:])(?:[0-9a-f]{0,4}:){2,7}(?:[0-9a-f]{1,4}|\d{1,3}(?:\.\d{1,3}){3})?(?:/\d+)?(?![0-9a-f:])"
    r"|[^\s,;<>=:]{1,64}@[^\s,;<>=:]+"
    r"|(?<!\d)\d[\d-]{6,}\d(?!\d)",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"""(?:secret|passw|senha|token|pepper|(?:api|private|access|auth)[_.-]?key)[\w.-]{0,64}["']?(?:\s*[=:>]+|\s)""",
    re.IGNORECASE,
)
_SETTING = re.compile(r"\s*(?:[#;]|//)+|[^=#;]*=[>=]?")  # its key, or the mark of a comment
_WORD = re.compile(r"[^\s,;]+")
_MORE = re.compile(rf"{HIDDEN}(?:[\s,;]+{HIDDEN})+")


def narrowed(before: Sequence[str], after: Sequence[str], known: str) -> Iterator[tuple[str, str]]:
    """Yield the sign and the text of each line that is taken out or put in; none that only stands beside it.

    ``known``: the command, whose own values stay readable wherever they stand. Whatever else names somebody
    names somebody else; in a setting or a comment that changes, no word that stays is what changes.
    """
    own = identities(known)
    for _tag, first, last, begin, end in SequenceMatcher(None, before, after).get_opcodes():
        if before[first:last] == after[begin:end]:
            continue
        gone, come = before[first:last], after[begin:end]
        for sign, lines, instead in (("-", gone, come), ("+", come, gone)):
            same = {word for line in instead for word in _WORD.findall(line)}
            for line in lines:
                yield sign, _narrow(line, same, own)


def without(text: str, own: Collection[str]) -> str:
    """Return a text without what names anybody but the command's own."""
    return _IDENTITY.sub(lambda found: found[0] if _name(found[0]) in own else HIDDEN, text)


def identities(text: str) -> set[str]:
    """Return what names somebody in a text, each in one notation."""
    return {_name(found[0]) for found in _IDENTITY.finditer(text)}


def _name(written: str) -> str:
    bare = re.sub("[:.-]", "", written).lower()
    return bare if re.fullmatch("[0-9a-f]{12}", bare) else written.lower()


def _narrow(line: str, same: set[str], own: set[str]) -> str:
    secret = _SECRET.search(line)
    tail = f" {HIDDEN}" if secret else ""
    line = line[: secret.end()] if secret else line
    key = _SETTING.match(line)
    if key and not secret:
        hidden = {word for word in same if not identities(word) & own}
        line = key[0] + _WORD.sub(lambda found: HIDDEN if found[0] in hidden else found[0], line[key.end() :])
    return _MORE.sub(HIDDEN, without(line, own)) + tail
