"""Text that somebody else wrote → text that is shown as what it is.

Escaping keeps such a text from becoming HTML. This keeps it from reordering, hiding or overprinting what
stands around it, in HTML, plain text and terminals alike.
"""

from __future__ import annotations

import re
import unicodedata

# Control, format (bidi, zero width), surrogate, private use; what separates lines becomes a space before.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co"})
_GAPS = re.compile(r"[\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
_MARKS = 2  # combining characters on one letter; Vietnamese needs two, a tower of them covers other lines


def visible(text: str, limit: int = 400) -> str:
    """Return one line without control, format and stacked combining characters, at most ``limit`` long."""
    kept: list[str] = []
    marks = 0
    for character in _GAPS.sub(" ", text[: 4 * limit]):
        category = unicodedata.category(character)
        if category in _INVISIBLE:
            continue
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks <= _MARKS and not (character == " " and kept[-1:] == [" "]):
            kept.append(character)
    shown = "".join(kept).strip(" ")
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip(" ") + "…"


def legible(text: str) -> str:
    """Return a whole mail's text without control and format characters; its lines stay."""
    unseen = {ord(one): None for one in set(text) - {"\n"} if unicodedata.category(one) in _INVISIBLE}
    return text.translate(unseen)
