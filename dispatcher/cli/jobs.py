"""``athome jobs``: what has been asked for, what came of it, and what a person does about it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dispatcher.cli.follow import follow as followed
from dispatcher.cli.purge import purge
from dispatcher.cli.show import job_json, language, language_name, report, standing, waited_for
from dispatcher.errors import NotNowError
from dispatcher.jobs import rows
from dispatcher.jobs.database import connect, reading
from dispatcher.jobs.job import State
from dispatcher.jobs.pauses import Pauses
from dispatcher.jobs.standing import standing as where
from dispatcher.jobs.store import Store
from dispatcher.mail.senders import shell_account
from dispatcher.replies.compose import Composer
from dispatcher.settings import load


@click.group()
def jobs() -> None:
    """Mostra os jobs: os comandos aceitos, seu estado e seu resultado; cancela e repete."""


jobs.add_command(purge)  # also where one looks for it first


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
    engine = connect(settings.job_store)
    found = Store(engine).recent(limit, State(state) if state else None)
    paused = [pause.server for pause in Pauses(engine).all()]
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
        state, servers = standing(job, settings.zone, paused), " ".join(job.order.servers)
        row = (str(job.id), created, state, command, sender, servers)
        table.add_row(*map(escape, row))
    # Into a pipe or a file each job is one line, however long.
    width = None if sys.stdout.isatty() else 1000
    Console(highlight=False, soft_wrap=True, width=width).print(table if found else _("Nenhum job."))


@jobs.command("show")
@click.argument("job_id", metavar="JOB", type=int)
@click.option("--follow", is_flag=True, help="Acompanha até o fim: o que o Ansible diz, à medida que diz.")
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def show_job(settings_path: Path, job_id: int, *, follow: bool, as_json: bool) -> None:
    """Mostra um JOB com seu resultado em cada servidor.

    Ctrl-C deixa de acompanhar; o job continua (athome jobs cancel o encerra).
    """
    settings = load(settings_path)
    store = Store(connect(settings.job_store))
    if follow:
        followed(settings, store, job_id, Console(highlight=False, soft_wrap=True, stderr=as_json))
    with reading(store.engine) as connection:
        seen = where(connection, rows.one(connection, job_id))
    job = seen.job
    if as_json:
        click.echo(json.dumps(job_json(job), ensure_ascii=False, indent=2))
        return
    _ = language().gettext
    console = Console(highlight=False, soft_wrap=True)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("Job", str(job.id))
    table.add_row(_("Comando"), escape(job.order.subject + (" SIMULAR" if job.order.check else "")))
    table.add_row(_("Estado"), standing(job, settings.zone))
    for said in waited_for(seen, language_name()):
        table.add_row(_("Espera"), escape(said))
    for title, value in (
        (_("Cancelado por"), job.canceled_by),
        (_("Repete o job"), job.order.retry_of),
        (_("Desfaz o job"), job.order.undoes),
        (_("Faz o que mostrou o job"), job.order.preview_of),
        (_("Confirmado por"), job.confirmed_by),
    ):
        if value:
            table.add_row(title, escape(str(value)))
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
        report(console, job, job.report, settings.zone)
    ansible = settings.state_dir / "runs" / str(job.id) / "artifacts" / "stdout"
    if ansible.is_file():
        console.print(Text(_("O que o Ansible disse:") + f" {ansible}", style="dim"))


@jobs.command()
@click.argument("job_id", metavar="JOB", type=int)
@click.pass_obj
def cancel(settings_path: Path, job_id: int) -> None:
    """Cancela um JOB que não terminou: o que espera sai da fila, o que está em execução é interrompido.

    Quem o pediu por e-mail recebe a resposta final, que diz quem o cancelou.
    """
    settings = load(settings_path)
    job = Store(connect(settings.job_store)).cancel(job_id, shell_account(), Composer(settings).result)
    _ = language().gettext
    if not job.canceled_by:
        state = standing(job, settings.zone)
        raise NotNowError(
            _("O job {0} já terminou ({1}): não há o que cancelar.").format(job_id, state),
            _("O que ele fez está em: athome jobs show {0}").format(job_id),
        )
    if job.state.terminal:
        click.echo(_("Job {0} cancelado.").format(job_id))
    else:
        click.echo(_("Job {0} é interrompido agora. Acompanhe: athome jobs show {0} --follow").format(job_id))


@jobs.command()
@click.argument("job_id", metavar="JOB", type=int)
@click.pass_obj
def retry(settings_path: Path, job_id: int) -> None:
    """Põe de novo na fila um JOB que falhou, foi cancelado ou ficou pela metade, como um job novo.

    É o mesmo comando, nos mesmos servidores. Quem o pediu por e-mail recebe mais uma resposta.
    """
    settings = load(settings_path)
    job = Store(connect(settings.job_store)).retry(job_id)
    words = language().gettext("Job {0} na fila; repete o {1}. Acompanhe: athome jobs show {0} --follow")
    click.echo(words.format(job.id, job_id))
