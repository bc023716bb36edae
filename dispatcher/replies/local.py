"""The answers to commands without a playbook, and whom a change of the whitelist concerns besides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone

from dispatcher.commands import COMMANDS
from dispatcher.i18n import N_
from dispatcher.jobs.job import Job
from dispatcher.mail.sender import Sender
from dispatcher.mail.whitelist import Change, Whitelist
from dispatcher.replies import standing, table
from dispatcher.replies.compose import Composer, Reply, Thread
from dispatcher.replies.result import view
from dispatcher.replies.sentences import RESULTS, fill
from dispatcher.runs.report import Report

_MOST = 100  # addresses in the mail itself; all of them are in the table
_DONE = {"add": "added", "remove": "removed", "change": "changed"}


def whitelist(composer: Composer, job: Job, report: Report) -> Reply:
    """Show the list, or what became of a change."""
    order = job.order
    shown = view(report, order, order.language)
    senders = report.hosts[0].data.get("senders", []) if report.hosts else []
    values = {
        "job": job, "report": report, "view": shown, "senders": senders[:_MOST],
        "rest": max(0, len(senders) - _MOST),
    }  # fmt: skip
    attached = {N_("remetentes.csv"): table.senders(senders, order.language)} if len(senders) > _MOST else {}
    return composer.compose("whitelist", Thread.of_order(order), values, attached=attached)


def help_(composer: Composer, job: Job, report: Report) -> Reply:
    """Show what the sender may send."""
    data = report.hosts[0].data if report.hosts else {}
    values = {"job": job, "topic": data.get("topic", ""), "commands": data.get("commands", [])}
    return composer.compose("help", Thread.of_order(job.order), values)


def jobs(composer: Composer, job: Job, report: Report) -> Reply:
    """Show where jobs stand, or what became of a cancel."""
    order = job.order
    shown, data = view(report, order, order.language), report.hosts[0].data
    listed = standing.rows(data.get("jobs", []), order.language)
    ends = [row.id for row in listed if row.finished_at is None]
    values = {
        "job": job, "report": report, "view": shown, "jobs": listed, "rest": data.get("rest", 0),
        "ended": standing.rows(data["ended"], order.language) if "ended" in data else None,
        "paused": data.get("paused", []),
        "said": "" if order.keyword == "STATUS" and listed else shown.servers[0].said,
        "cancelable": ends[0] if ends and order.keyword == "STATUS" else None,
    }  # fmt: skip
    return composer.compose("jobs", Thread.of_order(order), values)


# By keyword: how a local command's result is shown. One that is not here is shown as every other result.
ANSWERS: Mapping[str, Callable[[Composer, Job, Report], Reply]] = {
    "WHITELIST": whitelist,
    "AJUDA": help_,
    "STATUS": jobs,
    "CANCELAR": jobs,
}


def answer(composer: Composer, job: Job, report: Report) -> Reply:
    """Return the answer to a local command that was carried out, or failed."""
    own = ANSWERS.get(job.order.keyword)
    return own(composer, job, report) if own and report.hosts else composer.result(job, report)


def news(
    composer: Composer, whitelist: Whitelist, before: Mapping[str, Sender], *, welcome: bool
) -> list[Reply]:
    """Return the mails to all administrators, but not to whoever changed the list: that one knows.

    ``before``: the list before the change. An administrator who was taken off it is told, too. ``welcome``:
    whoever was put on the list hears what this is.
    """
    mails = []
    for number, change in whitelist.changes.items():
        cause = f"whitelist {number}"
        administrators = {one.address: one for one in before.values() if one.privileged}
        if change.sender.privileged:
            administrators[change.sender.address] = change.sender
        if change.action == "add" and welcome:
            administrators.pop(change.sender.address, None)
            mails.append(_welcome(composer, change.sender, whitelist.by, cause))
        to = (one for one in administrators.values() if one.address != whitelist.by)
        mails += [_told(composer, change, whitelist.by, one, cause) for one in to]
    return mails


def _told(composer: Composer, change: Change, by: str, to: Sender, cause: str) -> Reply:
    code = f"whitelist.{_DONE[change.action]}"
    said = fill(RESULTS[code].headline or "", {"address": change.sender.address}, to.language)
    values = {"change": change, "by": by, "said": said, "at": datetime.now(timezone.utc)}
    return composer.compose("whitelist_told", Thread(to.address, to.language), values, cause=cause)


def _welcome(composer: Composer, sender: Sender, by: str, cause: str) -> Reply:
    """Tell somebody new what this is, and where a token comes from."""
    theirs = (kind for word, kind in COMMANDS.items() if not sender.commands or word in sender.commands)
    kind = next(theirs, COMMANDS["AJUDA"])
    values = {"sender": sender, "by": by, "example": kind.example}
    return composer.compose("welcome", Thread(sender.address, sender.language), values, cause=cause)
