"""What every command is: a frozen, validated value that knows where and what it runs.

To add a command, read ``checkip.py``, write one like it, and add its row to ``COMMANDS``.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from dispatcher.commands.fields import names_server
from dispatcher.mail.sender import Role
from dispatcher.settings import Demand

if TYPE_CHECKING:
    from dispatcher.commands.context import Context
    from dispatcher.inventory import Inventory
    from dispatcher.runs.report import HostResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong with a subject.

    ``field`` is the key as the user writes it (``CHECKIP``; empty: the subject as a whole), ``value`` what
    was found there (at most 80 characters), ``code`` the row in ``dispatcher.replies.sentences`` with what
    was expected, ``data`` what that sentence names, ``suggestion`` the nearest valid value, if there is one.
    """

    field: str
    value: str
    code: str
    data: Mapping[str, str] = dataclasses.field(default_factory=dict)
    suggestion: str | None = None


class InvalidCommand(ValueError):  # noqa: N818 - an answer for the sender, not a fault of ours
    """A subject that is no valid command: every problem at once, and a subject to copy.

    ``corrected`` is a whole valid subject without the token, made from what was understood. ``invented``
    names its fields with an example's value, because theirs could not be understood. ``understood``: the
    subject is right as it stands, and cannot be followed; the other one is what helps instead.
    """

    def __init__(
        self,
        problems: tuple[Problem, ...],
        corrected: str,
        invented: tuple[str, ...] = (),
        *,
        understood: bool = False,
    ) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.code}" for problem in problems))
        self.problems = problems
        self.corrected = corrected
        self.invented = invented
        self.understood = understood


class NotPermitted(ValueError):  # noqa: N818 - the same
    """A command that there is, for others than this sender: its fields are not even read."""

    def __init__(self, kind: type[Command]) -> None:
        super().__init__(kind.keyword)
        self.kind = kind


class Command(BaseModel, ABC):
    """One validated command, that a playbook carries out; ``local.py`` has those that need none.

    Fields are named after the subject's keys, in lower case and in their order. Validated with a ``Context``,
    its values are text as somebody wrote it, and it names only servers that there are. Without one, as a
    stored command is read again, it keeps what it was accepted with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    keyword: ClassVar[str]  # the subject's first key; also the command's name
    playbook: ClassVar[str] = ""  # file in playbooks/; none: the dispatcher itself carries it out
    group: ClassVar[str] = ""  # the inventory group that it may touch
    role: ClassVar[Role | None] = "operador"  # the least that may use it; None: whoever may write at all
    demand: ClassVar[Demand] = "token"  # how sure it has to be of its sender, unless the settings say more
    always_confirmed: ClassVar[bool] = False  # asks for an answer to its mail, whatever the settings say
    undo_playbook: ClassVar[str] = ""  # takes back what a run of it did; none: nothing does
    purpose: ClassVar[str]  # one sentence for the help, a catalogue entry
    explained: ClassVar[Mapping[str, str]] = {}  # what each part of a subject means, catalogue entries too
    example: ClassVar[str]  # a valid subject, without token
    previewed: ClassVar[str] = ""  # another one, where the example has nothing to preview
    timeout: ClassVar[int | None] = None  # seconds for its playbook; None: what the settings say

    @property
    def only_reads(self) -> bool:
        """Whether it changes nothing anywhere: then a token is proof enough."""
        return False

    @property
    def governed_by(self) -> str:
        """The keyword of the command whose permission and demand count: its own, unless it undoes another."""
        return self.keyword

    @property
    def undoes(self) -> int | None:
        """The job that it takes back, if it takes one back."""
        return None

    @property
    def runs(self) -> str:
        """The file in playbooks/ that carries this very command out."""
        return self.playbook

    @classmethod
    def candidates(cls, inventory: Inventory) -> tuple[str, ...]:
        """Return the servers that it can be about. Without any, the fleet does not have this command."""
        return inventory.groups.get(cls.group, ())

    @classmethod
    def available(cls, inventory: Inventory) -> bool:
        """Whether this fleet has the command."""
        return bool(cls.candidates(inventory))

    @classmethod
    def defaults(cls, _context: Context) -> Mapping[str, str]:
        """Return what the fields that may be left out on this fleet then mean."""
        return {}

    @classmethod
    def server_field(cls) -> str:
        """Return the field that names the server it is about; empty: none does."""
        return next((name for name, field in cls.model_fields.items() if names_server(field)), "")

    @abstractmethod
    def servers(self, inventory: Inventory) -> tuple[str, ...]:
        """Return the inventory hosts that the playbook is limited to."""

    def locks(self, inventory: Inventory) -> tuple[str, ...]:
        """Return the names of what no other job may work on meanwhile: the servers that it changes."""
        return self.servers(inventory)

    @abstractmethod
    def extravars(self) -> dict[str, Any]:
        """Return the playbook's variables: plain data, made safe against templating by the runner."""

    @abstractmethod
    def subject(self) -> str:
        """Return the canonical subject, without token: the same command always gives the same text."""

    def undo_extravars(self, _results: Sequence[HostResult]) -> dict[str, Any]:
        """Return the variables of ``undo_playbook``, for the servers of these results: each says ``undo``."""
        return {}

    def reverse(self) -> Command | None:
        """Return the command that does the opposite, where an undo is refused; None when no command does."""
        return None


class WordCommand(Command):
    """A command whose grammar is words after the keyword, not KEY=value."""

    @classmethod
    @abstractmethod
    def read(cls, words: str, context: Context) -> WordCommand:
        """Return the command of the words after its keyword. Raises InvalidCommand."""
