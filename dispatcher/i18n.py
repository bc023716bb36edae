"""The two languages. Portuguese is written in the source; English is in ``locale/en``.

A catalogue is read from its .po file, which is what people edit; nothing has to be compiled.
"""

from __future__ import annotations

from functools import lru_cache
from gettext import NullTranslations
from io import BytesIO

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from dispatcher.settings import PROJECT

SOURCE = "pt_BR"
LANGUAGES = (SOURCE, "en")
FOLDER = PROJECT / "locale"


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark a text for translation where it is not shown yet."""
    return text


@lru_cache
def translations(language: str) -> NullTranslations:
    """Return the catalogue of a language; of an unknown one the source's."""
    path = FOLDER / language / "LC_MESSAGES" / "athome.po"
    if language == SOURCE or not path.is_file():
        return _Source()
    compiled = BytesIO()
    with path.open("rb") as stream:
        write_mo(compiled, read_po(stream, locale=language))
    compiled.seek(0)
    return Translations(compiled)


class _Source(NullTranslations):
    """The source language's texts stand for themselves."""

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return the singular for 0 and 1, as Brazilians say it."""
        return msgid1 if n in (0, 1) else msgid2


def locale(language: str) -> Locale:
    """Return how a language writes numbers, dates and lists."""
    return Locale.parse(language if language in LANGUAGES else SOURCE)
