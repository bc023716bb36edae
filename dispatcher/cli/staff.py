"""``athome senders`` and ``athome tokens``: who may write, and with which token."""

from __future__ import annotations

from pathlib import Path

import click

from dispatcher.cli.show import language
from dispatcher.errors import SettingsError
from dispatcher.jobs.database import connect
from dispatcher.mail.senders import Senders
from dispatcher.mail.tokens import Tokens
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


@click.group()
def tokens() -> None:
    """Emite e desativa os tokens que abrem o assunto dos e-mails."""


@tokens.command("issue")
@click.argument("address", metavar="ENDEREÇO")
@click.option("--description", default="", help="Para que serve, por exemplo: celular da Ana.")
@click.pass_obj
def issue_token(settings_path: Path, address: str, description: str) -> None:
    """Emite um token para um ENDEREÇO autorizado. Ele é mostrado agora e nunca mais."""
    token = _tokens(settings_path).issue(address, description)
    click.echo(language().gettext("Token emitido; guarde-o agora, ele não é mostrado de novo:"), err=True)
    click.echo(token)


@tokens.command("list")
@click.argument("address", metavar="ENDEREÇO")
@click.pass_obj
def list_tokens(settings_path: Path, address: str) -> None:
    """Lista os tokens de um ENDEREÇO: número, situação e descrição."""
    _ = language().gettext
    for token in _tokens(settings_path).all(address):
        state = _("vale") if token.enabled else _("desativado")
        click.echo(f"{token.id}  {state}  {token.description}")


@tokens.command("disable")
@click.argument("token_id", metavar="NÚMERO", type=int)
@click.pass_obj
def disable_token(settings_path: Path, token_id: int) -> None:
    """Desativa o token de um NÚMERO (veja: athome tokens list); vale na hora."""
    _tokens(settings_path).enable(token_id, enabled=False)
    click.echo(language().gettext("Token {0} desativado.").format(token_id))


def _tokens(settings_path: Path) -> Tokens:
    settings = load(settings_path)
    if settings.tokens is None:
        raise SettingsError(
            "A configuração não tem a seção tokens.", "Compare com docs/settings.example.yml."
        )
    return Tokens(connect(settings.database_url), settings.tokens.pepper())
