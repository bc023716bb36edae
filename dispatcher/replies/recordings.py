"""What was collected → what the mail shows of it: the link, each extension, what is missing, hints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from typing import Any

from pydantic import BaseModel, ValidationError

from dispatcher.commands.ramais import Ramais
from dispatcher.i18n import N_, translations
from dispatcher.jobs.job import Order
from dispatcher.replies.measures import day, duration, moment, number, size
from dispatcher.replies.sentences import counted, enumeration, fill
from dispatcher.replies.visible import visible
from dispatcher.runs.report import HostResult

MOST = 20  # rows in the mail itself; all of them are in the table that is attached
_LINK = re.compile(r"https?://[!-~]{1,4000}")
_BETWEEN = " – "  # of the two moments of what would fit
_WHY = {
    "missing": N_("sumiu antes de ser copiada"),
    "archived": N_("está em armazenamento frio e precisa ser restaurada antes"),
    "changed": N_("mudou enquanto era copiada"),
    "unreadable": N_("não pôde ser lida"),
    "empty": N_("está vazia"),
}


class _Day(BaseModel):
    day: date
    files: int


class _Extension(BaseModel):
    extension: str
    files: int
    bytes: int
    seconds: float | None = None
    days: list[_Day] = []


class _Missing(BaseModel):
    name: str
    why: str


class _Nearest(BaseModel):
    before: datetime | None = None
    after: datetime | None = None


class _Data(BaseModel):
    """The data of the role's results, as far as it is shown here."""

    link: str = ""
    expires: float | None = None  # seconds since 1970
    name: str = ""
    size: int | None = None  # of the archive, in bytes
    sha256: str = ""
    per_extension: list[_Extension] = []
    missing: list[_Missing] = []
    missing_count: int = 0
    nearest: _Nearest | None = None
    folders_missing: int = 0
    scanned: int | None = None
    fits: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One extension. ``days`` has the days on which there is something, each with its count."""

    extension: str
    said: str
    days: str
    counts: tuple[tuple[date, int], ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """A recording that is not in the archive, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Instead:
    """A command that asks for less, or for another day, and what it is good for."""

    title: str
    subject: str


@dataclass(frozen=True, slots=True)
class Recordings:
    """What there is to say of a collection beside its sentence. Everything may be empty."""

    link: str
    expires: datetime | None  # UTC
    about: str  # name and size of the archive
    sha256: str
    found: tuple[Found, ...]
    lost: tuple[Lost, ...]
    lost_count: int  # of them all
    hints: tuple[str, ...]
    instead: Instead | None


def recordings(hosts: Sequence[HostResult], order: Order, language: str) -> Recordings | None:
    """Return what the first collection among these results says; None when there is none."""
    result = next((host for host in hosts if host.code.startswith("audio.")), None)
    if result is None:
        return None
    try:
        data = _Data.model_validate(result.data)
    except ValidationError:  # the sentence says the most important, and nobody is left without an answer
        return None
    link = data.link if _LINK.fullmatch(data.link) else ""
    about = [visible(data.name, 120), size(data.size, language) if data.size else ""]
    return Recordings(
        link=link,
        expires=datetime.fromtimestamp(data.expires, tz=timezone.utc) if link and data.expires else None,
        about=", ".join(filter(None, about)),
        sha256=visible(data.sha256, 64),
        found=tuple(_found(one, language) for one in data.per_extension),
        lost=tuple(Lost(visible(one.name, 160), _why(one.why, language)) for one in data.missing),
        lost_count=max(data.missing_count, len(data.missing)),
        hints=tuple(_hints(data, language)),
        instead=_instead(data, order, language),
    )


def _why(why: str, language: str) -> str:
    known = _WHY.get(why)
    return translations(language).gettext(known) if known else visible(why, 80)


def _found(one: _Extension, language: str) -> Found:
    if not one.files:
        return Found(visible(one.extension, 20), translations(language).gettext("nenhuma gravação"), "", ())
    parts = [counted(one.files, language), size(one.bytes, language)]
    if one.seconds is not None:
        parts.append(duration(one.seconds, language))
    counts = tuple((each.day, each.files) for each in one.days)
    days = " · ".join(f"{day(one, language)}:\u00a0{number(files, language)}" for one, files in counts)
    return Found(visible(one.extension, 20), " · ".join(parts), days, counts)


def _hints(data: _Data, language: str) -> list[str]:
    """Return what helps to see why something was not found."""
    near = data.nearest
    none = [one.extension for one in data.per_extension if not one.files]
    some = len(none) < len(data.per_extension)
    hints = (
        (near and near.before, N_("A última antes do período é de {what}.")),
        (near and near.after, N_("A primeira depois do período é de {what}.")),
        (
            near and not near.before and not near.after,
            N_("Também não há nenhuma na semana antes nem na depois: talvez seja outro servidor."),
        ),
        (near and data.scanned == 0, N_("No período não há gravações de ramal nenhum neste servidor.")),
        (data.folders_missing, N_("Dias do período que não têm pasta de gravações: {what}.")),
        (some and none, N_("Nada de {what}: confira se são ramais deste servidor.")),
    )
    return [fill(text, {"what": _shown(what, language)}, language) for what, text in hints if what]


def _shown(what: Any, language: str) -> str:
    if isinstance(what, datetime):
        return moment(what, language)
    return enumeration(what[:MOST], language) if isinstance(what, list) else str(what)


def _instead(data: _Data, order: Order, language: str) -> Instead | None:
    """Return the same command for the window that would fit, or for the day of the nearest recording."""
    window, title = _window(data)
    command = order.command() if window else None
    if window is None or not isinstance(command, Ramais):
        return None
    other = command.model_copy(update={"inicio": window[0], "fim": window[1]})
    subject = other.subject() + (" SIMULAR" if order.check else "")
    return Instead(translations(language).gettext(title), subject)


def _window(data: _Data) -> tuple[tuple[datetime, datetime] | None, str]:
    fits = N_("Isto cabe em um pedido; para o resto, envie outro:")
    if data.fits:
        try:
            start, end = (datetime.fromisoformat(part) for part in data.fits.split(_BETWEEN))
        except ValueError:
            return None, fits
        return (start, end), fits
    nearest = data.nearest and (data.nearest.before or data.nearest.after)
    if not nearest:
        return None, fits
    whole = datetime.combine(nearest.date(), time.min), datetime.combine(nearest.date(), time(23, 59))
    return whole, N_("Para o dia mais próximo que tem gravações, envie:")
