"""What MACCHANGE is answered: changed, previewed, and refused because the telephone has another MAC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dispatcher.commands.parser import parse
from dispatcher.jobs.job import Job
from dispatcher.replies.compose import Reply
from dispatcher.replies.samples.studio import FLEET, Sample, Studio, host, ordered, running
from dispatcher.runs.report import Diff, HostResult, Notice, Report

MACCHANGE = parse("MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=010203040599 SERVER=gv2p", FLEET).command
TRANSACTION = "20261123T140512123456-9f3c"
TRUE_MAC = "00005e0053aa"
_FILES = ["/etc/asterisk/users.conf", "/etc/asterisk/macs.csv"]
_GROUP_BIT = Notice(code="mac_binding.group_bit", data={"mac": "010203040599"})
MAC_DIFF = tuple(
    Diff(before_header=path, after_header=path, before=f"{before}\n", after=f"{after}\n")
    for path, before, after in (
        (_FILES[0], "[3010] macaddress = 010203040506", "[3010] macaddress = 010203040599"),
        (_FILES[1], "3010;010203040506", "3010;010203040599"),
    )
)


def mac_job(*, language: str = "pt_BR", check: bool = False) -> Job:
    """Return Ana's job."""
    return running(replace(ordered(MACCHANGE.subject(), language), check=check))


def mac_host(outcome: str, code: str, *notices: Notice, **data: object) -> HostResult:
    """Return what the role says of gv2p; its transaction is named when it changed something."""
    macs = {"extension": "3010", "mac_before": "010203040506", "mac_after": "010203040599"}
    changed = code in ("changed", "added", "removed")
    files = {"files": _FILES, "transaction": TRANSACTION} if changed else {}
    made = host("gv2p", outcome, f"mac_binding.{code}", *notices, **macs | files | data)
    return made.model_copy(update={"undo": {"transaction": TRANSACTION} if changed else None})


def mac_result(studio: Studio, made: HostResult, *, privileged: bool = False, check: bool = False) -> Reply:
    """Return the answer to Ana's job."""
    status = "failed" if made.outcome == "failed" else "successful"
    report = Report(status=status, check=check, hosts=(made,), seconds=1.6)
    job = mac_job(language=studio.language, check=check)
    return studio.composer.result(job, report, privileged=privileged)


SAMPLES: Mapping[str, Sample] = {
    "mac-changed": lambda studio: mac_result(studio, mac_host("changed", "changed", _GROUP_BIT)),
    "mac-changed-for-administrator": lambda studio: mac_result(
        studio, mac_host("changed", "changed"), privileged=True
    ),
    "mac-preview": lambda studio: mac_result(
        studio, mac_host("changed", "changed", _GROUP_BIT, diff=MAC_DIFF), check=True
    ),
    "mac-mismatch": lambda studio: mac_result(studio, mac_host("failed", "mismatch", present=TRUE_MAC)),
    "mac-mismatch-for-administrator": lambda studio: mac_result(
        studio, mac_host("failed", "mismatch", present=TRUE_MAC), privileged=True
    ),
}
