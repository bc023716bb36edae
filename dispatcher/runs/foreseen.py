"""What a preview has shown, in a form that can be compared with what the servers show later."""

from __future__ import annotations

import json
from difflib import unified_diff
from hashlib import sha256
from typing import Any

from dispatcher.runs.report import Diff, HostResult, Report

DRIFTED = "preview.drifted"  # the servers are no longer as the preview showed them: nothing was done
INTERRUPTED = "preview.interrupted"  # the same after a start that was broken off: it may have done a part
UNDONE = (DRIFTED, INTERRUPTED)
MOOT = "preview.moot"  # nothing is left to be done


def digest(report: Report) -> str:
    """Return the same 64 hex digits for the same outcomes, codes and differences on the same servers.

    Nothing else counts: times, a failure's own words and the order of the servers differ from run to run, and
    what stands beside a line that changes is somebody else's.
    """
    facts = sorted((_facts(host) for host in report.hosts), key=lambda one: str(one[0]))
    plain = json.dumps(facts, ensure_ascii=True, separators=(",", ":"))
    return sha256(plain.encode()).hexdigest()


def may_follow(report: Report) -> bool:
    """Whether a run that has only looked came to its end, and would change something."""
    whole = report.status not in ("timeout", "canceled")
    known = report.problem is None or report.problem.code in UNDONE
    return report.check and whole and known and would_change(report)


def would_change(report: Report) -> bool:
    """Whether there is a server that would change, or has."""
    return any(host.outcome == "changed" for host in report.hosts)


def is_rest_of(now: Report, before: Report) -> bool:
    """Whether each server is either in order now, or still as it was shown before."""
    shown = {host.host: _facts(host) for host in before.hosts}
    return all(host.outcome == "ok" or shown.get(host.host) == _facts(host) for host in now.hosts)


def _facts(host: HostResult) -> list[Any]:
    return [host.host, host.outcome, host.code, [_lines(diff) for diff in host.diff]]


def _lines(diff: Diff) -> list[str]:
    """Return a difference's titles, and the lines that it takes out and puts in."""
    before, after = diff.before.splitlines(), diff.after.splitlines()
    changed = list(unified_diff(before, after, lineterm="", n=0))[2:]
    return [diff.before_header, diff.after_header, *(line for line in changed if line[0] in "+-")]
