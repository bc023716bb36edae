"""A date, or a date and a time, as people type it → the wall time of a place.

A window has a start and an end, each to the minute, and both belong to it: an end of 23:59 includes the last
second of that minute.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

from dispatcher.commands.fields import refuse

_TIME = r"(?:(?: |T)(?P<hour>\d{1,2}):(?P<minute>\d{2}))?"
_NOTATIONS = tuple(
    re.compile(day + _TIME, re.ASCII | re.IGNORECASE)
    for day in (
        r"(?P<day>\d{1,2})/(?P<month>\d{1,2})/(?P<year>\d{4})",
        r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})",
    )
)
_YEARS = range(2000, 2100)
_MINUTE = timedelta(minutes=1)
_LONGEST_GAP = 2 * 24 * 60  # minutes: Samoa once left out a whole day
_LAST = time(23, 59)


def moment(text: str, zone: ZoneInfo, *, end: bool) -> datetime:
    """Return the naive wall time in the zone. Without a time it is the day's first minute, or its last.

    Raises PydanticCustomError.
    """
    if not text:
        raise refuse("field.empty")
    found = _read(text)
    if found is None:
        raise _unreadable(text, zone, end=end)
    return _existing(found, zone, end=end)


def written(at: datetime) -> str:
    """Return ``01/11/2025 00:00``, which reads back as the same."""
    return at.strftime("%d/%m/%Y %H:%M")


def exists(at: datetime, zone: ZoneInfo) -> bool:
    """Whether the zone's clocks ever showed this: daylight saving leaves out an hour."""
    return instant(at, zone).astimezone(zone).replace(tzinfo=None) == at


def instant(at: datetime, zone: ZoneInfo) -> datetime:
    """Return the wall time as an instant; of two the first."""
    return at.replace(tzinfo=zone).astimezone(timezone.utc)


def _read(text: str) -> re.Match[str] | None:
    squeezed = " ".join(text.split())
    found = next(filter(None, (notation.fullmatch(squeezed) for notation in _NOTATIONS)), None)
    return found if found and int(found["year"]) in _YEARS else None


def _existing(found: re.Match[str], zone: ZoneInfo, *, end: bool) -> datetime:
    year, month, day = (int(found[name]) for name in ("year", "month", "day"))
    has_time = found["hour"] is not None
    hour, minute = (int(found["hour"]), int(found["minute"])) if has_time else (0, 0)
    if not 1 <= month <= 12:  # noqa: PLR2004 - the months of a year
        raise refuse("moment.no_such_month", month=str(month))
    last = calendar.monthrange(year, month)[1]
    if not 1 <= day <= last:
        clock = f" {hour:02}:{minute:02}" if has_time and hour < 24 and minute < 60 else ""  # noqa: PLR2004
        near = f"{last:02}/{month:02}/{year}{clock}" if day else None
        raise refuse("moment.no_such_day", suggestion=_valid(near, zone, end=end), last=str(last))
    the_day = date(year, month, day)
    if (hour, minute) == (24, 0):
        raise refuse("moment.midnight", suggestion=_around_midnight(the_day, zone, end=end))
    try:
        clock_time = time(hour, minute) if has_time else _LAST if end else time.min
    except ValueError:
        raise refuse("moment.no_such_time", suggestion=_around_midnight(the_day, zone, end=end)) from None
    at = datetime.combine(the_day, clock_time)
    if exists(at, zone):
        return at
    near_at = _beside_gap(at, zone, end=end)
    if not has_time and near_at.date() == the_day:  # the day begins an hour late: it is the day all the same
        return near_at
    raise refuse("moment.skipped", suggestion=written(near_at), zone=zone.key)


def _around_midnight(day: date, zone: ZoneInfo, *, end: bool) -> str | None:
    """Return the day's last minute for an end, else the next day's first."""
    near = datetime.combine(day, _LAST)
    return _valid(written(near if end else near + _MINUTE), zone, end=end)


def _beside_gap(at: datetime, zone: ZoneInfo, *, end: bool) -> datetime:
    """Return the nearest wall time that exists and bounds the same window: before an end, after a start."""
    step = -_MINUTE if end else _MINUTE
    for _ in range(_LONGEST_GAP):
        at += step
        if exists(at, zone):
            break
    return at


def _unreadable(text: str, zone: ZoneInfo, *, end: bool) -> PydanticCustomError:
    words = text.split()
    for count in range(len(words) - 1, 0, -1):
        if near := _valid(" ".join(words[:count]), zone, end=end):
            rest = " ".join(words[count:])
            if re.match(r"\D*$", rest):  # a rest with digits may be a time: it is never dropped unread
                return refuse("field.extra_text", suggestion=near, text=rest[:80])
    return refuse("moment.invalid", suggestion=_nearest(" ".join(words), zone, end=end))


def _nearest(text: str, zone: ZoneInfo, *, end: bool) -> str | None:
    """Undo the slips of a thumb: other signs, a year of two digits, seconds, ``14h30``."""
    candidate = re.sub(r"[,;]|\b(?:as|at)\b", " ", text.strip(" ,;."), flags=re.IGNORECASE)
    candidate = re.sub(r"^(\d{1,2})[-. ](\d{1,2})[-. ](\d{2,4})\b", r"\1/\2/\3", candidate)
    candidate = re.sub(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})\b", r"\3/\2/\1", candidate)
    candidate = re.sub(r"^(\d{4})-(\d{1,2})-(\d{1,2})\b", r"\3/\2/\1", candidate)
    candidate = re.sub(r"^(\d{1,2}/\d{1,2}/)(\d{2})\b(?!\d)", r"\g<1>20\2", candidate)
    candidate = re.sub(r"\b(\d{1,2})[h.](\d{2})(?:m|min)?$", r"\1:\2", candidate, flags=re.IGNORECASE)
    candidate = re.sub(r"\b(\d{1,2})h$", r"\1:00", candidate, flags=re.IGNORECASE)
    candidate = re.sub(r"(\d{1,2}:\d{2}):\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?$", r"\1", candidate)
    candidate = re.sub(r"^(\d{1,2}/\d{1,2}/\d{4})-", r"\1 ", candidate)
    return _valid(candidate, zone, end=end)


def _valid(text: str | None, zone: ZoneInfo, *, end: bool) -> str | None:
    try:
        return written(moment(text, zone, end=end)) if text and _read(text) else None
    except PydanticCustomError:
        return None
