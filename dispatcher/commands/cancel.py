"""CANCELAR: ends a job of the sender's own; an administrator may end anybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dispatcher.commands.context import Context
from dispatcher.commands.local import Desk, LocalCommand, result
from dispatcher.commands.numbers import number
from dispatcher.commands.status import described
from dispatcher.i18n import N_
from dispatcher.mail.sender import Role
from dispatcher.runs.report import HostResult


class Cancel(LocalCommand):
    """``CANCELAR 12``. What waits ends at once; what runs is interrupted, and its own reply says how far."""

    keyword: ClassVar[str] = "CANCELAR"
    role: ClassVar[Role | None] = None
    purpose: ClassVar[str] = N_("Cancela um job seu que ainda não terminou.")
    explained: ClassVar[Mapping[str, str]] = {
        "CANCELAR 12": N_("cancela o job deste número; STATUS mostra os números"),
    }
    example: ClassVar[str] = "CANCELAR 12"

    job: int

    @classmethod
    def read(cls, words: str, _context: Context) -> Cancel:
        """Return the command of a number. Raises InvalidCommand."""
        return cls(job=number(cls.keyword, words))

    def subject(self) -> str:
        """Return CANCELAR and the number."""
        return f"{self.keyword} {self.job}"

    def carry_out(self, desk: Desk, *, check: bool) -> HostResult:
        """End the job, or say why there is nothing to end."""
        found = desk.queue.one(self.job)
        if found is None:
            return result("failed", "job.unknown", id=self.job)
        job = found.job
        data = {"id": job.id, "subject": job.order.subject, "by": job.canceled_by or ""}
        if desk.queue.itself(job.id):
            return result("failed", "cancel.itself", **data)
        if job.state.terminal:
            return result("failed", "cancel.ended", **data, jobs=[described(found, desk)])
        if job.canceled_by:
            return result("ok", "cancel.already", **data, jobs=[described(found, desk)])
        job = job if check else desk.queue.cancel(job.id)
        after = desk.queue.one(job.id) or found
        shown = [described(after, desk)]
        if job.state.terminal and not job.canceled_by:  # a moment ago
            return result("failed", "cancel.ended", **data, jobs=shown)
        stopping = job.state.value == "running"
        return result("changed", "cancel.stopping" if stopping else "cancel.done", **data, jobs=shown)
