"""What commands without a playbook are answered: the whitelist, the help, where jobs stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dispatcher.commands import COMMANDS
from dispatcher.commands.context import Context
from dispatcher.commands.local import Desk, LocalCommand
from dispatcher.jobs.job import Job, State
from dispatcher.jobs.pauses import Pause
from dispatcher.jobs.standing import Queue, Standing
from dispatcher.mail.permissions import may
from dispatcher.mail.sender import Sender
from dispatcher.mail.whitelist import Change, Whitelist
from dispatcher.replies import local
from dispatcher.replies.compose import Reply
from dispatcher.replies.samples.checkip import job, partial
from dispatcher.replies.samples.studio import AT, FLEET, Sample, Studio, ordered, running
from dispatcher.replies.standing import accepted
from dispatcher.runs.report import Notice, Report


def listed(studio: Studio) -> dict[str, Sender]:
    """Return a whitelist of three: Ana is an administrator, Bia may use two commands."""
    bia = studio.person("bia", commands=("CHECKIP", "AJUDA"))
    return {one.address: one for one in (studio.admin, studio.person("ana", "administrador"), bia)}


def _many(studio: Studio) -> dict[str, Sender]:
    addresses = [f"{'p' * 40}{number:03}@{'d' * 50}.example.com" for number in range(140)]
    return listed(studio) | {one: Sender(one, "operador", studio.language) for one in addresses}


class _Listed(Whitelist):
    """The list as it is given; nothing is written."""

    def __init__(self, given: Mapping[str, Sender]) -> None:
        self.by, self.changes = "ana@example.com", {}
        self._given = dict(given)

    def listed(self) -> dict[str, Sender]:
        return self._given

    def apply(self, change: Change) -> None:
        self.changes[1] = change


class Line(Queue):
    """Jobs as they are given; nothing is read or written."""

    def __init__(
        self, found: Sequence[Standing], *, everybody: bool = False, paused: Sequence[Pause] = ()
    ) -> None:
        self.everybody = everybody
        self._found, self._paused = found, paused

    def unfinished(self, most: int) -> tuple[list[Standing], int]:
        """Return those that have not ended."""
        waiting = [one for one in self._found if not one.job.state.terminal]
        return waiting[:most], len(waiting[most:])

    def ended(self, most: int, without: Collection[str]) -> list[Standing]:  # noqa: ARG002 - none of these
        """Return those that have."""
        return [one for one in self._found if one.job.state.terminal][:most]

    def one(self, job_id: int) -> Standing | None:
        """Return the one of this number."""
        return next((one for one in self._found if one.job.id == job_id), None)

    def paused(self) -> list[Pause]:
        """Return the pauses."""
        return list(self._paused)

    def cancel(self, job_id: int) -> Job:
        """Return the one of this number, canceled by Ana."""
        found = next(one for one in self._found if one.job.id == job_id)
        return replace(found.job, canceled_by="ana@example.com")

    def itself(self, job_id: int) -> bool:
        """Whether it is the job that asks."""
        return job_id == 42  # noqa: PLR2004 - as ``running`` says


def standing(
    job_id: int,
    state: State,
    *waits: Notice,
    ahead: int = 0,
    sender: str = "ana@example.com",
    **more: Any,
) -> Standing:
    """Return where a job of Ana's stands."""
    one = job()
    moments: dict[str, Any] = {}
    if state not in (State.QUEUED, State.AWAITING_CONFIRMATION):
        moments["started_at"] = AT
    if state.terminal:
        moments["finished_at"] = AT
    known = replace(one, id=job_id, state=state, order=replace(one.order, sender=sender), **moments | more)
    return Standing(job=known, ahead=ahead, waits=waits)


def in_line() -> list[Standing]:
    """Return a job for each way in which one can stand."""
    behind = {"servers": ["gv1p", "gv2p"], "jobs": [38, 39], "ahead": 2}
    paused = {"server": "gv1p", "reason": "troca do disco até as 18h"}
    return [
        standing(38, State.RUNNING),
        standing(39, State.RUNNING, canceled_by="ana@example.com"),
        standing(
            40, State.QUEUED, Notice(code="queue.paused_because", data=paused),
            Notice(code="queue.behind", data=behind), ahead=2, sender=f"{'bia' * 20}@example.com",
        ),
        standing(41, State.AWAITING_CONFIRMATION, Notice(code="queue.confirmation")),
        standing(37, State.PARTIAL, report=partial()),
        standing(36, State.CANCELED),
    ]  # fmt: skip


def carried_out(
    studio: Studio, subject: str, given: Mapping[str, Sender] | None = None, queue: Queue | None = None
) -> Reply:
    """Return the answer to a local command of Ana's."""
    given = given or listed(studio)
    order = ordered(subject, studio.language)
    asker = given["ana@example.com"]
    desk = Desk(
        whitelist=_Listed(given), asker=asker,
        commands={word: kind for word, kind in COMMANDS.items() if may(asker, kind)},
        context=Context((), FLEET, AT, COMMANDS), permissions=studio.settings.permissions,
        language=studio.language, queue=queue or Line(()),
    )  # fmt: skip
    command = order.command()
    if not isinstance(command, LocalCommand):
        raise TypeError(f"{subject} needs a playbook")
    outcome = command.carry_out(desk, check=order.check)
    status = "failed" if outcome.outcome == "failed" else "successful"
    report = Report(status=status, check=order.check, hosts=(outcome,))
    return local.answer(studio.composer, running(order), report)


def status(studio: Studio, subject: str = "STATUS", **options: Any) -> Reply:
    """Return the answer to who asks where jobs stand."""
    return carried_out(studio, subject, queue=Line(in_line(), **options))


def news(studio: Studio, change: Change, *, welcome: bool = False) -> Reply:
    """Return what somebody hears of a change of the whitelist."""
    before = listed(studio)
    whitelist = _Listed(before)
    whitelist.apply(change)
    return local.news(studio.composer, whitelist, before, welcome=welcome)[0]


def _everybodys(studio: Studio) -> Reply:
    return status(studio, everybody=True, paused=(Pause("gv1p", AT, "shell:ana", "troca do disco"),))


def _accepted(studio: Studio) -> Reply:
    seen = in_line()[2]
    order = replace(seen.job.order, sender="ana@example.com", language=studio.language)
    return accepted(studio.composer, replace(seen.job, order=order), seen.ahead, seen.waits)


def _told_removed(studio: Studio) -> Reply:
    return news(studio, Change("remove", listed(studio)["bia@example.com"]))


SAMPLES: Mapping[str, Sample] = {
    "accepted": _accepted,
    "whitelist": lambda studio: carried_out(studio, "WHITELIST LIST"),
    "whitelist-many": lambda studio: carried_out(studio, "WHITELIST LIST", _many(studio)),
    "whitelist-added": lambda studio: carried_out(studio, "WHITELIST ADD carla@example.com"),
    "whitelist-preview": lambda studio: carried_out(studio, "WHITELIST REMOVE bia@example.com SIMULAR"),
    "whitelist-refused": lambda studio: carried_out(studio, "WHITELIST REMOVE ana@example.com"),
    "whitelist-told": lambda studio: news(studio, Change("add", studio.person("carla"))),
    "whitelist-told-removed": _told_removed,
    "welcome": lambda studio: news(studio, Change("add", studio.admin), welcome=True),
    "help": lambda studio: carried_out(studio, "AJUDA"),
    "help-macchange": lambda studio: carried_out(studio, "AJUDA MACCHANGE"),
    "help-whitelist": lambda studio: carried_out(studio, "AJUDA WHITELIST"),
    "status": _everybodys,
    "status-nothing": lambda studio: carried_out(studio, "STATUS"),
    "status-one": lambda studio: status(studio, "STATUS 37"),
    "status-unknown": lambda studio: status(studio, "STATUS 99"),
    "cancel-stopping": lambda studio: status(studio, "CANCELAR 38"),
    "cancel-preview": lambda studio: status(studio, "CANCELAR 40 SIMULAR"),
    "cancel-ended": lambda studio: status(studio, "CANCELAR 37"),
}
