"""How problems, progress and reports look in a terminal: the same sentences as in the mails."""

from __future__ import annotations

import json
import os
import re
from gettext import NullTranslations
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dispatcher.commands import InvalidCommand
from dispatcher.i18n import N_, translations
from dispatcher.jobs.job import Job
from dispatcher.replies.diff import rows
from dispatcher.replies.sentences import sentence
from dispatcher.replies.visible import visible
from dispatcher.runs.report import HostResult, Report

_TOKEN = re.compile(r"^\s*\[[^\]]{0,64}\]")

_OUTCOMES = {
    "changed": (N_("mudou"), "green"),
    "ok": (N_("já estava"), "cyan"),
    "failed": (N_("falhou"), "bold red"),
    "unreachable": (N_("inacessível"), "bold yellow"),
}
_STYLES = {"+": "green", "-": "red"}
_WOULD_CHANGE = N_("mudaria")

STATES = {
    "queued": N_("na fila"),
    "running": N_("em execução"),
    "successful": N_("concluído"),
    "partial": N_("parcial"),
    "failed": N_("falhou"),
    "timeout": N_("tempo esgotado"),
    "canceled": N_("cancelado"),
}


def language() -> NullTranslations:
    """Return the shell's language: Portuguese, unless ATHOME_LANGUAGE says otherwise."""
    return translations(language_name())


def language_name() -> str:
    """Return ``pt_BR`` or what ATHOME_LANGUAGE names."""
    return os.environ.get("ATHOME_LANGUAGE", "pt_BR")


def without_token(subject: str) -> str:
    """Return a subject without what stands in the token's place: dropped unread, a shell needs none."""
    return _TOKEN.sub("", subject, count=1)


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
        answer = {"valid": False, "problems": listed, "corrected": error.corrected}
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    _ = language().gettext
    for item in listed:
        place = (item["field"] or _("assunto")) + ": " if item["field"] or item["value"] else ""
        found = f" ({item['value']!r})" if item["value"] else ""
        click.echo(f"{place}{item['message']}{found}", err=True)
        if item["suggestion"]:
            click.echo("   " + _("quis dizer {0}?").format(item["suggestion"]), err=True)
    click.echo(_("Exemplo correto:") + f" {error.corrected}", err=True)


def host_line(result: HostResult, *, check: bool) -> Text:
    """Return one server's result as a line."""
    word, style = _outcome(result, check=check)
    return Text.assemble((f"{result.host:<10}", "bold"), (f"{word:<12}", style), _said(result, check=check))


def report(console: Console, shown: Report) -> None:
    """Print a report: a table of servers, what else is to be known, and what changed."""
    _ = language().gettext
    if shown.problem:
        console.print(
            Text(sentence(shown.problem.code, shown.problem.data, language_name()), style="bold red")
        )
    if shown.hosts:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in (_("Servidor"), _("Resultado"), _("O que aconteceu")):
            table.add_column(title)
        for host in shown.hosts:
            word, style = _outcome(host, check=shown.check)
            table.add_row(escape(host.host), Text(word, style=style), Text(_said(host, check=shown.check)))
        console.print(table)
    for host in shown.hosts:
        for line in rows(host.diff):
            if line.sign == "@":
                console.print(Text(f"\n{host.host}: {line.text}", style="bold"))
            else:
                console.print(Text(f"{line.sign}{line.text}", style=_STYLES.get(line.sign, "dim")))
    if shown.check:
        console.print(Text(_("Simulação: nada foi alterado."), style="bold"))


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
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "report": job.report.model_dump(mode="json") if job.report else None,
    }


def _outcome(result: HostResult, *, check: bool) -> tuple[str, str]:
    word, style = _OUTCOMES[result.outcome]
    return language().gettext(_WOULD_CHANGE if check and result.outcome == "changed" else word), style


def _said(result: HostResult, *, check: bool) -> str:
    texts = [sentence(result.code, result.data, language_name(), check=check)]
    texts += [sentence(notice.code, notice.data, language_name()) for notice in result.notices]
    if words := result.data.get("msg"):  # SSH's own: a refused key is not a server that is off
        texts.append(visible(str(words)))
    return "\n".join(texts)
