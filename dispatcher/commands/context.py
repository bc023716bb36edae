"""What a command is judged against besides its own text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from dispatcher.inventory import Inventory

if TYPE_CHECKING:
    from dispatcher.commands.base import Command


@dataclass(frozen=True, slots=True)
class Context:
    """``servers``: those that the command may name. ``now``: the present moment, with its time zone.

    ``commands``: those that this fleet has and the sender may use, by keyword.
    """

    servers: tuple[str, ...]
    inventory: Inventory
    now: datetime
    commands: Mapping[str, type[Command]] = field(default_factory=dict)

    def of(self, kind: type[Command]) -> Context:
        """Return the same for one command: with the servers that it can be about."""
        return replace(self, servers=kind.candidates(self.inventory))
