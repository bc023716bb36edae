"""CHECKIP: is this address banned anywhere? Let it in everywhere, and keep it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dispatcher.commands.base import Command
from dispatcher.commands.fields import Address
from dispatcher.i18n import N_

if TYPE_CHECKING:
    from dispatcher.inventory import Inventory
    from dispatcher.runs.report import HostResult


class CheckIp(Command):
    """``CHECKIP=3.3.3.3``: unban an address in every jail of every server, and whitelist it for good."""

    keyword: ClassVar[str] = "CHECKIP"
    playbook: ClassVar[str] = "checkip.yml"
    group: ClassVar[str] = "checkip_servers"
    undo_playbook: ClassVar[str] = "checkip.yml"
    purpose: ClassVar[str] = N_(
        "Desbloqueia um endereço IP em todos os servidores e o põe na lista permanente."
    )
    explained: ClassVar[Mapping[str, str]] = {"CHECKIP": N_("o endereço do cliente, IPv4 ou IPv6")}
    example: ClassVar[str] = "CHECKIP=203.0.113.7"

    checkip: Address

    def servers(self, inventory: Inventory) -> tuple[str, ...]:
        """Return every server with fail2ban that takes part."""
        return inventory.group(self.group)

    def extravars(self) -> dict[str, Any]:
        """Return the address in its one normal form."""
        return {"checkip_address": str(self.checkip)}

    def subject(self) -> str:
        """Return ``CHECKIP=`` and the address."""
        return f"{self.keyword}={self.checkip}"

    def undo_extravars(self, _results: Sequence[HostResult]) -> dict[str, Any]:
        """Return the address to be taken off the list. It is not banned again: it may have done nothing."""
        return {**self.extravars(), "checkip_state": "absent"}
