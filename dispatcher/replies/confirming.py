"""The mails between a command and its permission: to confirm it, to prove more, or that it may not be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from dispatcher.commands import COMMANDS, Command
from dispatcher.commands.local import LocalCommand
from dispatcher.commands.pairs import split
from dispatcher.i18n import translations
from dispatcher.jobs.job import Job, Order
from dispatcher.mail.message import Message
from dispatcher.mail.permissions import Denied
from dispatcher.mail.sender import Sender
from dispatcher.replies.compose import Composer, Reply, Thread
from dispatcher.replies.sentences import grouped, sentence
from dispatcher.runs.report import HostResult


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a command: what was written, and what it means. An empty value means nothing is there."""

    name: str
    value: str
    meaning: str


def confirm(
    composer: Composer, order: Order, code: str, expires_at: float, foreseen: HostResult | None
) -> Reply:
    """Say what will happen, until when to confirm it and how. ``code`` is in no other mail."""
    command = order.command()
    gettext = translations(order.language).gettext
    said = sentence(foreseen.code, foreseen.data, order.language, check=True) if foreseen else None
    values = {
        "order": order,
        "code": code,
        "until": datetime.fromtimestamp(expires_at, timezone.utc),
        "said": said or gettext(command.purpose),
        "parts": _parts(command, gettext),
        # where the command does not name its one server itself
        "servers": () if "server" in type(command).model_fields else order.servers,
    }
    return composer.compose("confirm", Thread.of_order(order), values)


def unconfirmed(composer: Composer, job: Job) -> Reply:
    """Say that a command was not confirmed in time, and how to ask for it again."""
    return composer.compose("unconfirmed", Thread.of_order(job.order), {"job": job})


def spent(composer: Composer, sender: Sender, message: Message, why: Literal["used", "expired"]) -> Reply:
    """Say that a code has been used, or is too old."""
    return composer.compose("spent", Thread.of(sender, message), {"why": why})


def not_permitted(
    composer: Composer,
    sender: Sender,
    message: Message,
    denied: Denied,
    instead: Mapping[type[Command], str],
) -> Reply:
    """Say which command it is, who may use it, and what this sender may ``instead``, each with an example."""
    values = {
        "keyword": denied.kind.keyword,
        "code": denied.code,
        "instead": instead,
    }
    return composer.compose("not_permitted", Thread.of(sender, message), values)


def unproved(composer: Composer, order: Order) -> Reply:
    """Say that this command has to be opened with a one-time code, and where such codes come from."""
    return composer.compose("unproved", Thread.of_order(order), {"order": order})


def _parts(command: Command, gettext: Callable[[str], str]) -> Sequence[Part]:
    if isinstance(command, LocalCommand):
        return ()
    values = split(COMMANDS[command.keyword], command.subject()).values
    return [
        Part(field.upper(), grouped(values.get(field, "")), _meaning(command, field, gettext))
        for field in type(command).model_fields
    ]


def _meaning(command: Command, field: str, gettext: Callable[[str], str]) -> str:
    meaning = command.explained.get(field.upper())
    return gettext(meaning) if meaning else ""
