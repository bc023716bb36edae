"""Every server's result as a table for a spreadsheet, where a mail would get too long."""

from __future__ import annotations

import csv as csv_module
from io import StringIO

from dispatcher.i18n import N_, translations
from dispatcher.replies.result import View

_TITLES = (N_("Servidor"), N_("Resultado"), N_("O que aconteceu"), N_("Avisos"))
_FORMULA = ("=", "+", "-", "@")  # what a spreadsheet would calculate instead of showing


def csv(view: View, language: str) -> bytes:
    """Return the table as UTF-8 with a byte order mark, without which Excel takes it for Latin-1."""
    gettext = translations(language).gettext
    stream = StringIO()
    writer = csv_module.writer(stream, delimiter=";")  # Excel's separator where the comma is decimal
    writer.writerow([gettext(title) for title in _TITLES])
    for row in view.servers:
        writer.writerow([_data(cell) for cell in (row.name, row.label, row.said, " | ".join(row.notices))])
    return stream.getvalue().encode("utf-8-sig")


def _data(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
