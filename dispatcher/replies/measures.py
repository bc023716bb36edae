"""Numbers and dates as people read them, in a language's own notation."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, get_timezone_name
from babel.numbers import format_decimal

from dispatcher.i18n import SOURCE, locale

_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000  # as file managers and storage bills count
# Of day and month in numbers, half of the English readers would take one for the other.
_DAYS = {SOURCE: "dd/MM/yyyy", "en": "d MMM yyyy"}


def number(count: float, language: str) -> str:
    """Return ``1.234`` or ``1,234``."""
    return format_decimal(count, locale=locale(language))


def size(count: float, language: str) -> str:
    """Return bytes as ``410 MB`` or ``1,3 GB``, with a no-break space before the unit."""
    value, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if value < _STEP - 0.5 or unit == _UNITS[-1]:
            break
        value /= _STEP
    return f"{number(round(value, 0 if value >= 100 or unit == 'B' else 1), language)}\u00a0{unit}"  # noqa: PLR2004 - two digits


def duration(seconds: float, language: str) -> str:
    """Return ``1 h 05 min``, ``12 min`` or ``48 s``."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{whole}\u00a0s"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{number(hours, language)}\u00a0h\u00a0{minutes:02}\u00a0min" if hours else f"{minutes}\u00a0min"


def moment(at: datetime, language: str) -> str:
    """Return ``23/11/2026 14:05`` or ``23 Nov 2026 14:05``."""
    return format_datetime(at, f"{_DAYS.get(language, _DAYS[SOURCE])} HH:mm", locale=locale(language))


def day(at: date, language: str) -> str:
    """Return ``23/11`` or ``23 Nov``."""
    pattern = _DAYS.get(language, _DAYS[SOURCE])
    return format_date(at, pattern.rstrip("y").rstrip("/ "), locale=locale(language))


def zone_name(zone: ZoneInfo, language: str) -> str:
    """Return ``Horário de Brasília``; of a zone that is no place's, the name that it has in the settings."""
    if "/" not in zone.key or zone.key.startswith("Etc/"):
        return zone.key
    return get_timezone_name(zone, zone_variant="generic", locale=locale(language))
