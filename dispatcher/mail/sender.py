"""A person who may send commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["operador", "administrador"]
ROLES: tuple[Role, ...] = get_args(Role)  # each may do what those before it may


@dataclass(frozen=True, slots=True)
class Sender:
    """A person on the whitelist."""

    address: str  # lower case, domain in ASCII
    role: str  # operador | administrador
    language: str  # of the replies: pt_BR | en
    commands: tuple[str, ...] | None = None  # keywords; None: all that the role may use

    @property
    def privileged(self) -> bool:
        """Whether replies may show what is confidential, such as the MAC that an extension really has."""
        return self.role == "administrador"
