"""``athome jobs``: what has been asked for, and what came of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dispatcher.cli.show import job_json, language, report, standing
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import State
from dispatcher.jobs.store import Store
from dispatcher.settings import load


@click.group()
def jobs() -> None:
    """Mostra os jobs: os comandos aceitos, seu estado e seu resultado."""


@jobs.command("list")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Quantos, no máximo."
)
@click.option("--state", type=click.Choice([state.value for state in State]), help="Só os que estão assim.")
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def list_jobs(settings_path: Path, limit: int, state: str | None, *, as_json: bool) -> None:
    """Lista os jobs, os mais novos primeiro."""
    settings = load(settings_path)
    found = Store(connect(settings.job_store)).recent(limit, State(state) if state else None)
    if as_json:
        click.echo(json.dumps([job_json(job) for job in found], ensure_ascii=False, indent=2))
        return
    _ = language().gettext
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("Job", _("Criado"), _("Estado"), _("Comando"), _("De"), _("Servidores")):
        table.add_column(title, overflow="fold", no_wrap=title == _("Comando"))
    for job in found:
        created = job.created_at.astimezone(settings.zone).strftime("%d/%m/%Y %H:%M:%S")
        command = job.order.subject + (" SIMULAR" if job.order.check else "")
        sender = job.order.sender or _("terminal")
        state, servers = standing(job, settings.zone), " ".join(job.order.servers)
        row = (str(job.id), created, state, command, sender, servers)
        table.add_row(*map(escape, row))
    # Into a pipe or a file each job is one line, however long.
    width = None if sys.stdout.isatty() else 1000
    Console(highlight=False, soft_wrap=True, width=width).print(table if found else _("Nenhum job."))


@jobs.command("show")
@click.argument("job_id", metavar="JOB", type=int)
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def show_job(settings_path: Path, job_id: int, *, as_json: bool) -> None:
    """Mostra um JOB com seu resultado em cada servidor."""
    settings = load(settings_path)
    job = Store(connect(settings.job_store)).job(job_id)
    if as_json:
        click.echo(json.dumps(job_json(job), ensure_ascii=False, indent=2))
        return
    _ = language().gettext
    console = Console(highlight=False, soft_wrap=True)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("Job", str(job.id))
    table.add_row(_("Comando"), escape(job.order.subject + (" SIMULAR" if job.order.check else "")))
    table.add_row(_("Estado"), standing(job, settings.zone))
    table.add_row(_("Servidores"), escape(", ".join(job.order.servers)))
    table.add_row(_("De"), escape(job.order.sender or _("terminal")))
    for title, moment in (
        (_("Criado"), job.created_at),
        (_("Início"), job.started_at),
        (_("Fim"), job.finished_at),
    ):
        if moment:
            table.add_row(title, moment.astimezone(settings.zone).strftime("%d/%m/%Y %H:%M:%S"))
    table.add_row(_("Tentativas"), str(job.attempts))
    console.print(table)
    if job.report:
        console.print()
        report(console, job.report, job.order, settings.zone)
    ansible = settings.state_dir / "runs" / str(job.id) / "artifacts" / "stdout"
    if ansible.is_file():
        console.print(Text(_("O que o Ansible disse:") + f" {ansible}", style="dim"))
