"""What a code means in words.

Portuguese is the source; ``locale/`` has the translations. Placeholders name fields of the code's data, which
are put in as text and never looked at as templates. ``{character:code}`` shows a character's number, and
``{mac:mac}`` a MAC in groups, or that there is none. ``{count:number}``, ``{bytes:size}`` and
``{start:moment}`` show a number, a size and a local time as people write them, ``{files:recordings}`` a
number of recordings. ``{role:word}`` is one of our own words, such as ``operador``, in the reader's language.
"""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.i18n import N_


@dataclass(frozen=True, slots=True)
class Entry:
    """What a code means: ``text``, or ``would`` in a preview, where nothing has happened yet.

    ``confidential`` follows, for those alone who may read it. ``advice`` is what to do next, and ``headline``
    the shortest way to say it of some ``{hosts}``. ``label`` is the word on a server's chip and ``verdict``
    that of the whole, where the usual ones are wrong. ``rewrite``: the same command would only fail again.
    ``reverse``: an undo would; a command that does the opposite does not.
    """

    text: str
    would: str | None = None
    confidential: str | None = None
    advice: str | None = None
    headline: str | None = None
    would_headline: str | None = None
    label: str | None = None
    verdict: str | None = None
    rewrite: bool = False
    reverse: bool = False


TELL_ADMIN = N_("Avise o administrador e informe o número do job.")
