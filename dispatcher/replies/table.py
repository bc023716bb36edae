"""Tables for a spreadsheet, of what would make a mail too long."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from babel.numbers import get_decimal_symbol

from dispatcher.i18n import N_, locale, translations
from dispatcher.mail.sender import ROLES
from dispatcher.replies.recordings import Recordings
from dispatcher.replies.result import View

_SERVERS = (N_("Servidor"), N_("Resultado"), N_("O que aconteceu"), N_("Avisos"))
_CHANGES = (N_("Servidores"), N_("Mudança"), N_("Linha"))
_SIGNS = {"@": N_("onde"), "-": N_("sai"), "+": N_("entra")}
_RECORDINGS = (N_("Ramal"), N_("Dia"), N_("Gravações"))
_SENDERS = (N_("Endereço"), N_("Papel"), N_("Comandos"))
_DAYS = {True: "%d/%m/%Y", False: "%Y-%m-%d"}  # what a spreadsheet takes for a date
_FORMULA = ("=", "+", "-", "@")  # what a spreadsheet would calculate instead of showing


def servers(view: View, language: str) -> bytes:
    """Return every server's result."""
    rows = ((row.name, row.label, row.said, " | ".join(row.notices)) for row in view.servers)
    return _csv(_SERVERS, rows, language)


def changes(view: View, language: str) -> bytes:
    """Return what would change, line by line."""
    signs = {sign: translations(language).gettext(words) for sign, words in _SIGNS.items()}
    rows = (
        (one.servers, signs.get(line.sign, line.sign), line.text)
        for one in view.changes
        for line in one.lines
    )
    return _csv(_CHANGES, rows, language)


def recordings(shown: Recordings, language: str) -> bytes:
    """Return how many recordings there are of each extension on each day."""
    rows = (
        (one.extension, f"{day:{_DAYS[_comma(language)]}}" if day else "", str(count))
        for one in shown.found
        for day, count in one.counts or ((None, 0),)
    )
    return _csv(_RECORDINGS, rows, language)


def senders(listed: Sequence[Mapping[str, Any]], language: str) -> bytes:
    """Return everybody who may send commands."""
    roles = {role: translations(language).gettext(role) for role in ROLES}
    rows = ((one["address"], roles[one["role"]], " ".join(one["commands"] or ())) for one in listed)
    return _csv(_SENDERS, rows, language)


def _csv(titles: Sequence[str], rows: Iterable[Sequence[str]], language: str) -> bytes:
    """Return UTF-8 with a byte order mark, without which Excel takes it for Latin-1."""
    gettext = translations(language).gettext
    stream = StringIO()
    writer = csv.writer(stream, delimiter=";" if _comma(language) else ",")  # as Excel reads it
    writer.writerow([gettext(title) for title in titles])
    writer.writerows([_data(cell) for cell in row] for row in rows)
    return stream.getvalue().encode("utf-8-sig")


def _comma(language: str) -> bool:
    """Whether the decimal sign is a comma: then Excel separates by semicolons."""
    return get_decimal_symbol(locale(language)) == ","


def _data(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
