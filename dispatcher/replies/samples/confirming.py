"""The mails between a command and its permission: to be confirmed or approved, too late, not permitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dispatcher.commands import COMMANDS
from dispatcher.commands.base import Command
from dispatcher.commands.local import LocalCommand
from dispatcher.jobs.job import Order
from dispatcher.mail.permissions import Denied, may
from dispatcher.mail.sender import Sender
from dispatcher.replies import confirming
from dispatcher.replies.compose import Invitation, Reply
from dispatcher.replies.samples.commands import listed
from dispatcher.replies.samples.macchange import MACCHANGE, mac_job
from dispatcher.replies.samples.studio import INVITATION, UNTIL, Sample, Studio, message, ordered
from dispatcher.runs.report import HostResult


def confirm(studio: Studio, subject: str) -> Reply:
    """Return the mail that asks whether this is meant."""
    order, foreseen = _wanted(studio, subject)
    return confirming.confirm(studio.composer, order, INVITATION, foreseen)


def _wanted(studio: Studio, subject: str) -> tuple[Order, HostResult | None]:
    order = ordered(subject, studio.language)
    command = order.command()
    if not isinstance(command, LocalCommand):
        return order, None
    return order, command.foresee(listed(studio), "ana@example.com")


def _awaiting(studio: Studio) -> Reply:
    wanted = _wanted(studio, "WHITELIST REMOVE bia@example.com")
    return confirming.awaiting(studio.composer, wanted[0], Invitation(UNTIL), wanted[1])


def _approve(studio: Studio) -> Reply:
    order, foreseen = _wanted(studio, "WHITELIST REMOVE bia@example.com")
    return confirming.approve(studio.composer, order, studio.admin, INVITATION, foreseen)


def _unapproved_in_time(studio: Studio) -> Reply:
    job = mac_job(language=studio.language)
    return confirming.unconfirmed(studio.composer, replace(job, order=replace(job.order, offer="approval")))


def _instead(sender: Sender) -> dict[type[Command], str]:
    return {kind: kind.example for kind in COMMANDS.values() if may(sender, kind) and kind.role}


def _not_permitted(studio: Studio) -> Reply:
    denied = Denied(COMMANDS["WHITELIST"], "role")
    return confirming.not_permitted(studio.composer, studio.ana, message(), denied, _instead(studio.ana))


def _not_in_list(studio: Studio) -> Reply:
    denied = Denied(COMMANDS["MACCHANGE"], "commands")
    return confirming.not_permitted(studio.composer, studio.ana, message(), denied, {})


def _unproved(studio: Studio) -> Reply:
    return confirming.unproved(studio.composer, ordered(MACCHANGE.subject(), studio.language))


SAMPLES: Mapping[str, Sample] = {
    "confirm-whitelist": lambda studio: confirm(studio, f"WHITELIST ADD {'bia' * 20}@example.com ADMIN"),
    "awaiting-whitelist": _awaiting,
    "approve-whitelist": _approve,
    "unapproved": lambda studio: confirming.unapproved(
        studio.composer, ordered(MACCHANGE.subject(), studio.language)
    ),
    "unapproved-in-time": _unapproved_in_time,
    "withdrawn": lambda studio: confirming.spent(studio.composer, studio.ana, message(), "withdrawn"),
    "unconfirmed": lambda studio: confirming.unconfirmed(studio.composer, mac_job(language=studio.language)),
    "spent": lambda studio: confirming.spent(studio.composer, studio.ana, message(), "used"),
    "too-late": lambda studio: confirming.spent(studio.composer, studio.ana, message(), "expired"),
    "not-permitted": _not_permitted,
    "not-permitted-by-list": _not_in_list,
    "unproved": _unproved,
}
