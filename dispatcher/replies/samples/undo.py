"""What DESFAZER is answered: undone, previewed, refused by the server, refused at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dispatcher.commands import InvalidCommand, Problem
from dispatcher.commands.parser import Request
from dispatcher.commands.undo import Undo, Way
from dispatcher.jobs.job import Order
from dispatcher.replies.compose import Reply
from dispatcher.replies.samples import checkip, macchange
from dispatcher.replies.samples.studio import FLEET, Sample, Studio, host, message, ordered, running
from dispatcher.runs.report import Diff, HostResult, Report

_OFF_THE_LIST = Diff(
    before_header="/etc/fail2ban/jail.d/zz-athome-whitelist.local",
    after_header="/etc/fail2ban/jail.d/zz-athome-whitelist.local",
    before="[DEFAULT]\nathome_whitelist = 198.51.100.23\n  203.0.113.7\n",
    after="[DEFAULT]\nathome_whitelist = 198.51.100.23\n",
)
_BACK = {"extension": "3010", "mac_before": "010203040599", "mac_after": "010203040506"}


def order(undone: Order, servers: tuple[str, ...], language: str, *, check: bool = False) -> Order:
    """Return the order that takes job 41 back, which was another order's."""
    command = undone.command()
    done = [host(name, "changed", "", undo={"transaction": macchange.TRANSACTION}) for name in servers]
    reverse = command.reverse()
    way = Way(
        keyword=undone.keyword, subject=undone.subject, reverse=reverse.subject() if reverse else "",
        playbook=command.undo_playbook, servers=servers, extravars=command.undo_extravars(done),
    )  # fmt: skip
    found = Order.of(Request(Undo(job=41, way=way), check), FLEET, language=language)
    return replace(found, sender=undone.sender, message_id=undone.message_id, references=undone.references)


def _answer(studio: Studio, undone: Order, *hosts: HostResult, **report: Any) -> Reply:
    made = order(undone, tuple(one.host for one in hosts), studio.language, check=report.get("check", False))
    status = "failed" if all(one.outcome == "failed" for one in hosts) else "successful"
    return studio.composer.result(running(made), Report(status=status, hosts=hosts, seconds=1.7, **report))


def _checkip(studio: Studio, *hosts: HostResult, **report: Any) -> Reply:
    return _answer(studio, checkip.job(language=studio.language).order, *hosts, **report)


def _macchange(studio: Studio, *hosts: HostResult) -> Reply:
    return _answer(studio, ordered(macchange.MACCHANGE.subject(), studio.language), *hosts)


def _rejected(studio: Studio, code: str, instead: str, **data: str) -> Reply:
    problem = Problem(field="DESFAZER", value="41", code=code, data=data)
    return studio.composer.rejected(
        studio.ana, message("[········] DESFAZER 41"), InvalidCommand((problem,), instead, understood=True)
    )


SAMPLES: Mapping[str, Sample] = {
    "checkip-undone": lambda studio: _checkip(
        studio,
        host("gv1p", "changed", "fail2ban.removed"),
        host("gv2p", "ok", "fail2ban.not_whitelisted"),
    ),
    "checkip-undo-preview": lambda studio: _checkip(
        studio, host("gv1p", "changed", "fail2ban.removed", diff=(_OFF_THE_LIST,)), check=True
    ),
    "mac-undone": lambda studio: _macchange(studio, host("gv2p", "changed", "mac_binding.undone", **_BACK)),
    "mac-undo-changed-since": lambda studio: _macchange(
        studio, host("gv2p", "failed", "mac_binding.changed_since", files=["/etc/asterisk/users.conf"])
    ),
    "undo-of-another": lambda studio: _rejected(studio, "job.unknown", "STATUS", id="41"),
    "undo-relied": lambda studio: _rejected(studio, "undo.relied", "STATUS 41", by="57"),
}
