"""Encoded words (RFC 2047) → text, strictly, in time linear in the length."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
import unicodedata

# What mail programs write for Portuguese and English. UTF-7 and the stateful ones can hide text.
CHARSETS = frozenset({"utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252"})

_SPACES = re.compile(r"( +)")
_WORD = re.compile(r"=\?([A-Za-z0-9-]+)(?:\*[A-Za-z0-9-]+)?\?([BbQq])\?([!->@-~]*)\?=")
_QUOTED = re.compile(r"(?:[^=]|=[0-9A-Fa-f]{2})*")
# Control, format (zero width, bidi), surrogate, private use, line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def decode(value: str) -> str:
    """Return the text of an unstructured field that has been unfolded.

    A word counts as encoded only when it stands alone between spaces, as RFC 2047 wants it; any other stays
    as it is written. Raises ValueError for an unknown character set, broken coding, and characters that a
    person cannot see. None of these is repaired: what was meant can only be guessed.
    """
    text: list[str] = []
    after_encoded, gap = False, ""
    for part in _SPACES.split(value):
        if not part:
            continue
        if part[0] == " ":
            gap = part
            continue
        encoded = _WORD.fullmatch(part)
        if not (encoded and after_encoded):  # the space between two encoded words is not text
            text.append(gap)
        text.append(_decoded(*encoded.groups()) if encoded else part)
        after_encoded, gap = bool(encoded), ""
    decoded = "".join(text).strip(" ")
    for character in decoded:
        if unicodedata.category(character) in _INVISIBLE:
            raise ValueError(f"the invisible character U+{ord(character):04X}")
    return decoded


def _decoded(charset: str, encoding: str, coded: str) -> str:
    if charset.lower() not in CHARSETS:
        raise ValueError("a character set that is not accepted")
    if encoding in "Qq" and not _QUOTED.fullmatch(coded):
        raise ValueError("an encoded word that does not decode")
    try:
        if encoding in "Bb":
            content = base64.b64decode(coded, validate=True)
        else:
            content = quopri.decodestring(coded.encode("ascii"), header=True)
        return content.decode(charset)
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("an encoded word that does not decode") from None
