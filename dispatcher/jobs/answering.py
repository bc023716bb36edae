"""What a job's end is answered with: the mail to whoever asked, and what an answer to that lets start."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from dispatcher.errors import StoreError
from dispatcher.jobs.job import Job
from dispatcher.jobs.offering import Offered, Offering
from dispatcher.jobs.store import Store
from dispatcher.mail.senders import Senders
from dispatcher.replies.compose import Composer, Invitation, Reply
from dispatcher.runs.foreseen import may_follow
from dispatcher.runs.report import Notice, Report

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A job's end as it is written down."""

    report: Report
    reply: Reply | None
    offered: Offered | None = None


class Answering:
    """Composes answers. ``offering``: None where no mail comes in, as at the shell."""

    def __init__(self, store: Store, composer: Composer, offering: Offering | None) -> None:
        self._store = store
        self._composer = composer
        self._offering = offering

    def of(self, job: Job, report: Report) -> Answer:
        """Return the answer. Raises StoreError while it cannot be known who may let follow what it shows."""
        if not job.order.sender:
            return Answer(report, None)
        if self._offering is None or job.order.offer is None or not may_follow(report):
            return Answer(report, self._reply(job, report))
        try:
            offered = self._offering.of(job, report)
        except StoreError:
            raise
        except Exception:  # the look at the servers is not to be repeated for a fault in a template
            log.exception("job %d: what it shows cannot be offered", job.id)
            return self._unoffered(job, report, "preview.no_offer")
        if offered is None:
            return self._unoffered(job, report, "approval.nobody")
        reply = self._composed(job, report, offered.invitation)
        if reply is None:  # a code that nobody gets would let nothing start
            return self._unoffered(job, report, "preview.no_offer")
        return Answer(report, reply, offered)

    def _unoffered(self, job: Job, report: Report, why: str) -> Answer:
        report = report.model_copy(update={"problem": Notice(code=why)})
        return Answer(report, self._reply(job, report))

    def _reply(self, job: Job, report: Report) -> Reply | None:
        """Compose the answer; should a report defeat the templates, its sender still hears how it ended."""
        problem = Notice(code="run.error", data={"error": "report"})
        for shown in (report, Report(status=report.status, check=report.check, problem=problem)):
            if reply := self._composed(job, shown):
                return reply
        log.critical("job %d: nobody is told of its end: %s", job.id, report.status)
        return None

    def _composed(self, job: Job, report: Report, invitation: Invitation | None = None) -> Reply | None:
        try:
            privileged = self._privileged(job)
            return self._composer.result(job, report, privileged=privileged, invitation=invitation)
        except Exception:
            log.exception("job %d: its report cannot be shown", job.id)
            return None

    def _privileged(self, job: Job) -> bool:
        """Whether the sender may read what is confidential: as of now, and no while that cannot be known."""
        try:
            sender = Senders(self._store.engine).get(job.order.sender or "")
        except StoreError as error:
            log.error("job %d: is its sender an administrator? %s", job.id, error)
            return False
        return sender is not None and sender.privileged
