"""``athome serve``: read the mailbox, run what may be believed, answer."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import click

from dispatcher.logs import set_up
from dispatcher.settings import load


@click.command()
@click.option("--verbose", is_flag=True, help="Registra também o que é de rotina.")
@click.pass_obj
def serve(settings_path: Path, *, verbose: bool) -> None:
    """Atende a caixa de correio até receber SIGTERM ou Ctrl-C."""
    from dispatcher.service import Service  # noqa: PLC0415 - the other verbs start without it
    from dispatcher.work import stop_on_signals  # noqa: PLC0415 - the same

    settings = load(settings_path)
    set_up(settings.log, settings.secrets(), verbose=verbose)
    stop = Event()
    service = Service(settings)
    stop_on_signals(stop)
    service.run(stop)
