"""A job: one accepted command with its place in the queue, its servers and, at the end, its report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, Literal

from dispatcher.commands import COMMANDS, Command
from dispatcher.commands.parser import Request
from dispatcher.inventory import Inventory
from dispatcher.runs.report import Report

PAYLOAD = 2  # grows when older code would misread what a job asks for: it leaves such a job alone


# Why what a preview shows may be carried out by an answer: its sender asked for a preview, or the command has
# to be confirmed, by its sender or by somebody else.
Offer = Literal["asked", "demanded", "approval"]


class Owner(str, Enum):
    """Who runs a job."""

    SERVE = "serve"  # a worker of the service
    SHELL = "shell"  # the very `athome run` that submitted it, which shows its progress


class State(str, Enum):
    """Where a job stands. Ansible Runner's statuses keep their names."""

    AWAITING_CONFIRMATION = "awaiting_confirmation"  # starts when its sender answers with the code
    QUEUED = "queued"  # waits for its turn, or for what it locks
    RUNNING = "running"  # a worker runs the playbook
    SUCCESSFUL = "successful"  # every server did what was asked
    PARTIAL = "partial"  # some servers did, some failed or could not be reached
    FAILED = "failed"  # no server did
    TIMEOUT = "timeout"  # ended by its time limit
    CANCELED = "canceled"  # ended by a person
    EXPIRED = "expired"  # nobody confirmed it in time

    @property
    def terminal(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self not in (State.AWAITING_CONFIRMATION, State.QUEUED, State.RUNNING)

    @classmethod
    def open(cls) -> list[str]:
        """Return the names of the states in which something is still to happen."""
        return [state.value for state in cls if not state.terminal]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A command on its way into the queue, by mail or from the shell."""

    keyword: str  # row of COMMANDS
    subject: str  # canonical, without token
    arguments: dict[str, Any]  # the command's fields as JSON
    servers: tuple[str, ...]  # where its playbook runs; sorted
    locks: tuple[str, ...]  # what no other job may work on meanwhile; sorted
    check: bool  # preview: change nothing
    language: str  # of the reply
    sender: str | None = None  # None: from the shell, nobody is written to
    message_id: str | None = None  # of the mail, with its angle brackets
    references: str = ""  # of the mail, so that the reply threads
    retry_of: int | None = None  # the job that it is again; such an order has no mail of its own
    offer: Offer | None = None  # of a preview; None: nobody is asked whether it is to be carried out
    preview_of: int | None = None  # the preview that it carries out
    foreseen: str | None = None  # the digest of what that showed: it is carried out only if this still holds
    undoes: int | None = None  # the job that it takes back

    @classmethod
    def of(
        cls,
        request: Request,
        inventory: Inventory,
        *,
        language: str,
        sender: str | None = None,
        message_id: str | None = None,
        references: str = "",
    ) -> Order:
        """Return the order of a request on this fleet. Raises InventoryError when its group is missing."""
        command = request.command
        return cls(
            keyword=command.keyword,
            subject=command.subject(),
            arguments=command.model_dump(mode="json"),
            servers=tuple(sorted(command.servers(inventory))),
            locks=tuple(sorted(command.locks(inventory))),
            check=request.check,
            language=language,
            sender=sender,
            message_id=message_id,
            references=references,
            undoes=command.undoes,
        )

    @property
    def previews(self) -> bool:
        """Whether its sender asked for a preview, and for nothing more."""
        return self.check and self.offer in (None, "asked")

    @property
    def written(self) -> str:
        """The subject as its sender meant it."""
        return self.subject + (" SIMULAR" if self.previews else "")

    def following(self, **changes: Any) -> Order:
        """Return an order that comes of this one: without a mail of its own, answered in its thread."""
        thread = f"{self.references} {self.message_id or ''}".strip()
        return replace(self, message_id=None, references=thread, **changes)

    def command(self) -> Command:
        """Return the command again. Raises ValueError when another version of the program wrote it."""
        return COMMANDS[self.keyword].model_validate(self.arguments)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """An order with its history."""

    id: int
    order: Order
    owner: Owner
    state: State
    attempts: int  # starts so far
    created_at: datetime  # all times in UTC
    started_at: datetime | None = None
    finished_at: datetime | None = None
    claim: str | None = None  # fresh for each claim: a worker that lost its job cannot finish it
    not_before: datetime | None = None
    payload: int = PAYLOAD
    canceled_by: str | None = None  # who wants it to end, or has ended it: an address, or shell:account
    confirmed_by: str | None = None  # the address whose answer let it start; None: it waited for none
    report: Report | None = None

    @property
    def too_new(self) -> bool:
        """Whether a newer version of the program has to run it: it stays in the queue until then."""
        return self.payload > PAYLOAD
