"""DESFAZER: takes back what a job of the sender's own did; an administrator may take back anybody's.

Its subject names a job alone. What is to be run for it stands in that job's report: ``jobs/undoing.py`` finds
it, and only then there is something to be ordered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from dispatcher.commands.base import WordCommand
from dispatcher.commands.context import Context
from dispatcher.commands.numbers import number
from dispatcher.i18n import N_
from dispatcher.mail.sender import Role

if TYPE_CHECKING:
    from dispatcher.inventory import Inventory


class Way(BaseModel):
    """The way back from one job: a playbook, where it runs, and its variables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keyword: str  # of the job that is undone
    subject: str  # of that job, canonical: what does it again
    reverse: str = ""  # a subject that does the opposite, where servers refuse the undo; empty: there is none
    playbook: str
    servers: tuple[str, ...]  # where there is something to take back
    extravars: dict[str, Any]


class Undo(WordCommand):
    """``DESFAZER 12``. Refused wherever something else was done since."""

    keyword: ClassVar[str] = "DESFAZER"
    role: ClassVar[Role | None] = None  # it takes what the undone command takes
    purpose: ClassVar[str] = N_("Desfaz o que um job seu mudou, se nada mexeu nisso depois.")
    explained: ClassVar[Mapping[str, str]] = {
        "DESFAZER 12": N_(
            "desfaz o job deste número: de um MACCHANGE, os arquivos voltam byte a byte; de um CHECKIP, o "
            "endereço sai da lista permanente onde esse job o pôs, sem ser bloqueado de novo. Pede a mesma "
            "confirmação que o comando desfeito"
        ),
    }
    example: ClassVar[str] = "DESFAZER 12"

    job: int
    way: Way | None = None  # None: as it was written, and nothing that can be run

    @classmethod
    def available(cls, _inventory: Inventory) -> bool:
        """Return true: which servers it is about, the job says."""
        return True

    @classmethod
    def read(cls, words: str, _context: Context) -> Undo:
        """Return the command of a number. Raises InvalidCommand."""
        return cls(job=number(cls.keyword, words))

    @property
    def governed_by(self) -> str:
        """The keyword of the command that it takes back."""
        return self._found.keyword

    @property
    def undoes(self) -> int:
        """The job that it takes back."""
        return self.job

    @property
    def runs(self) -> str:
        """The playbook that takes it back."""
        return self._found.playbook

    def servers(self, _inventory: Inventory) -> tuple[str, ...]:
        """Return the servers where the job changed something."""
        return self._found.servers

    def extravars(self) -> dict[str, Any]:
        """Return what the playbook needs to find what is to be taken back."""
        return self._found.extravars

    def subject(self) -> str:
        """Return DESFAZER and the number."""
        return f"{self.keyword} {self.job}"

    @property
    def _found(self) -> Way:
        if self.way is None:  # an empty list of servers would mean all of them to Ansible
            raise ValueError(f"nobody has looked yet what undoes job {self.job}")
        return self.way
