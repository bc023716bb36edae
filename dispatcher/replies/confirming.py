"""The mails between a command and its permission: to confirm, approve or prove it, or that it may not be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from dispatcher.commands import Command
from dispatcher.i18n import translations
from dispatcher.jobs.job import Job, Order
from dispatcher.mail.lockout import APPROVE
from dispatcher.mail.message import Message
from dispatcher.mail.permissions import Denied
from dispatcher.mail.sender import Sender
from dispatcher.replies.compose import Composer, Invitation, Reply, Thread
from dispatcher.replies.sentences import sentence
from dispatcher.runs.report import HostResult


def confirm(composer: Composer, order: Order, invitation: Invitation, foreseen: HostResult | None) -> Reply:
    """Say what will happen, until when to confirm it and how. The code is in no other mail."""
    values = _values(order, invitation, foreseen, order.language)
    return composer.compose("confirm", Thread.of_order(order), values)


def awaiting(composer: Composer, order: Order, invitation: Invitation, foreseen: HostResult | None) -> Reply:
    """Say what will happen once somebody else has approved it."""
    values = _values(order, invitation, foreseen, order.language)
    return composer.compose("awaiting", Thread.of_order(order), values)


def approve(
    composer: Composer, order: Order, administrator: Sender, invitation: Invitation,
    foreseen: HostResult | None,
) -> Reply:  # fmt: skip
    """Ask an administrator to approve what somebody else wants."""
    values = _values(order, invitation, foreseen, administrator.language)
    to = Thread(administrator.address, administrator.language)
    return composer.compose(APPROVE, to, {**values, "view": None}, cause=f"approval of {order.message_id}")


def unapproved(composer: Composer, order: Order) -> Reply:
    """Say that a command has to be approved, and that there is nobody who could."""
    return composer.compose("unapproved", Thread.of_order(order), {"order": order})


def unconfirmed(composer: Composer, job: Job) -> Reply:
    """Say that a command was not confirmed, or approved, in time, and how to ask for it again."""
    return composer.compose("unconfirmed", Thread.of_order(job.order), {"job": job})


def spent(
    composer: Composer, sender: Sender, message: Message, why: Literal["used", "expired", "withdrawn"]
) -> Reply:
    """Say that a code has been used, is too old, or lets nothing start any more for want of permission."""
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


def _values(
    order: Order, invitation: Invitation, foreseen: HostResult | None, language: str
) -> Mapping[str, Any]:
    gettext = translations(language).gettext
    said = sentence(foreseen.code, foreseen.data, language, check=True) if foreseen else None
    return {"order": order, "invitation": invitation, "said": said or gettext(order.command().purpose)}
