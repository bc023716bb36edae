"""Commands that need no playbook: the dispatcher itself carries them out, in the transaction of their result.

Their grammar is words after the keyword, not KEY=value. To add one, read ``whitelist.py`` and write one like
it: what it reads, what it does, its sentences in ``replies/codes``, its row in ``COMMANDS``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dispatcher.commands.base import Command, InvalidCommand, WordCommand
from dispatcher.commands.context import Context
from dispatcher.inventory import Inventory
from dispatcher.mail.sender import Sender
from dispatcher.mail.whitelist import Whitelist
from dispatcher.runs.report import HostResult
from dispatcher.settings import Permissions

if TYPE_CHECKING:  # jobs are made of commands
    from dispatcher.jobs.standing import Queue

DISPATCHER = "dispatcher"  # stands where a result names a server


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """What a local command works with, inside one transaction.

    ``asker``: whoever asked, None when a person at the shell did. ``commands``: those that this fleet has and
    the asker may use.
    """

    whitelist: Whitelist
    asker: Sender | None
    commands: Mapping[str, type[Command]]
    context: Context
    permissions: Permissions
    language: str  # of whoever is put on the list
    queue: Queue


class LocalCommand(WordCommand):
    """What a local command has besides."""

    @classmethod
    def available(cls, _inventory: Inventory) -> bool:
        """Return true: it needs no server."""
        return True

    def foresee(self, _listed: Mapping[str, Sender], _by: str) -> HostResult | None:
        """Return what it would come to as things stand; None: it changes nothing of ours."""
        return None

    def refusal(self, _listed: Mapping[str, Sender], _by: str) -> InvalidCommand | None:
        """Return why it would fail as things stand, so that nobody is asked to confirm it."""
        return None

    @abstractmethod
    def carry_out(self, desk: Desk, *, check: bool) -> HostResult:
        """Do it, or with ``check`` only find out what it would do. Whatever it writes is written together."""

    def servers(self, _inventory: Inventory) -> tuple[str, ...]:
        """Return none."""
        return ()

    def extravars(self) -> dict[str, Any]:
        """Return none."""
        return {}


def result(outcome: str, code: str, **data: Any) -> HostResult:
    """Return what came of a local command."""
    return HostResult.model_validate({"host": DISPATCHER, "outcome": outcome, "code": code, "data": data})
