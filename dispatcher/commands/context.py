"""What a command is judged against besides its own text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dispatcher.inventory import Inventory


@dataclass(frozen=True, slots=True)
class Context:
    """``servers``: those that the command may name. ``now``: the present moment, with its time zone."""

    servers: tuple[str, ...]
    inventory: Inventory
    now: datetime
