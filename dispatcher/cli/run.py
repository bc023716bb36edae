"""``athome run``: a command from the shell, with the validation, the locks and the report of one by mail."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

import click
from rich.console import Console

from dispatcher.cli.progress import shown_progress
from dispatcher.cli.show import host_line, job_json, language, language_name, report, requested
from dispatcher.inventory import InventorySource
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Job, Order, State
from dispatcher.jobs.local import LocalRunner
from dispatcher.jobs.store import Store
from dispatcher.jobs.worker import Worker
from dispatcher.replies.compose import Composer
from dispatcher.runs.report import HostResult, Notice, Report
from dispatcher.runs.runner import Runner
from dispatcher.settings import Settings, load

EXIT_CODES = {"successful": 0, "partial": 3, "failed": 4, "timeout": 5, "canceled": 6}


@click.command()
@click.argument("subject", metavar="COMANDO")
@click.option("--check", is_flag=True, help="Simula: mostra o que mudaria e não altera nada.")
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def run(settings_path: Path, subject: str, *, check: bool, as_json: bool) -> None:
    """Executa um COMANDO agora, como se tivesse chegado por e-mail: athome run 'CHECKIP=203.0.113.7'.

    Termina com 0 (feito), 2 (comando inválido), 3 (feito em parte dos servidores), 4 (em nenhum), 5 (tempo
    esgotado) ou 6 (cancelado com Ctrl-C).
    """
    settings = load(settings_path)
    source = InventorySource(settings.inventory)
    inventory = source.read()
    request = requested(subject, inventory, settings, as_json=as_json)
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    order = Order.of(replace(request, check=check or request.check), inventory, language=language_name())
    job = _run(settings, source, order, console)
    if as_json:
        click.echo(json.dumps(job_json(job), ensure_ascii=False, indent=2))
    elif job.report:
        console.print()
        report(console, job, job.report, settings.zone)
    sys.exit(EXIT_CODES[job.state.value])


def _run(settings: Settings, source: InventorySource, order: Order, console: Console) -> Job:
    """Queue the order, wait for its servers, run it here. Ctrl-C cancels, also on the servers' side."""
    _ = language().gettext
    canceled = Event()
    store, composer = Store(connect(settings.job_store), settings.runs.lease), Composer(settings)
    local = LocalRunner(settings, source, composer)
    worker = Worker(store, Runner(settings), composer, settings.runs, local)
    # Also when the terminal goes away: the playbook would go on without anybody who writes down its result.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: canceled.set())
    job = store.submit(order)
    try:
        job = _claimed(store, job, canceled, console)
        if job.state is State.RUNNING:
            if order.servers:
                names = ", ".join(order.servers)
                console.print(_("job {0}: {1} em {2}").format(job.id, order.subject, names))

            def tell(result: HostResult) -> None:
                with suppress(OSError, SystemExit):  # a reader that has gone away does not stop the work
                    console.print(host_line(result, check=order.check))

            with shown_progress(console) as progress:
                worker.work(job, tell, progress, canceled.is_set)
        return store.job(job.id)
    except BaseException:  # a closed pipe, a fault: the job must not stand in the others' way
        store.finish(
            job, Report(status="failed", check=order.check, problem=Notice(code="run.no_result")), None
        )
        raise


def _claimed(store: Store, job: Job, canceled: Event, console: Console) -> Job:
    """Wait for the servers that older jobs work on. Returns the job running, or canceled meanwhile."""
    told = False
    while not canceled.is_set() and store.renew(job):
        if claimed := store.claim(own=job):
            return claimed
        if not told:
            console.print(language().gettext("job {0}: espera os servidores…").format(job.id))
            told = True
        canceled.wait(0.3)
    store.finish(job, Report(status="canceled", check=job.order.check), None)
    return store.job(job.id)
