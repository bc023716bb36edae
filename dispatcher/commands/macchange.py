"""MACCHANGE: another telephone for an extension, a first one, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationInfo, field_validator

from dispatcher.commands.base import Command
from dispatcher.commands.fields import Extension, Server, refuse
from dispatcher.commands.mac import Mac
from dispatcher.i18n import N_
from dispatcher.settings import Demand

if TYPE_CHECKING:
    from dispatcher.inventory import Inventory
    from dispatcher.runs.report import HostResult


class MacChange(Command):
    """``MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=010203040599 SERVER=gv2p``.

    An empty MACATUAL adds, an empty MACFUTURO removes. The key itself is always there: a forgotten one never
    means that.
    """

    keyword: ClassVar[str] = "MACCHANGE"
    playbook: ClassVar[str] = "macchange.yml"
    group: ClassVar[str] = "macchange_servers"
    undo_playbook: ClassVar[str] = "macchange_undo.yml"
    purpose: ClassVar[str] = N_("Troca, acrescenta ou remove o MAC do aparelho de um ramal, em um servidor.")
    demand: ClassVar[Demand] = "confirmation"
    explained: ClassVar[Mapping[str, str]] = {
        "MACCHANGE": N_("o ramal"),
        "MACATUAL": N_("o MAC de agora; vazio (MACATUAL=), o ramal ainda não tem aparelho"),
        "MACFUTURO": N_("o MAC do aparelho novo; vazio (MACFUTURO=), o ramal fica sem aparelho"),
        "SERVER": N_("o servidor do ramal"),
    }
    example: ClassVar[str] = "MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=010203040599 SERVER=gv2p"

    macchange: Extension
    macatual: Mac
    macfuturo: Mac
    server: Server

    @field_validator("macfuturo")
    @classmethod
    def _something_changes(cls, mac: Mac, info: ValidationInfo) -> Mac:
        if "macatual" in info.data and mac == info.data["macatual"]:  # absent when it is itself refused
            raise refuse("mac.same" if mac else "mac.both_empty")
        return mac

    def servers(self, _inventory: Inventory) -> tuple[str, ...]:
        """Return the one server."""
        return (self.server,)

    def extravars(self) -> dict[str, Any]:
        """Return extension and MACs as the role takes them: 12 lower-case hex digits, or nothing."""
        return {
            "macchange_extension": self.macchange,
            "macchange_mac_before": self.macatual or "",
            "macchange_mac_after": self.macfuturo or "",
        }

    def subject(self) -> str:
        """Return every key in order, an empty one too."""
        return (
            f"{self.keyword}={self.macchange} MACATUAL={self.macatual or ''} "
            f"MACFUTURO={self.macfuturo or ''} SERVER={self.server}"
        )

    def undo_extravars(self, results: Sequence[HostResult]) -> dict[str, Any]:
        """Return the transaction that the one server keeps of it."""
        return {"macchange_transaction": (results[0].undo or {}).get("transaction", "")}

    def reverse(self) -> MacChange:
        """Return the same change with its MACs the other way round."""
        return self.model_copy(update={"macatual": self.macfuturo, "macfuturo": self.macatual})
