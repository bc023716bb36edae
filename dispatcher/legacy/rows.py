"""What became of each field of the old files, and what should be done about them, as values to be shown.

A text is a sentence of the catalogue with ``{0}`` … for its values; it is translated where it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from dispatcher.i18n import N_
from dispatcher.replies.visible import visible

Fate = Literal["taken", "there", "repeated", "replaced", "ignored", "reissue", "missing", "later", "refused"]

NO_EQUIVALENT = N_("nada aqui corresponde a esta chave")
LATER = N_("espera até que a configuração esteja completa; repita então este comando")


@dataclass(frozen=True, slots=True)
class Row:
    """One field, or one entry of a list. ``place``: its line, or its item."""

    file: str
    place: str
    field: str
    fate: Fate
    text: str
    values: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """A weak spot, or a next step, with what to do."""

    text: str
    way_out: str
    values: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Wrong:
    """What a file has that cannot be understood. Its text repeats no content: that may be a secret."""

    place: str
    field: str
    text: str
    values: tuple[object, ...] = ()

    def row(self, file: str) -> Row:
        """Return it as what became of it."""
        return Row(file, self.place, self.field, "refused", self.text, self.values)


def unusable(file: str, unknown: Iterable[str], wrong: Iterable[Wrong]) -> Iterator[Row]:
    """Yield what a file has besides its entries: keys that nobody knows, and what cannot be understood."""
    for key in unknown:
        yield Row(file, "—", visible(key, 40), "ignored", NO_EQUIVALENT)
    for each in wrong:
        yield each.row(file)
