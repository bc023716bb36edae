"""RAMAIS: the recordings of some extensions, as one archive behind one link."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationInfo, field_validator

from dispatcher.commands.base import Command
from dispatcher.commands.context import Context
from dispatcher.commands.extensions import extension_list
from dispatcher.commands.fields import Server, refuse
from dispatcher.commands.moments import instant, moment, written
from dispatcher.i18n import N_
from dispatcher.inventory import Inventory

_ZONE, _DAYS = "America/Sao_Paulo", 31  # the role's own, where the inventory says nothing else


class Ramais(Command):
    """``RAMAIS=1121,1122 SERVER=voip3 INICIO=01/11/2025 00:00 FIM=05/11/2025 23:59``.

    INICIO and FIM are wall times where the server is, and belong to the window. SERVER may be left out where
    the inventory names a default.
    """

    keyword: ClassVar[str] = "RAMAIS"
    playbook: ClassVar[str] = "ramais.yml"
    group: ClassVar[str] = "sip_servers"
    timeout: ClassVar[int | None] = 2 * 60 * 60
    purpose: ClassVar[str] = N_("Reúne as gravações de alguns ramais em um arquivo ZIP e envia o link.")
    explained: ClassVar[Mapping[str, str]] = {
        "RAMAIS": N_("um ramal ou vários, separados por vírgula"),
        "SERVER": N_("o servidor que gravou"),
        "INICIO": N_("o primeiro minuto: dia e hora"),
        "FIM": N_("o último minuto: dia e hora"),
    }
    example: ClassVar[str] = "RAMAIS=1121,1122 SERVER=voip3 INICIO=01/11/2025 00:00 FIM=05/11/2025 23:59"
    most_extensions: ClassVar[int] = 100

    ramais: tuple[str, ...]
    server: Server
    inicio: datetime
    fim: datetime

    @classmethod
    def candidates(cls, inventory: Inventory) -> tuple[str, ...]:
        """Return the servers whose recordings can be reached."""
        return tuple(name for name in super().candidates(inventory) if _source(name, inventory))

    @classmethod
    def defaults(cls, context: Context) -> Mapping[str, str]:
        """Return the server that the inventory names for who names none."""
        group = context.inventory.groups[cls.group]
        named = (_variable(name, "audio_collection_default_server", context) for name in group)
        default = next(filter(None, named), None)
        return {"server": default} if default in context.servers else {}

    @field_validator("ramais", mode="before")
    @classmethod
    def _list(cls, text: Any, info: ValidationInfo) -> Any:
        return extension_list(text, most=cls.most_extensions) if info.context else text

    @field_validator("server", mode="before")
    @classmethod
    def _has_recordings(cls, text: str, info: ValidationInfo) -> str:
        context: Context | None = info.context
        if context:
            everyone = {name.lower(): name for name in context.inventory.groups[cls.group]}
            name = everyone.get(text.lower())
            if name and name not in context.servers:
                raise refuse("server.no_recordings", known=", ".join(context.servers))
        return text

    @field_validator("inicio", mode="before")
    @classmethod
    def _start(cls, text: Any, info: ValidationInfo) -> Any:
        context: Context | None = info.context
        if not context:
            return text
        zone = _zone(info.data.get("server"), context)
        start = moment(text, zone, end=False)
        if instant(start, zone) > context.now:
            today = context.now.astimezone(zone).date()
            near = moment(today.isoformat(), zone, end=False)
            raise refuse("moment.future", suggestion=written(near), now=written(context.now.astimezone(zone)))
        return start

    @field_validator("fim", mode="before")
    @classmethod
    def _end(cls, text: Any, info: ValidationInfo) -> Any:
        context: Context | None = info.context
        if not context:
            return text
        server = info.data.get("server")
        zone = _zone(server, context)
        end = moment(text, zone, end=True)
        start: datetime | None = info.data.get("inicio")  # None: refused itself
        if start is None:
            return end
        most = _days(server, context)
        if end < start:
            near = _year_later(end, start, most, zone) or moment(start.date().isoformat(), zone, end=True)
            raise refuse("window.order", suggestion=written(near), start=written(start))
        days = (end.date() - start.date()).days + 1
        if days > most:
            last = start.date() + timedelta(days=most - 1)
            near = moment(last.isoformat(), zone, end=True)
            raise refuse("window.too_long", suggestion=written(near), days=str(days), limit=str(most))
        return end

    def servers(self, _inventory: Inventory) -> tuple[str, ...]:
        """Return the one server whose recordings these are."""
        return (self.server,)

    def locks(self, inventory: Inventory) -> tuple[str, ...]:
        """Return who does the work: the server itself is not touched, and is free for other commands."""
        source = _source(self.server, inventory)
        return (f"audios:{self.server}" if source in ("s3", "") else source,)

    def extravars(self) -> dict[str, Any]:
        """Return the extensions, and the window to the minute."""
        return {
            "ramais_extensions": list(self.ramais),
            "ramais_start": f"{self.inicio:%Y-%m-%d %H:%M}",
            "ramais_end": f"{self.fim:%Y-%m-%d %H:%M}",
        }

    def subject(self) -> str:
        """Return every key in order, the server also where it may be left out."""
        return (
            f"{self.keyword}={','.join(self.ramais)} SERVER={self.server} "
            f"INICIO={written(self.inicio)} FIM={written(self.fim)}"
        )


def _variable(server: str | None, name: str, context: Context) -> Any:
    return context.inventory.variables.get(server or "", {}).get(name)


def _source(server: str, inventory: Inventory) -> str:
    """Return where the recordings are: ``s3``, or the name of a host. Empty: nowhere that is known."""
    return str(inventory.variables.get(server, {}).get("audios_from") or "")


def _zone(server: str | None, context: Context) -> ZoneInfo:
    """Return the time zone of the server; of one that is not known, the fleet's."""
    layout = _variable(server, "audio_collection_layout", context)
    named = layout.get("timezone") if isinstance(layout, Mapping) else None
    try:
        return ZoneInfo(named or _ZONE)
    except (ZoneInfoNotFoundError, ValueError, TypeError):  # the role refuses it, with the variable's name
        return ZoneInfo(_ZONE)


def _days(server: str | None, context: Context) -> int:
    limits = _variable(server, "audio_collection_limits", context)
    days = limits.get("days") if isinstance(limits, Mapping) else None
    return days if isinstance(days, int) and days > 0 else _DAYS


def _year_later(end: datetime, start: datetime, most: int, zone: ZoneInfo) -> datetime | None:
    """Return the end in the next year if it is then near the start: in January people write the old one."""
    try:
        later = end.replace(year=end.year + 1)
        near = moment(written(later), zone, end=True)
    except ValueError:  # 29 February; PydanticCustomError is one too
        return None
    return near if near >= start and (near.date() - start.date()).days < most else None
