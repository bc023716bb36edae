"""A report → how to go back on it, by one more command."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dispatcher.commands.undo import Undo
from dispatcher.jobs.job import Order
from dispatcher.replies.sentences import RESULTS
from dispatcher.replies.visible import visible
from dispatcher.runs.report import HostResult, Report


@dataclass(frozen=True, slots=True)
class Back:
    """A command to send. It may undo; after an undo, do it again; after a refused one, do the reverse."""

    kind: Literal["undo", "again", "reverse"]
    subject: str
    line: str = ""  # the same with Ansible alone; only for the privileged


def way_back(report: Report, order: Order, number: int | None, *, privileged: bool) -> Back | None:
    """Return the way back from what was really changed, if there is one. ``number``: the job's."""
    changed = [host for host in report.hosts if host.undo or host.outcome == "changed"]
    refused = any(host.code in RESULTS and RESULTS[host.code].reverse for host in report.hosts)
    if number is None or not (changed or refused):
        return None
    command = order.command()
    if isinstance(command, Undo):
        return _after_undo(command, report, refused=refused)
    undoable = [host for host in changed if host.undo]
    if report.check or not undoable or not command.undo_playbook:
        return None
    line = _line(command.undo_playbook, undoable, command.undo_extravars(undoable)) if privileged else ""
    return Back("undo", Undo(job=number).subject(), line)


def _after_undo(command: Undo, report: Report, *, refused: bool) -> Back | None:
    """Return what does an undone thing again, or does by another way what the servers refused to undo."""
    if command.way is None:
        return None
    if refused and command.way.reverse:
        return Back("reverse", command.way.reverse + (" SIMULAR" if report.check else ""))
    return None if report.check else Back("again", command.way.subject)


def _line(playbook: str, hosts: Iterable[HostResult], extravars: Mapping[str, Any]) -> str:
    """Return what an operator of Ansible types. What is from a server is quoted for the shell."""
    limit = shlex.quote(",".join(host.host for host in hosts))
    given = (f"-e {shlex.quote(visible(f'{name}={value}', 80))}" for name, value in extravars.items())
    return " ".join((f"ansible-playbook -i INVENTARIO playbooks/{playbook} --limit {limit}", *given))
