"""Raw bytes of a mail → the header fields that decide, read strictly; the body is never looked at.

The standard library's parsers repair what is broken and take the first of several: a gift to whoever forges.
Here a mail is either plain in one reading only, or it is malformed. Every value is capped before it meets a
regular expression, and each expression is linear.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from dispatcher.mail.address import normalise
from dispatcher.mail.words import decode

MAX_HEADER = 64 * 1024  # bytes of the whole header section
MAX_FIELDS = 300
MAX_VALUE = 998  # bytes of a field that decides
MAX_REFERENCES = 20

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_NAME = re.compile(rb"[!-9;-~]+")  # RFC 5322 ftext
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
# A display name: atoms (dots and accents as people have them) and quoted strings; no comment, no address.
_DISPLAY_NAME = re.compile(
    r'(?:[^\x00-\x08\x0a-\x1f\x7f"(),:;<>@\[\]\\]|"(?:[^\x00-\x1f\x7f"\\]|\\[ -~])*")*'
)
_DATE = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ?)?([0-9]{1,2}) ([A-Z][a-z]{2}) ((?:19|20)[0-9]{2})"
    r" ([0-9]{2}):([0-9]{2})(?::([0-9]{2}))? (?:([+-])([0-9]{2})([0-9]{2})|GMT|UTC?|Z)"
    r"(?: ?\([A-Za-z0-9 +-]*\))?"
)


class MalformedMessage(ValueError):  # noqa: N818 - a verdict on somebody's mail, not a fault of ours
    """The mail's header cannot be read in one way only; the text says where (and repeats none of it)."""


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A mail as the server has it. ``raw`` is the header section alone when ``size`` is over the limit."""

    folder: str
    uidvalidity: int
    uid: int
    internaldate: datetime  # arrival, UTC
    size: int  # bytes of the whole mail
    raw: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """The header of a mail, read. ``sender`` is a claim until admission has authenticated it."""

    sender: str  # address of From, lower case, domain in ASCII
    subject: str  # decoded, one line without control and format characters; may be empty
    message_id: str  # with its angle brackets
    date: datetime  # UTC
    references: str  # Message-IDs of the thread, separated by spaces; "" when there are none
    fields: tuple[tuple[bytes, bytes], ...]  # (name in lower case, unfolded value), from the top

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of all fields of this name (lower case), from the top."""
        return [value for field, value in self.fields if field == name]


def parse(raw: RawMessage) -> Message:
    """Read the header section. Raises MalformedMessage, and nothing else whatever the bytes."""
    fields = _fields(raw.raw)
    _the_one(fields, b"to")  # what a signature over To is worth depends on there being one
    return Message(
        sender=_address(_text(_the_one(fields, b"from"), "From")),
        subject=_subject(_the_one(fields, b"subject", default=b"")),
        message_id=_message_id(_text(_the_one(fields, b"message-id"), "Message-ID")),
        date=_date(_text(_the_one(fields, b"date"), "Date")),
        references=_references(fields),
        fields=fields,
    )


def _fields(raw: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Split into unfolded fields. Lines end in CR LF, as IMAP gives them; anything else is ambiguous."""
    framed = b"\r\n" + raw[: MAX_HEADER + 1]
    end = framed.find(b"\r\n\r\n")
    section = framed[2:] if end < 0 else framed[2 : end + 2]
    if len(section) > MAX_HEADER:
        raise MalformedMessage(f"the header is longer than {MAX_HEADER} bytes")
    if b"\0" in section:
        raise MalformedMessage("a NUL in the header")
    lines = section.split(b"\r\n")
    if lines.pop():
        raise MalformedMessage("the header's last line has no end")
    fields: list[tuple[bytes, list[bytes]]] = []
    for line in lines:
        if b"\r" in line or b"\n" in line:
            raise MalformedMessage("a bare CR or LF in the header")
        if line[:1] in (b" ", b"\t"):
            if not fields:
                raise MalformedMessage("the header starts with a continuation line")
            fields[-1][1].append(line)
            continue
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name):
            raise MalformedMessage("a line of the header is no field")
        fields.append((name.lower(), [value]))
        if len(fields) > MAX_FIELDS:
            raise MalformedMessage(f"more than {MAX_FIELDS} header fields")
    return tuple((name, b"".join(parts).strip(b" \t")) for name, parts in fields)


def _the_one(fields: tuple[tuple[bytes, bytes], ...], name: bytes, default: bytes | None = None) -> bytes:
    """Return the only value of a field: of two, one would be signed and the other one shown."""
    found = [value for field, value in fields if field == name]
    shown = name.decode().title()
    if not found and default is not None:
        return default
    if len(found) != 1:
        raise MalformedMessage(f"{len(found)} {shown} fields instead of one")
    if len(found[0]) > MAX_VALUE and name != b"to":
        raise MalformedMessage(f"{shown} is longer than {MAX_VALUE} bytes")
    return found[0]


def _text(value: bytes, name: str) -> str:
    """Decode UTF-8 (RFC 6532; ASCII is a part of it); a tab that a fold brought along counts as a space."""
    try:
        return value.decode("utf-8").replace("\t", " ")
    except UnicodeDecodeError:
        raise MalformedMessage(f"{name} is neither ASCII nor UTF-8") from None


def _address(value: str) -> str:
    """Return the one address of From: ``user@host`` or ``display name <user@host>``."""
    display_name, bracket, rest = value.rpartition("<")
    if bracket:
        if not rest.endswith(">") or not _DISPLAY_NAME.fullmatch(display_name):
            raise MalformedMessage("From is not one plain address")
        value = rest[:-1]
    try:
        return normalise(value)
    except ValueError as error:
        raise MalformedMessage(f"From: {error}") from None


def _subject(value: bytes) -> str:
    try:
        return decode(_text(value, "Subject"))
    except ValueError as error:
        raise MalformedMessage(f"Subject: {error}") from None


def _message_id(value: str) -> str:
    if not _MESSAGE_ID.fullmatch(value):
        raise MalformedMessage("Message-ID is not one <left@right>")
    return value


def _date(value: str) -> datetime:
    found = _DATE.fullmatch(" ".join(value.split()))
    if not found:
        raise MalformedMessage("Date is not a date of RFC 5322")
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    try:
        offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
        date = datetime(
            int(year), MONTHS.index(month) + 1, int(day), int(hour), int(minute),
            59 if second == "60" else int(second or 0), tzinfo=zone,  # 60: a leap second
        )  # fmt: skip
        return date.astimezone(timezone.utc)
    except ValueError:
        raise MalformedMessage("Date does not exist") from None


def _references(fields: tuple[tuple[bytes, bytes], ...]) -> str:
    """Return the thread's Message-IDs. They only thread a reply: what is odd is left out, not refused."""
    words = [
        word.decode("ascii", "replace")
        for name, value in fields
        if name == b"references"
        for word in value.split()
    ]
    known = [word for word in words if len(word) <= MAX_VALUE and _MESSAGE_ID.fullmatch(word)]
    return " ".join(known[-MAX_REFERENCES:])
