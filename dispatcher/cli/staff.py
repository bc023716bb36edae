"""``athome senders``: who may write."""

from __future__ import annotations

from pathlib import Path

import click

from dispatcher.cli.show import language
from dispatcher.jobs.database import connect
from dispatcher.mail.senders import Senders
from dispatcher.settings import load


@click.group()
def senders() -> None:
    """Mostra e muda quem pode mandar comandos por e-mail."""


@senders.command("add")
@click.argument("address", metavar="ENDEREÇO")
@click.option(
    "--role", type=click.Choice(["operador", "administrador"]), default="operador", show_default=True
)
@click.option(
    "--language",
    "tongue",
    type=click.Choice(["pt_BR", "en"]),
    help="Idioma das respostas; o da configuração, se não for dado.",
)
@click.pass_obj
def add_sender(settings_path: Path, address: str, role: str, tongue: str | None) -> None:
    """Autoriza um ENDEREÇO; vale na hora."""
    settings = load(settings_path)
    whitelist = Senders(connect(settings.database_url))
    sender = whitelist.add(address, role=role, language=tongue or settings.language)
    click.echo(language().gettext("{0} autorizado como {1}.").format(sender.address, sender.role))


@senders.command("list")
@click.pass_obj
def list_senders(settings_path: Path) -> None:
    """Lista quem está autorizado."""
    for sender in Senders(connect(load(settings_path).database_url)).all():
        click.echo(f"{sender.address}  {sender.role}  {sender.language}")


@senders.command("remove")
@click.argument("address", metavar="ENDEREÇO")
@click.pass_obj
def remove_sender(settings_path: Path, address: str) -> None:
    """Desautoriza um ENDEREÇO e apaga seus tokens; vale na hora."""
    Senders(connect(load(settings_path).database_url)).remove(address)
    click.echo(language().gettext("{0} não está mais autorizado.").format(address))
