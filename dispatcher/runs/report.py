"""What a run did, per server, in one shape for every command.

``from_results`` (below) sums up what ``events.py`` read from Ansible. Replies and shell read this alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Outcome = Literal["changed", "ok", "failed", "unreachable"]
Status = Literal["successful", "partial", "failed", "timeout", "canceled"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Notice(_Frozen):
    """Something beside the result that the reader should know: a code with its data."""

    code: str
    data: dict[str, Any] = {}


class Diff(_Frozen):
    """One thing before and after, as text."""

    before_header: str = ""
    after_header: str = ""
    before: str = ""
    after: str = ""


class HostResult(_Frozen):
    """What happened on one server: the module's result, or why there is none."""

    host: str
    outcome: Outcome
    code: str  # area.what, a row of dispatcher.replies.sentences
    data: dict[str, Any] = {}
    notices: tuple[Notice, ...] = ()
    diff: tuple[Diff, ...] = ()
    undo: dict[str, Any] | None = None
    seconds: float = 0.0


class Progress(_Frozen):
    """How far a long piece of work is: files and bytes done, of those that there are."""

    files: int
    of: int
    bytes: int
    of_bytes: int


class Report(_Frozen):
    """The run as a whole. ``status`` is also the job's last state."""

    status: Status
    check: bool = False
    hosts: tuple[HostResult, ...] = ()  # in the inventory's order
    problem: Notice | None = None  # why nothing could run at all
    seconds: float = 0.0


def canceled(by: str, sender: str | None, *, check: bool) -> Report:
    """Return the report of a job that was ended before anything ran. ``by``: who ended it."""
    return Report(status="canceled", check=check, problem=who_canceled(by, sender))


def who_canceled(by: str, sender: str | None) -> Notice:
    """Return what the sender of a job hears about who ended it: an address, or shell:account."""
    if by.startswith("shell:"):
        return Notice(code="run.canceled_at_shell", data={"by": by.removeprefix("shell:")})
    return Notice(code="run.canceled_by_sender" if by == sender else "run.canceled_by", data={"by": by})


def from_results(
    status: str, results: Mapping[str, HostResult], expected: Sequence[str], *, check: bool, seconds: float
) -> Report:
    """Return the report of a run that ended with this status of Ansible Runner.

    A server that was meant to be worked on and gave no result is a failure with a reason, never silence.
    """
    why = f"run.{status}" if status in ("timeout", "canceled") else "run.no_result"
    missing = {
        host: HostResult(host=host, outcome="failed", code=why) for host in expected if host not in results
    }
    hosts = tuple({**missing, **results}[host] for host in (*expected, *(set(results) - set(expected))))
    if status in ("timeout", "canceled"):
        return Report(status=status, check=check, hosts=hosts, seconds=seconds)
    good = sum(result.outcome in ("changed", "ok") for result in hosts)
    verdict: Status = "failed" if not good else "successful" if good == len(hosts) else "partial"
    problem = Notice(code="run.no_result") if not results else None
    return Report(status=verdict, check=check, hosts=hosts, problem=problem, seconds=seconds)
