"""A MAC address as people type it, or none at all."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from dispatcher.commands.fields import refuse

_PLAIN = re.compile("[0-9a-f]{12}")
_SEPARATOR = re.compile("[ :.-]")
_STRANGE = re.compile("[^0-9A-Fa-f :.-]")
_LOOK_ALIKE = str.maketrans("OoIilL", "001111")
_AROUND = " ,;:.-()<>[]'\""
_NOBODY = {12 * "0": "mac.all_zeros", 12 * "f": "mac.all_ones"}


def _mac(text: str | None) -> str | None:
    """Accept any notation; return 12 lower-case hex digits, None for an empty text."""
    if not text:
        return None
    digits = _digits(text)
    if not _PLAIN.fullmatch(digits):
        raise _no_mac(text, digits)
    if digits in _NOBODY:
        raise refuse(_NOBODY[digits])
    return digits


def _digits(text: str) -> str:
    return _SEPARATOR.sub("", text).lower()


def _no_mac(text: str, digits: str) -> PydanticCustomError:
    words = text.split()
    for end in range(len(words) - 1, 0, -1):
        rest = " ".join(words[end:])
        if _STRANGE.search(rest) and (near := _valid(" ".join(words[:end]))):
            return refuse("field.extra_text", suggestion=near, text=rest[:80])
    if strange := _STRANGE.search(text):
        return refuse("mac.character", suggestion=_nearest(text), character=strange[0])
    return refuse("mac.invalid", suggestion=_nearest(text), count=str(len(digits)))


def _nearest(text: str) -> str | None:
    """Undo the slips of a thumb: letters that look like digits, signs around, leading zeros left out."""
    candidate = text.translate(_LOOK_ALIKE).strip(_AROUND)
    groups = _SEPARATOR.split(candidate)
    if len(groups) == 6 and all(groups):  # noqa: PLR2004 - one for each byte
        candidate = "".join(group.rjust(2, "0") for group in groups)
    return _valid(candidate)


def _valid(text: str) -> str | None:
    digits = _digits(text)
    return digits if _PLAIN.fullmatch(digits) and digits not in _NOBODY else None


Mac = Annotated[str | None, BeforeValidator(_mac)]
