"""STATUS: the sender's jobs, where each stands and what it waits for; an administrator sees everybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from dispatcher.commands.context import Context
from dispatcher.commands.local import Desk, LocalCommand, result
from dispatcher.commands.numbers import number
from dispatcher.i18n import N_
from dispatcher.mail.sender import Role
from dispatcher.runs.report import HostResult

if TYPE_CHECKING:  # jobs are made of commands
    from dispatcher.jobs.standing import Standing

_MOST, _ENDED = 50, 5  # jobs that are shown: of those that have not ended, and of those that have
_ASKING = ("STATUS", "AJUDA")  # nobody asks what became of these


class Status(LocalCommand):
    """``STATUS``, or ``STATUS 12`` for one job."""

    keyword: ClassVar[str] = "STATUS"
    role: ClassVar[Role | None] = None
    purpose: ClassVar[str] = N_("Mostra os seus jobs: em que ponto estão e o que esperam.")
    explained: ClassVar[Mapping[str, str]] = {
        "STATUS": N_("mostra os que não terminaram e os últimos que terminaram"),
        "STATUS 12": N_("mostra o job deste número"),
    }
    example: ClassVar[str] = "STATUS"

    job: int | None = None  # None: all

    @property
    def only_reads(self) -> bool:
        """Whether it changes nothing: always."""
        return True

    @classmethod
    def read(cls, words: str, _context: Context) -> Status:
        """Return the command of nothing or a number. Raises InvalidCommand."""
        return cls(job=number(cls.keyword, words) if words else None)

    def subject(self) -> str:
        """Return STATUS and the job that it is about."""
        return self.keyword if self.job is None else f"{self.keyword} {self.job}"

    def carry_out(self, desk: Desk, *, check: bool) -> HostResult:  # noqa: ARG002 - it changes nothing
        """Tell where the jobs stand."""
        queue = desk.queue
        if self.job is not None:
            found = queue.one(self.job)
            if found is None:
                return result("failed", "job.unknown", id=self.job)
            return result("ok", "status.one", id=self.job, jobs=[described(found, desk)])
        waiting, rest = queue.unfinished(_MOST)
        return result(
            "ok",
            "status.shown" if waiting else "status.nothing",
            jobs=[described(one, desk) for one in waiting],
            count=len(waiting) + rest,
            rest=rest,
            ended=[described(one, desk) for one in queue.ended(_ENDED, _ASKING)],
            paused=[{"server": pause.server, "reason": pause.reason} for pause in queue.paused()],
        )


def described(standing: Standing, desk: Desk) -> dict[str, Any]:
    """Return a job as an answer has it; whose it is, for those who see everybody's."""
    job, order = standing.job, standing.job.order
    moments = {"created_at": job.created_at, "started_at": job.started_at, "finished_at": job.finished_at}
    hosts = job.report.hosts if job.report else ()
    return {
        "id": job.id,
        "subject": order.subject,
        "check": order.check,
        "state": "stopping" if job.canceled_by and not job.state.terminal else job.state.value,
        "sender": order.sender if desk.queue.everybody else None,
        "place": standing.ahead + 1 if standing.ahead else 0,
        "waits": [wait.model_dump(mode="json") for wait in standing.waits],
        "hosts": [{"host": one.host, "outcome": one.outcome, "code": one.code} for one in hosts],
        "retry_of": order.retry_of,
        "undoes": order.undoes,
        **{name: moment.isoformat() if moment else None for name, moment in moments.items()},
    }
