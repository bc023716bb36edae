"""How problems, progress and reports look in a terminal: the same sentences as in the mails."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Collection, Sequence
from datetime import datetime, timezone, tzinfo
from gettext import NullTranslations
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dispatcher.commands import InvalidCommand
from dispatcher.commands.local import DISPATCHER
from dispatcher.commands.parser import Request, parse
from dispatcher.commands.undo import Undo
from dispatcher.i18n import N_, translations
from dispatcher.inventory import Inventory
from dispatcher.jobs import undoing
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Job, State
from dispatcher.jobs.standing import Standing
from dispatcher.replies.recordings import Recordings
from dispatcher.replies.result import ServerRow, label, view
from dispatcher.replies.sentences import invented, sentence
from dispatcher.replies.standing import STATES, rows, waits
from dispatcher.runs.report import HostResult, Report
from dispatcher.settings import Settings

_TOKEN = re.compile(r"^\s*\[[^\]]{0,64}\]")

_COLORS = {"changed": "green", "ok": "cyan", "failed": "bold red", "unreachable": "bold yellow"}
_BACK = {
    "undo": N_("Para desfazer:"),
    "again": N_("Para fazer de novo:"),
    "reverse": N_("Para trocar de volta só isso:"),
}
_STYLES = {"+": "green", "-": "red", "@": "bold"}


def language() -> NullTranslations:
    """Return the shell's language: Portuguese, unless ATHOME_LANGUAGE says otherwise."""
    return translations(language_name())


def language_name() -> str:
    """Return ``pt_BR`` or what ATHOME_LANGUAGE names."""
    return os.environ.get("ATHOME_LANGUAGE", "pt_BR")


def requested(subject: str, inventory: Inventory, settings: Settings, *, as_json: bool) -> Request:
    """Return what a subject asks for, or print everything that is wrong with it and end with exit code 2.

    What stands in a token's place is dropped unread: a shell needs none.
    """
    try:
        request = parse(_TOKEN.sub("", subject, count=1), inventory)
        if isinstance(request.command, Undo):  # the only one that the database has to be asked about
            return undoing.found(connect(settings.job_store), request, None, inventory)
    except InvalidCommand as error:
        problems(error, as_json=as_json)
        sys.exit(2)
    return request


def problems(error: InvalidCommand, *, as_json: bool) -> None:
    """Print everything that is wrong with a subject, and one to copy."""
    listed = [
        {
            "field": problem.field,
            "value": problem.value,
            "code": problem.code,
            "message": sentence(problem.code, dict(problem.data), language_name()),
            "suggestion": problem.suggestion,
        }
        for problem in error.problems
    ]
    if as_json:
        answer = {
            "valid": False,
            "problems": listed,
            "corrected": error.corrected,
            "invented": list(error.invented),
        }
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    _ = language().gettext
    for item in listed:
        place = (item["field"] or _("assunto")) + ": " if item["field"] or item["value"] else ""
        found = f" ({item['value']!r})" if item["value"] else ""
        click.echo(f"{place}{item['message']}{found}", err=True)
        if item["suggestion"]:
            click.echo("   " + _("quis dizer {0}?").format(item["suggestion"]), err=True)
    title = _("Em vez disso:") if error.understood else _("Exemplo correto:")
    click.echo(f"{title} {error.corrected}", err=True)
    if error.invented:
        click.echo("   " + invented(error.invented, language_name()), err=True)


def host_line(result: HostResult, *, check: bool) -> Text:
    """Return one server's result as a line, as it comes in."""
    word = label(result, language_name(), check=check)
    said = sentence(result.code, result.data, language_name(), check=check, privileged=True)
    return Text.assemble((f"{result.host:<10}", "bold"), (f"{word:<12}", _COLORS[result.outcome]), said)


def report(console: Console, job: Job, shown: Report, zone: tzinfo) -> None:
    """Print what the mail says: the whole in one line, each server, what would change, what to do.

    Whoever has the shell may read what is confidential.
    """
    _ = language().gettext
    seen = view(shown, job.order, language_name(), privileged=True, number=job.id)
    console.print(Text(f"{seen.verdict} — {seen.headline}" if seen.headline else seen.verdict, style="bold"))
    if seen.problem:
        console.print(Text(seen.problem, style="bold red"))
    if local := [host for host in shown.hosts if host.host == DISPATCHER]:
        _local(console, local[0], check=shown.check)
    elif seen.servers:
        _servers(console, seen.servers)
    if seen.recordings:
        _recordings(console, seen.recordings, zone)
    for change in seen.changes:
        console.print(Text(f"\n{change.servers}", style="bold"))
        for line in change.lines:
            sign = "" if line.sign == "@" else line.sign
            console.print(Text(f"{sign}{line.text}", style=_STYLES.get(line.sign, "dim")))
    for step in seen.steps:
        console.print(Text(f"\n{step.servers}: {step.text}" if step.servers else f"\n{step.text}"))
    if seen.undo:
        console.print(Text(f"\n{_(_BACK[seen.undo.kind])} athome run '{seen.undo.subject}'"))
        if seen.undo.line:
            console.print(Text(_("Com o Ansible:") + f" {seen.undo.line}", style="dim"))


def _local(console: Console, result: HostResult, *, check: bool) -> None:
    """Print what came of a command without a playbook: the list, the help, or a sentence."""
    _ = language().gettext
    table = Table(box=None, pad_edge=False, header_style="dim")
    if "senders" in result.data:
        for title in (_("Endereço"), _("Papel"), _("Comandos")):
            table.add_column(title)
        for one in result.data["senders"]:
            table.add_row(escape(one["address"]), one["role"], " ".join(one["commands"] or ()))
    elif "commands" in result.data:
        for one in result.data["commands"]:
            purpose = one["purpose"]
            table.add_row(Text(one["keyword"], style="bold"), Text(_(purpose)))
            table.add_row("", Text(f"athome run '{one['example']}'"))
            for name, meaning in one["parts"].items() if result.data["topic"] else ():
                table.add_row("", Text(f"{name}: {_(meaning)}", style="dim"))
    else:
        table.add_row(Text(sentence(result.code, result.data, language_name(), check=check)))
        listed = [*result.data.get("jobs", ()), *result.data.get("ended", ())]
        for row in rows(listed, language_name()):
            text = "\n".join(
                filter(None, (f"Job {row.id}: {row.label}", row.subject, row.sender, *row.lines))
            )
            table.add_row(Text(text))
    console.print(table)


def _servers(console: Console, servers: Sequence[ServerRow]) -> None:
    _ = language().gettext
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in (_("Servidor"), _("Resultado"), _("O que aconteceu")):
        table.add_column(title)
    for server in servers:
        said = "\n".join(filter(None, (server.said, *server.notices, server.detail)))
        table.add_row(escape(server.name), Text(server.label, style=_COLORS[server.outcome]), Text(said))
    console.print(table)


def _recordings(console: Console, shown: Recordings, zone: tzinfo) -> None:
    _ = language().gettext
    if shown.found:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in (_("Ramal"), _("Gravações"), _("Dias")):
            table.add_column(title)
        for one in shown.found:
            table.add_row(escape(one.extension), one.said, one.days)
        console.print()
        console.print(table)
    for lost in shown.lost:
        console.print(Text(f"{lost.name} {lost.why}", style="yellow"))
    for hint in shown.hints:
        console.print(Text(hint))
    if shown.link:
        console.print()
        console.print(Text(shown.about))
        if shown.expires:
            until = shown.expires.astimezone(zone).strftime("%d/%m/%Y %H:%M")
            console.print(Text(_("O link vale até %(time)s.") % {"time": until}))
        console.print(Text(shown.link))
    if shown.instead:
        console.print(Text(f"\n{shown.instead.title} athome run '{shown.instead.subject}'"))


def waited_for(seen: Standing, language: str) -> tuple[str, ...]:
    """Return what a job waits for, a sentence each."""
    return waits((wait.model_dump() for wait in seen.waits), language)


def standing(job: Job, zone: tzinfo, paused: Collection[str] = ()) -> str:
    """Return where a job stands, and of one that may not start yet, why. ``paused``: servers."""
    _ = language().gettext
    state = "stopping" if job.canceled_by and not job.state.terminal else job.state.value
    text = _(STATES[state])
    if job.state is not State.QUEUED:
        return text
    if held := [name for name in job.order.locks if name in paused]:
        return _("{0}: {1} em pausa").format(text, ", ".join(held))
    if job.too_new:
        return _("{0}: pede uma versão mais nova do programa").format(text)
    if job.not_before and job.not_before > datetime.now(timezone.utc):
        return _("{0} até {1}").format(text, job.not_before.astimezone(zone).strftime("%H:%M:%S"))
    return text


def job_json(job: Job) -> dict[str, Any]:
    """Return a job as JSON data."""
    order = job.order
    return {
        "id": job.id,
        "subject": order.subject,
        "check": order.check,
        "state": job.state.value,
        "servers": list(order.servers),
        "sender": order.sender,
        "attempts": job.attempts,
        "not_before": job.not_before.isoformat() if job.not_before else None,
        "too_new": job.too_new,
        "canceled_by": job.canceled_by,
        "retry_of": order.retry_of,
        "undoes": order.undoes,
        "preview_of": order.preview_of,
        "confirmed_by": job.confirmed_by,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "report": job.report.model_dump(mode="json") if job.report else None,
    }


def say(text: str, *values: object) -> None:
    """Say something beside the standard output, which has the token alone."""
    click.echo(language().gettext(text).format(*values), err=True)
