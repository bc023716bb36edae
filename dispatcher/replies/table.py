"""Tables for a spreadsheet, of what would make a mail too long."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from dispatcher.i18n import N_, translations
from dispatcher.replies.recordings import Recordings
from dispatcher.replies.result import View

_SERVERS = (N_("Servidor"), N_("Resultado"), N_("O que aconteceu"), N_("Avisos"))
_RECORDINGS = (N_("Ramal"), N_("Dia"), N_("Gravações"))
_SENDERS = (N_("Endereço"), N_("Papel"), N_("Comandos"))
_FORMULA = ("=", "+", "-", "@")  # what a spreadsheet would calculate instead of showing


def servers(view: View, language: str) -> bytes:
    """Return every server's result."""
    rows = ((row.name, row.label, row.said, " | ".join(row.notices)) for row in view.servers)
    return _csv(_SERVERS, rows, language)


def recordings(shown: Recordings, language: str) -> bytes:
    """Return how many recordings there are of each extension on each day."""
    rows = (
        (one.extension, f"{day:%d/%m/%Y}" if day else "", str(count))
        for one in shown.found
        for day, count in one.counts or ((None, 0),)
    )
    return _csv(_RECORDINGS, rows, language)


def senders(listed: Sequence[Mapping[str, Any]], language: str) -> bytes:
    """Return everybody who may send commands."""
    rows = ((one["address"], one["role"], " ".join(one["commands"] or ())) for one in listed)
    return _csv(_SENDERS, rows, language)


def _csv(titles: Sequence[str], rows: Iterable[Sequence[str]], language: str) -> bytes:
    """Return UTF-8 with a byte order mark, without which Excel takes it for Latin-1."""
    gettext = translations(language).gettext
    stream = StringIO()
    writer = csv.writer(stream, delimiter=";")  # Excel's separator where the comma is decimal
    writer.writerow([gettext(title) for title in titles])
    writer.writerows([_data(cell) for cell in row] for row in rows)
    return stream.getvalue().encode("utf-8-sig")


def _data(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
