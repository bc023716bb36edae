"""What a proved sender may do, and what has to be proved besides: asked here and nowhere else.

Who may: the command's least role, and the sender's own list of commands where there is one. How sure: the
command's demand, or what the settings have instead; and for some, by the settings, another administrator's
answer. Previews and what only reads ask for a token alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from dispatcher.commands import COMMANDS, Command
from dispatcher.commands.parser import Request
from dispatcher.commands.undo import Undo
from dispatcher.errors import SettingsError
from dispatcher.mail.proof import Proof
from dispatcher.mail.sender import ROLES, Sender
from dispatcher.settings import Demand, Permissions


@dataclass(frozen=True, slots=True)
class Allowed:
    """It may be done now."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The sender may not use this command. ``code``: role | commands, what it is that forbids it."""

    kind: type[Command]
    code: str


@dataclass(frozen=True, slots=True)
class Unproved:
    """The sender may, and more has to be shown.

    A code by mail (confirmation), a one-time token (totp), or another administrator's answer (approval).
    """

    demand: Literal["confirmation", "totp", "approval"]


def may(sender: Sender, kind: type[Command]) -> bool:
    """Whether the sender may use a command at all."""
    return denied(sender, kind) is None


def denied(sender: Sender, kind: type[Command]) -> Denied | None:
    """Return why the sender may not use a command; None: the sender may."""
    if kind.role is None:
        return None
    if sender.role not in ROLES or ROLES.index(kind.role) > ROLES.index(sender.role):
        return Denied(kind, "role")
    if sender.commands is not None and kind.keyword not in sender.commands:
        return Denied(kind, "commands")
    return None


def judge(
    sender: Sender, request: Request, proof: Proof, permissions: Permissions
) -> Allowed | Denied | Unproved:
    """Decide on a request with the proof that came with it; on a confirmed one, with the confirmation."""
    command = request.command
    kind = governing(command)
    if refusal := denied(sender, kind):
        return refusal
    if request.check or command.only_reads or proof.kind == "confirmation":
        return Allowed()
    wanted = demand(kind, permissions)
    if wanted == "totp" and proof.kind != "totp":
        return Unproved("totp")
    if command.governed_by in permissions.approval:
        return Unproved("approval")
    if command.always_confirmed or (wanted == "confirmation" and proof.kind != "totp"):
        return Unproved("confirmation")
    return Allowed()


def demand(kind: type[Command], permissions: Permissions) -> Demand:
    """Return how sure a command has to be of its sender on this installation."""
    return permissions.demands.get(kind.keyword, kind.demand)


def governing(command: Command) -> type[Command]:
    """Return the command whose permission and demand count for this one."""
    return COMMANDS[command.governed_by]


def approvers(listed: Iterable[Sender], requester: str, kind: type[Command]) -> list[Sender]:
    """Return who may approve a command: the administrators who may use it, but not who asks for it."""
    return [one for one in listed if one.privileged and one.address != requester and may(one, kind)]


def until(permissions: Permissions) -> float:
    """Return until when an answer to a mail of now counts: UTC, seconds since 1970."""
    return time.time() + permissions.confirm_within


def check(permissions: Permissions) -> None:
    """Raise SettingsError for what is asked of commands that there are not: misspelt, it had no effect."""
    for key, named in (("demands", permissions.demands), ("approval", permissions.approval)):
        if unknown := set(named) - set(COMMANDS):
            raise SettingsError(
                f"permissions.{key} nomeia comandos que não existem: {', '.join(sorted(unknown))}.",
                f"Os comandos são: {', '.join(COMMANDS)}.",
            )
    if Undo.keyword in {*permissions.demands, *permissions.approval}:
        raise SettingsError(
            f"permissions: {Undo.keyword} pede sempre o mesmo que o comando que ele desfaz.",
            f"Tire {Undo.keyword} daí e indique aquele comando.",
        )
