"""Times as people write them at the shell: how long, ``90d``, or when, ``31/12/2026 18:00``."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from datetime import datetime, tzinfo

import click

from dispatcher.cli.show import language

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"([0-9]{1,5})([mhdw])")
_DAYS = {"[0-9]{4}-[0-9]{2}-[0-9]{2}": "%Y-%m-%d", "[0-9]{2}/[0-9]{2}/[0-9]{4}": "%d/%m/%Y"}
_CLOCKS = {"": "", " [0-9]{2}:[0-9]{2}": " %H:%M", " [0-9]{2}:[0-9]{2}:[0-9]{2}": " %H:%M:%S"}
_DATES = {day + clock: days + clocks for day, days in _DAYS.items() for clock, clocks in _CLOCKS.items()}


def duration(value: str) -> float:
    """Return the seconds of ``0`` or a number with its unit; for click, as an option's type."""
    if (seconds := _duration(value)) is None:
        words = language().gettext("{0!r} não é um prazo. Exemplos: 0, 30m, 12h, 90d, 2w.")
        raise click.BadParameter(words.format(value))
    return seconds


def when(value: str) -> str:
    """Return the text itself if it is a moment; for click. What it means depends on the settings' zone."""
    if _duration(value) is None and _date(value) is None:
        words = language().gettext(
            "{0!r} não é um prazo nem uma data. Exemplos: 12h, 90d, 2026-12-31, 31/12/2026 18:00."
        )
        raise click.BadParameter(words.format(value))
    return value


def ahead(text: str, zone: tzinfo) -> float:
    """Return a moment to come (UTC, seconds since 1970): so long from now, or the end of that day."""
    if (seconds := _duration(text)) is not None:
        return time.time() + seconds
    return _at(text, zone) + (86400 if len(text) == len("2026-12-31") else 0)


def ago(text: str, zone: tzinfo) -> float:
    """Return a moment gone by (UTC, seconds since 1970): so long ago, or the start of that day."""
    if (seconds := _duration(text)) is not None:
        return time.time() - seconds
    return _at(text, zone)


def shown(seconds: float | None, zone: tzinfo) -> str:
    """Return a moment as people read it, a dash for none."""
    return f"{datetime.fromtimestamp(seconds, tz=zone):%d/%m/%Y %H:%M}" if seconds is not None else "—"


def _at(text: str, zone: tzinfo) -> float:
    date = _date(text)
    if date is None:
        raise ValueError(text)
    return date.replace(tzinfo=zone).timestamp()


def _duration(text: str) -> float | None:
    if text == "0":
        return 0.0
    found = _DURATION.fullmatch(text)
    return float(found.group(1)) * _UNITS[found.group(2)] if found else None


def _date(text: str) -> datetime | None:
    with suppress(ValueError):  # 31/02, say
        for shape, pattern in _DATES.items():
            if re.fullmatch(shape, text):
                return datetime.strptime(text, pattern)  # noqa: DTZ007 - in the settings' zone, added later
    return None
