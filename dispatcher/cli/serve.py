"""``athome serve``: read the mailbox, run what may be believed, answer."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Event

import click

from dispatcher.settings import load


@click.command()
@click.option("--verbose", is_flag=True, help="Registra também o que é de rotina.")
@click.pass_obj
def serve(settings_path: Path, *, verbose: bool) -> None:
    """Atende a caixa de correio até receber SIGTERM ou Ctrl-C."""
    from dispatcher.service import Service, stop_on_signals  # noqa: PLC0415 - the other verbs start without it

    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    for library in ("imap_tools", "imaplib", "smtplib", "sqlalchemy"):  # they would log what mails contain
        logging.getLogger(library).setLevel(logging.WARNING)
    stop = Event()
    service = Service(load(settings_path))
    stop_on_signals(stop)
    service.run(stop)
