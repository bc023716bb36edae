"""What a preview is answered with when an answer to it would carry it out, and what may become of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dispatcher.jobs.job import Job, Offer
from dispatcher.replies.compose import Invitation, Reply
from dispatcher.replies.samples.checkip import preview
from dispatcher.replies.samples.macchange import MAC_DIFF, mac_host, mac_job
from dispatcher.replies.samples.studio import INVITATION, UNTIL, Sample, Studio, ordered, running
from dispatcher.runs.foreseen import DRIFTED, INTERRUPTED, MOOT
from dispatcher.runs.report import Notice, Report


def _job(studio: Studio, offer: Offer, **changes: object) -> Job:
    job = mac_job(language=studio.language, check=True)
    return replace(job, order=replace(job.order, offer=offer, **changes))  # type: ignore[arg-type]  # a sample


def _seen(outcome: str = "changed", code: str = "changed", **changes: object) -> Report:
    made = mac_host(outcome, code, diff=MAC_DIFF if outcome == "changed" else ())
    report = Report(status="successful", check=True, hosts=(made,), seconds=1.6)
    return report.model_copy(update=changes)


def _checkip(studio: Studio) -> Reply:
    order = replace(ordered("CHECKIP=203.0.113.7 SIMULAR", studio.language), offer="asked")
    return studio.composer.result(running(order), preview(), invitation=INVITATION)


def _demanded(studio: Studio) -> Reply:
    return studio.composer.result(_job(studio, "demanded"), _seen(), invitation=INVITATION)


def _nothing(studio: Studio) -> Reply:
    return studio.composer.result(_job(studio, "demanded"), _seen("ok", "already_changed"))


def _later(studio: Studio, report: Report, invitation: Invitation | None = INVITATION) -> Reply:
    job = _job(studio, "demanded", check=False, preview_of=41, foreseen="0" * 64)
    return studio.composer.result(job, report, invitation=invitation)


def _changed_since(studio: Studio, code: str) -> Reply:
    return _later(studio, _seen(status="failed", problem=Notice(code=code)))


def _moot(studio: Studio) -> Reply:
    return _later(studio, _seen("ok", "already_changed", problem=Notice(code=MOOT)), None)


def _approval(studio: Studio) -> Reply:
    return studio.composer.result(_job(studio, "approval"), _seen(), invitation=Invitation(UNTIL))


def _approve(studio: Studio) -> Reply:
    return studio.composer.approve(_job(studio, "approval"), _seen(), studio.admin, INVITATION)


def _nobody(studio: Studio) -> Reply:
    report = _seen(problem=Notice(code="approval.nobody"))
    return studio.composer.result(_job(studio, "approval"), report)


def _approved(studio: Studio) -> Reply:
    job = _job(studio, "approval", check=False, preview_of=41)
    report = Report(status="successful", hosts=(mac_host("changed", "changed"),), seconds=1.6)
    return studio.composer.result(replace(job, confirmed_by="admin@example.com"), report)


SAMPLES: Mapping[str, Sample] = {
    "preview-to-confirm": _checkip,
    "preview-demanded": _demanded,
    "preview-of-nothing": _nothing,
    "preview-drifted": lambda studio: _changed_since(studio, DRIFTED),
    "preview-interrupted": lambda studio: _changed_since(studio, INTERRUPTED),
    "preview-moot": _moot,
    "awaiting-approval": _approval,
    "approve": _approve,
    "approved": _approved,
    "nobody-to-approve": _nobody,
}
