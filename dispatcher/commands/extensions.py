"""A list of extensions as people type it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic_core import PydanticCustomError

from dispatcher.commands.fields import refuse

_ONE = re.compile("[0-9]{1,10}")
_BETWEEN = re.compile(r"[\s,;]+")
_WORD_BETWEEN = re.compile(r"\s+(?:e|and)\s+|[./&+|]", re.IGNORECASE)  # what people write instead
_RANGE = re.compile(r"([0-9]{1,10})\s*(?:-|\s(?:a|ate|to)\s|\.\.+)\s*([0-9]{1,10})", re.IGNORECASE)
_LENGTH = 850  # characters of a list: the rest of a subject's 998 is for the other fields


def extension_list(text: str, *, most: int) -> tuple[str, ...]:
    """Return the extensions in order, each once, at most ``most``. Raises PydanticCustomError."""
    if _RANGE.search(text):
        raise _refusal("extensions.range", _readable(_RANGE.sub(_every, text)), most)
    items = _items(text)
    if not items:
        raise refuse("field.empty")
    if wrong := [item for item in items if not _ONE.fullmatch(item)]:
        shown = ", ".join(dict.fromkeys(wrong))[:80]
        raise _refusal("extensions.invalid", _readable(text), most, wrong=shown)
    unique = sorted(set(items))
    if len(unique) < len(items):
        twice = ", ".join(item for item in unique if items.count(item) > 1)[:80]
        raise _refusal("extensions.duplicate", unique, most, duplicates=twice)
    if len(_fitting(unique, most)) < len(unique):
        raise _refusal("extensions.too_many", unique, most)
    return tuple(unique)


def _items(text: str) -> list[str]:
    return [item for item in _BETWEEN.split(text) if item]


def _readable(text: str) -> list[str]:
    """Return the extensions in a text with something else in it, such as ``SIP/1121 e 1122``."""
    parts = (re.findall("[0-9]+", item) for item in _items(_WORD_BETWEEN.sub(" ", text)))
    return [numbers[0] for numbers in parts if len(numbers) == 1 and _ONE.fullmatch(numbers[0])]


def _every(found: re.Match[str]) -> str:
    """Return ``1121 1122 1123`` for ``1121-1123``; its two ends when that is no range to count through."""
    first, last = found[1], found[2]
    size = int(last) - int(first) + 1
    if len(first) != len(last) or not 0 < size <= 10 * _LENGTH:
        return f" {first} {last} "
    return " " + " ".join(str(int(first) + step).zfill(len(first)) for step in range(size)) + " "


def _refusal(code: str, meant: Sequence[str], most: int, **data: str) -> PydanticCustomError:
    """Offer what was meant. When that is more than one command may have, it is this that has to be said."""
    unique = sorted(set(meant))
    fitting = _fitting(unique, most)
    if len(fitting) < len(unique):
        code, data = "extensions.too_many", {"count": str(len(unique)), "limit": str(len(fitting))}
    return refuse(code, suggestion=",".join(fitting) or None, **data)


def _fitting(items: Sequence[str], most: int) -> list[str]:
    """Return as many of them as one subject may have."""
    kept, length = [], 0
    for item in items[:most]:
        length += len(item) + 1
        if length > _LENGTH:
            break
        kept.append(item)
    return kept
