"""The service, as `athome health` sees it."""

from __future__ import annotations

from dispatcher import __version__
from dispatcher.health.checks import Examination
from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart
from dispatcher.health.pulse import read

_HERE = ("mailbox", "outbox", "replies", "queue", "pauses")  # of readiness: the rest has an area of its own


def look(case: Case, chart: Chart) -> None:
    """Ask whether it lives; of one that does and is of this version, whether it can do its work."""
    examination = Examination(case.settings, case.language)
    findings = examination.liveness()
    told = read(case.settings.state_dir)
    # Asking the database upgrades it: not under a service of another version.
    if all(finding.status == "ok" for finding in findings) and told and told.version == __version__:
        findings += [finding for finding in examination.readiness() if finding.check in _HERE]
    for finding in findings:
        if finding.status == "ok":
            chart.ok(finding.check, finding.said)
        else:
            note = chart.failing if finding.status == "failing" else chart.warning
            note(finding.check, finding.said, finding.way_out)
