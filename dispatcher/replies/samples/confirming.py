"""The mails between a command and its permission: to be confirmed, too late, not permitted, not proved."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.commands import COMMANDS
from dispatcher.commands.base import Command
from dispatcher.commands.local import LocalCommand
from dispatcher.mail.permissions import Denied, may
from dispatcher.mail.sender import Sender
from dispatcher.replies import confirming
from dispatcher.replies.compose import Reply
from dispatcher.replies.samples.commands import listed
from dispatcher.replies.samples.macchange import MACCHANGE, mac_job
from dispatcher.replies.samples.studio import AT, Sample, Studio, message, ordered


def confirm(studio: Studio, subject: str) -> Reply:
    """Return the mail that asks whether this is meant."""
    order = ordered(subject, studio.language)
    command = order.command()
    foreseen = None
    if isinstance(command, LocalCommand):
        foreseen = command.foresee(listed(studio), "ana@example.com")
    return confirming.confirm(studio.composer, order, "7XZ2-K4MP-9QRT", AT.timestamp() + 900, foreseen)


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
    "confirm": lambda studio: confirm(studio, MACCHANGE.subject()),
    "confirm-whitelist": lambda studio: confirm(studio, f"WHITELIST ADD {'bia' * 20}@example.com ADMIN"),
    "unconfirmed": lambda studio: confirming.unconfirmed(studio.composer, mac_job(language=studio.language)),
    "spent": lambda studio: confirming.spent(studio.composer, studio.ana, message(), "used"),
    "too-late": lambda studio: confirming.spent(studio.composer, studio.ana, message(), "expired"),
    "not-permitted": _not_permitted,
    "not-permitted-by-list": _not_in_list,
    "unproved": _unproved,
}
