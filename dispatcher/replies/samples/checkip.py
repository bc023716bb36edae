"""What CHECKIP is answered: done, already so, in part, previewed, crashed, canceled, too long for a mail."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.jobs.job import Job, Order
from dispatcher.replies.compose import Reply
from dispatcher.replies.samples.studio import Sample, Studio, host, running
from dispatcher.runs.report import Diff, HostResult, Notice, Report, canceled

UNBANNED = host(
    "gv1p", "changed", "fail2ban.unbanned", jails=["sshd"],
    undo={"state": "absent", "address": "203.0.113.7"},
)  # fmt: skip
UNREACHABLE = host(
    "voip1", "unreachable", "host.unreachable",
    msg="Failed to connect to the host via ssh: connect to host 192.0.2.21 port 22: Connection timed out",
)  # fmt: skip
_WHITELIST = Diff(
    before_header="/etc/fail2ban/jail.d/zz-athome-whitelist.local",
    after_header="/etc/fail2ban/jail.d/zz-athome-whitelist.local",
    before="[DEFAULT]\nathome_whitelist = 198.51.100.23\n",
    after="[DEFAULT]\nathome_whitelist = 198.51.100.23\n  203.0.113.7\n",
)
_BANS = Diff(
    before_header="bans and run-time whitelist of 203.0.113.7",
    after_header="bans and run-time whitelist of 203.0.113.7",
    before="asterisk: not banned, not whitelisted\nsshd: banned, not whitelisted\n",
    after="asterisk: not banned, whitelisted\nsshd: not banned, whitelisted\n",
)


def job(*, language: str = "pt_BR", check: bool = False, subject: str = "CHECKIP=203.0.113.7") -> Job:
    """Return Ana's job; the subject need not be a valid one."""
    servers = ("gv1p", "gv2p", "gv3p", "voip1")
    return running(
        Order(
            keyword="CHECKIP", subject=subject, arguments={"checkip": "203.0.113.7"}, check=check,
            servers=servers, locks=servers, language=language, sender="ana@example.com",
            message_id="<CAF7E-1@mail.example.com>", references="<CAF7E-0@mail.example.com>",
        )
    )  # fmt: skip


def result(studio: Studio, report: Report) -> Reply:
    """Return the answer to Ana's job."""
    return studio.composer.result(job(check=report.check, language=studio.language), report)


def same(*names: str) -> tuple[HostResult, ...]:
    """Return servers on which there was nothing to do."""
    return tuple(host(name, "ok", "fail2ban.already_whitelisted", jails=[]) for name in names)


def done() -> Report:
    """Return the usual result."""
    return Report(status="successful", hosts=(UNBANNED, *same("gv2p", "gv3p", "voip1")), seconds=2.1)


def partial() -> Report:
    """Return a result with everything in it: done, done with a notice, failed, out of reach."""
    notice = Notice(code="fail2ban.subnet_ban", data={"network": "203.0.113.0/24", "jail": "recidive"})
    down = host("gv3p", "failed", "fail2ban.down")
    gv2p = host("gv2p", "changed", "fail2ban.whitelisted", notice, jails=[])
    return Report(status="partial", hosts=(UNBANNED, gv2p, down, UNREACHABLE), seconds=12.34)


def preview() -> Report:
    """Return what a preview finds; two of the servers would change alike."""
    first = host("gv1p", "changed", "fail2ban.unbanned", jails=["sshd"], diff=(_WHITELIST, _BANS))
    others = (
        host(name, "changed", "fail2ban.whitelisted", jails=[], diff=(_WHITELIST,))
        for name in ("gv2p", "gv3p")
    )
    return Report(status="successful", check=True, hosts=(first, *others, *same("voip1")), seconds=1.8)


def _large() -> Report:
    error = "não foi possível " * 30
    notices = (Notice(code="fail2ban.config_broken", data={"error": error}),) * 3
    many = (
        host(f"sip{number:03}", "failed", "fail2ban.error", *notices, error=error) for number in range(400)
    )
    return Report(status="failed", hosts=tuple(many), seconds=250.0)


_ALL_SAME = Report(status="successful", hosts=same("gv1p", "gv2p", "gv3p", "voip1"), seconds=1.4)
_CRASHED = Report(status="failed", problem=Notice(code="run.crashed", data={"attempts": 5}))

SAMPLES: Mapping[str, Sample] = {
    "done": lambda studio: result(studio, done()),
    "same": lambda studio: result(studio, _ALL_SAME),
    "partial": lambda studio: result(studio, partial()),
    "preview": lambda studio: result(studio, preview()),
    "crashed": lambda studio: result(studio, _CRASHED),
    "canceled": lambda studio: result(studio, canceled("bia@example.com", "ana@example.com", check=False)),
    "large": lambda studio: result(studio, _large()),
}
