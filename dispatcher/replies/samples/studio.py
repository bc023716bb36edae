"""What all samples share: invented people, a fleet, one moment, and the branding to show them in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from dispatcher.commands.parser import parse
from dispatcher.inventory import Inventory
from dispatcher.jobs.job import Job, Order, Owner, State
from dispatcher.mail.message import Message
from dispatcher.mail.sender import Role, Sender
from dispatcher.replies.compose import Composer, Invitation, Reply
from dispatcher.runs.report import HostResult, Notice
from dispatcher.settings import Mail, Settings

FLEET = Inventory(
    groups={
        "sip_servers": ("gv1p", "gv2p", "gv3p", "voip1", "voip3"),
        "checkip_servers": ("gv1p", "gv2p", "gv3p", "voip1"),
        "macchange_servers": ("gv1p", "gv2p", "gv3p"),
    },
    variables={
        "gv1p": {"audios_from": "audio"},
        "gv2p": {"audios_from": "audio"},
        "gv3p": {},
        "voip1": {"audios_from": "s3"},
        "voip3": {"audios_from": "s3"},
    },
)
AT = datetime(2026, 11, 23, 14, 5, tzinfo=timezone.utc)
UNTIL = AT + timedelta(minutes=15)
INVITATION = Invitation(UNTIL, "7XZ2-K4MP-9QRT")
_MAIL = Mail(address="athome@example.com", authserv_id="mail.example.com")


@dataclass(frozen=True, kw_only=True, slots=True)
class Studio:
    """Where samples are made: the branding and zone of some settings, and one language."""

    settings: Settings
    language: str
    composer: Composer

    @classmethod
    def of(cls, settings: Settings, language: str) -> Studio:
        """Return the studio of these settings; their secrets are not read, no database is opened."""
        bare = settings.model_copy(update={"tokens": None, "mail": settings.mail or _MAIL})
        return cls(settings=bare, language=language, composer=Composer(bare))

    def person(self, name: str, role: Role = "operador", commands: tuple[str, ...] | None = None) -> Sender:
        """Return somebody who reads this studio's language."""
        return Sender(f"{name}@example.com", role, self.language, commands)

    @property
    def ana(self) -> Sender:
        """Return who sends the commands."""
        return self.person("ana")

    @property
    def admin(self) -> Sender:
        """Return who is told what concerns administrators."""
        return self.person("admin", "administrador")


Sample = Callable[[Studio], Reply]


def ordered(subject: str, language: str) -> Order:
    """Return the order of a subject, as Ana's mail would give it."""
    return Order.of(
        parse(subject, FLEET), FLEET, language=language, sender="ana@example.com",
        message_id="<CAF7E-1@mail.example.com>", references="<CAF7E-0@mail.example.com>",
    )  # fmt: skip


def running(order: Order) -> Job:
    """Return job 42, which carries the order out."""
    return Job(id=42, owner=Owner.SERVE, state=State.RUNNING, attempts=1, created_at=AT, order=order)


def message(subject: str = "[········] CHECKIP=3.3.3") -> Message:
    """Return a mail of Ana's as the rules see it."""
    return Message(
        sender="ana@example.com", subject=subject, message_id="<CAF7E-2@mail.example.com>",
        date=AT, references="", fields=(),
    )  # fmt: skip


def host(name: str, outcome: str, code: str, *notices: Notice, **data: object) -> HostResult:
    """Return what happened on one server; ``diff`` and ``undo`` among the data are its own."""
    diff, undo = data.pop("diff", ()), data.pop("undo", None)
    return HostResult.model_validate(
        {"host": name, "outcome": outcome, "code": code, "data": data, "notices": notices, "diff": diff,
         "undo": undo, "seconds": 1.9}
    )  # fmt: skip
