"""COMANDOS.md: what can be asked for by mail, as each command describes itself, on the example inventory."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from dispatcher.commands import ALIASES, COMMANDS, Command, InvalidCommand
from dispatcher.commands.base import WordCommand
from dispatcher.commands.context import Context
from dispatcher.commands.local import LocalCommand
from dispatcher.commands.parser import parse
from dispatcher.i18n import SOURCE
from dispatcher.inventory import Inventory, InventorySource
from dispatcher.replies.samples import SAMPLES, Studio
from dispatcher.replies.sentences import invented, sentence
from dispatcher.settings import PROJECT, Settings

EXAMPLE = PROJECT / "inventory" / "production"
MISTAKES = (  # what people really write, one for each way of being corrected
    "CHECKIP=203.0.113",
    "CHEKIP 203.0.113.7",
    "CHECKIP=203.0.113.7 por favor",
    "MACCHANGE=3010 MACATUAL=0102.0304.050G MACFUTURO=010203040599 SERVER=gv2",
    "MACCHANGE=3010 SERVER=gv2p",
    "RAMAIS=1121 SERVER=voip3 INICIO=05/11/2025 00:00 FIM=01/11/2025 23:59",
    "WHITELIST ADICIONAR nova.pessoa@example.com",
    "CANCELAR tudo",
)
MAILS = (  # samples, in the order in which somebody may meet them
    "done", "partial", "preview-to-confirm", "preview-demanded", "preview-drifted", "unconfirmed", "spent",
    "confirm-whitelist", "awaiting-approval", "awaiting-whitelist", "approve", "unapproved", "accepted",
    "collecting", "ramais", "mac-undone", "status", "help", "whitelist", "rejected", "invalid-token",
    "not-permitted", "unproved", "locked", "rate", "welcome", "whitelist-told", "lockout", "guessing",
)  # fmt: skip


def values() -> Mapping[str, Any]:
    """Return the commands in their order, the mails that answer them, and some mistakes."""
    inventory = InventorySource(EXAMPLE).read()
    studio = Studio.of(Settings(), SOURCE)
    return {
        "commands": [_described(kind, inventory) for kind in COMMANDS.values()],
        "mails": {name: _subject(SAMPLES[name](studio).mime) for name in MAILS},
        "mistakes": [_corrected(subject, inventory) for subject in MISTAKES],
    }


def _subject(mime: bytes) -> str:
    return str(email.message_from_bytes(mime, policy=email.policy.default)["Subject"])


def _described(kind: type[Command], inventory: Inventory) -> dict[str, Any]:
    context = Context(kind.candidates(inventory), inventory, datetime.now(timezone.utc), COMMANDS)
    return {
        "keyword": kind.keyword,
        "aliases": [alias for alias, word in ALIASES.items() if word == kind.keyword],
        "purpose": kind.purpose,
        "example": kind.example,
        "preview": f"{kind.previewed or kind.example} SIMULAR",
        "previewed": bool(kind.previewed),
        "words": issubclass(kind, WordCommand),
        "local": issubclass(kind, LocalCommand),
        "explained": dict(kind.explained),
        "defaults": dict(kind.defaults(context)),
        "group": kind.group,
        "servers": list(context.servers),
        "names_server": bool(kind.server_field()),
        "role": kind.role,
        "demand": kind.demand,
        "always_confirmed": kind.always_confirmed,
        "undone": bool(kind.undo_playbook),
        "minutes": (kind.timeout or 0) // 60,
        "ansible": _with_ansible(parse(kind.example, inventory).command, inventory) if kind.playbook else "",
    }


def _with_ansible(command: Command, inventory: Inventory) -> str:
    """Return what an operator with Ansible alone types for a preview of it."""
    servers = command.servers(inventory)
    limit = "" if set(servers) == set(inventory.group(command.group)) else f" --limit {','.join(servers)}"
    lines = [f"ansible-playbook -i inventory/production playbooks/{command.runs}{limit} --check --diff"]
    return " \\\n    ".join([*lines, f"-e '{json.dumps(command.extravars(), ensure_ascii=False)}'"])


def _corrected(subject: str, inventory: Inventory) -> dict[str, Any]:
    """Return what the sender of a mistake reads."""
    try:
        parse(subject, inventory)
    except InvalidCommand as error:
        said = [(one.field, sentence(one.code, one.data, SOURCE)) for one in error.problems]
        warning = invented(error.invented, SOURCE) if error.invented else ""
        return {"subject": subject, "problems": said, "corrected": error.corrected, "warning": warning}
    raise AssertionError(f"{subject} is no mistake")
