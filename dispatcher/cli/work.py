"""``athome work``: run jobs of a service on another machine."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import click

from dispatcher.logs import set_up
from dispatcher.settings import load


@click.command()
@click.option("--verbose", is_flag=True, help="Registra também o que é de rotina.")
@click.pass_obj
def work(settings_path: Path, *, verbose: bool) -> None:
    """Executa os jobs da fila, em qualquer máquina com o mesmo PostgreSQL, até receber SIGTERM ou Ctrl-C.

    Não lê e-mails nem envia respostas: disso cuida athome serve, em outra máquina.
    """
    from dispatcher.work import stop_on_signals, worker_only  # noqa: PLC0415 - the other verbs start without it

    settings = load(settings_path)
    set_up(settings.log, settings.secrets(), verbose=verbose)
    stop = Event()
    worker = worker_only(settings)
    stop_on_signals(stop)
    worker.run(stop)
