"""Codes → sentences. What is put into them is text, whatever it looks like."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from babel.lists import format_list

from dispatcher.i18n import N_, locale, translations
from dispatcher.replies.codes import AREAS, undo
from dispatcher.replies.codes.entry import Entry
from dispatcher.replies.codes.problems import PROBLEMS
from dispatcher.replies.measures import moment, number, size
from dispatcher.replies.visible import visible

# In a headline, the first of these codes that occurs speaks for all servers with the same outcome.
RESULTS: dict[str, Entry] = {code: entry for area in AREAS for code, entry in area.RESULTS.items()}
NOTICES: dict[str, Entry] = {code: entry for area in AREAS for code, entry in area.NOTICES.items()}
ENTRIES: dict[str, Entry] = RESULTS | NOTICES | PROBLEMS | undo.REFUSALS

_UNKNOWN = N_("O servidor respondeu com o código {code}.")
_NOT_GIVEN = N_("(não informado)")
_NO_MAC = N_("nenhum")
_MAC = re.compile(r"\b[0-9a-f]{12}\b")


def sentence(
    code: str, data: Mapping[str, Any], language: str, *, check: bool = False, privileged: bool = False
) -> str:
    """Return what the code means, with the data in it; a neutral sentence when the code is not known.

    Only to a ``privileged`` reader it also says what is confidential.
    """
    kind = data.get("what") or data.get("reason")
    entry = ENTRIES.get(f"{code}.{kind}", ENTRIES.get(code))
    if entry is None:
        return fill(_UNKNOWN, {"code": code}, language)
    said = fill(entry.would if check and entry.would else entry.text, data, language)
    if privileged and entry.confidential:
        said += " " + fill(entry.confidential, data, language)
    return said


def advice(code: str, language: str) -> str | None:
    """Return what to do next about a result, if there is something to do."""
    entry = ENTRIES.get(code)
    return translations(language).gettext(entry.advice) if entry and entry.advice else None


def invented(fields: Sequence[str], language: str) -> str:
    """Return the warning about a corrected subject whose fields have an example's value."""
    said = translations(language).ngettext(
        "Em {fields} está um valor de exemplo: troque-o pelo verdadeiro antes de enviar.",
        "Em {fields} estão valores de exemplo: troque-os pelos verdadeiros antes de enviar.",
        len(fields),
    )
    return said.format(fields=enumeration(fields, language))


def fill(text: str, data: Mapping[str, Any], language: str) -> str:
    """Translate the text and put the data's values in. A value is text, whatever it looks like."""
    gettext = translations(language).gettext
    values = {name: _Value(value, _words(value, language), language) for name, value in data.items()}
    return gettext(text).format_map(_Values(values, _Missing(gettext(_NOT_GIVEN), gettext(_NO_MAC))))


def enumeration(items: Sequence[str], language: str) -> str:
    """Return ``a, b e c``."""
    return format_list([visible(item) for item in items], locale=locale(language))


def _words(value: Any, language: str) -> str:
    if isinstance(value, Mapping):  # such as a file and what it says
        nothing = translations(language).gettext(_NO_MAC)
        return ": ".join(visible(str(item)) or nothing for item in value.values())
    if isinstance(value, (list, tuple)):
        return enumeration([_words(item, language) for item in value], language)
    return "" if value is None else visible(str(value))


class _Value:
    """A value in a sentence, which may ask for it in one of the ways that ``codes/entry.py`` names."""

    def __init__(self, value: Any, text: str, language: str) -> None:
        self._value, self._language = value, language
        self.text = text

    def __format__(self, spec: str) -> str:
        if spec == "code":
            return f"U+{ord(self.text[0]):04X}"
        if spec == "word":
            return translations(self._language).gettext(self.text)
        if spec == "moment":
            return _moment(self.text, self._language)
        if spec in _COUNTED and isinstance(self._value, (int, float)):
            return _COUNTED[spec](self._value, self._language)
        return grouped(self.text) if spec == "mac" else self.text


def counted(count: float, language: str) -> str:
    """Return ``81 gravações``."""
    said = translations(language).ngettext("{0} gravação", "{0} gravações", int(count))
    return said.format(number(count, language))


_COUNTED = {"number": number, "size": size, "recordings": counted}


def _moment(text: str, language: str) -> str:
    """Return ``2025-11-01 00:00`` as ``01/11/2025 00:00``; what is no such text stays as it is."""
    try:
        return moment(datetime.fromisoformat(text), language)
    except ValueError:
        return text


def grouped(text: str) -> str:
    """Return the text with every MAC in groups, as telephones have it printed."""
    return _MAC.sub(lambda mac: ":".join(re.findall("..", mac[0])), text)


class _Missing:
    """What stands for a value that is not there, or empty."""

    def __init__(self, anything: str, mac: str) -> None:
        self._anything, self._mac = anything, mac

    def __format__(self, spec: str) -> str:
        return self._mac if spec == "mac" else self._anything


class _Values(dict[str, _Value | _Missing]):
    """What a sentence names and the data lacks, or has empty, is shown as not given."""

    def __init__(self, values: Mapping[str, _Value], missing: _Missing) -> None:
        super().__init__({name: value for name, value in values.items() if value.text})
        self._missing = missing

    def __missing__(self, _name: str) -> _Missing:
        return self._missing
