"""AJUDA: what this sender may send, each with an example to copy."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, ClassVar

from dispatcher.commands.base import Command, InvalidCommand, Problem
from dispatcher.commands.context import Context
from dispatcher.commands.correction import example
from dispatcher.commands.local import Desk, LocalCommand, result
from dispatcher.i18n import N_
from dispatcher.mail.sender import Role
from dispatcher.runs.report import HostResult

_SHOWN = 80


class Help(LocalCommand):
    """``AJUDA``, or ``AJUDA MACCHANGE`` for the fields of one command."""

    keyword: ClassVar[str] = "AJUDA"
    role: ClassVar[Role | None] = None
    purpose: ClassVar[str] = N_("Mostra o que você pode pedir, com um exemplo de cada comando.")
    example: ClassVar[str] = "AJUDA"

    topic: str = ""  # a keyword; empty: all commands

    @property
    def only_reads(self) -> bool:
        """Whether it changes nothing: always."""
        return True

    @classmethod
    def read(cls, words: str, context: Context) -> Help:
        """Return the command of nothing or one keyword. Raises InvalidCommand."""
        topic = words.strip().upper()
        if topic and topic not in context.commands:
            near = get_close_matches(topic.partition(" ")[0].partition("=")[0], context.commands, n=1)
            problem = Problem(
                field=cls.keyword, value=words[:_SHOWN], code="help.unknown",
                data={"known": ", ".join(context.commands)}, suggestion=near[0] if near else None,
            )  # fmt: skip
            raise InvalidCommand((problem,), " ".join((cls.keyword, *near)))
        return cls(topic=topic)

    def subject(self) -> str:
        """Return AJUDA and the command that it is about."""
        return f"{self.keyword} {self.topic}".strip()

    def carry_out(self, desk: Desk, *, check: bool) -> HostResult:  # noqa: ARG002 - it changes nothing
        """Describe the command that was named, or all that the asker may use."""
        kinds = [kind for word, kind in desk.commands.items() if self.topic in ("", word)]
        entries = [_described(kind, desk) for kind in kinds if kind.keyword != self.keyword or self.topic]
        return result("ok", "help.shown", topic=self.topic, commands=entries)


def _described(kind: type[Command], desk: Desk) -> dict[str, Any]:
    """Return what the answer says of a command: texts of the catalogue, and an example of this fleet."""
    context = desk.context.of(kind)
    shown = example(kind, context).subject
    demand = desk.permissions.demands.get(kind.keyword, kind.demand)
    return {
        "keyword": kind.keyword,
        "purpose": kind.purpose,
        "example": shown,
        "preview": kind.previewed or ("" if kind is Help else shown),
        "answerable": not issubclass(kind, LocalCommand),  # an answer to the preview carries it out
        "parts": dict(kind.explained),
        "servers": list(context.servers) if kind.server_field() else [],
        "default": kind.defaults(context).get(kind.server_field(), ""),
        "approval": kind.keyword in desk.permissions.approval,
        "demand": "confirmation" if kind.always_confirmed and demand == "token" else demand,
    }
