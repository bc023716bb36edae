"""``athome tokens``: which eight digits open a subject, whose they are, and for how long.

A token is shown once, on the standard output, and is never an argument: others can see those.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dispatcher.cli.enrolment import enroll_app
from dispatcher.cli.predecessor import import_tokens
from dispatcher.cli.show import language, say
from dispatcher.cli.when import ahead, duration, shown, when
from dispatcher.i18n import N_
from dispatcher.mail.senders import SenderError
from dispatcher.mail.tokens import Token, opened
from dispatcher.replies.visible import visible
from dispatcher.settings import Settings, load

KINDS = {"static": N_("fixo"), "totp": N_("do aplicativo")}
STATES = {"enabled": N_("vale"), "disabled": N_("desativado"), "expired": N_("expirou")}

_description = click.option("--description", default="", help="Para que serve, por exemplo: celular da Ana.")
_expires = click.option(
    "--expires",
    type=when,
    metavar="PRAZO|DATA",
    help="Até quando vale: 90d, 2026-12-31. Sempre, se omitido.",
)
_png = click.option("--png", type=click.Path(path_type=Path), help="Grava o QR também neste arquivo (0600).")
_confirm = click.option(
    "--confirm/--no-confirm",
    default=None,
    help="Só aceita o aplicativo depois de um primeiro código; é o padrão em um terminal.",
)
_number = click.argument("token_id", metavar="NÚMERO", type=int)


@click.group()
def tokens() -> None:
    """Emite, lista e tira os tokens que abrem o assunto dos e-mails."""


@tokens.command()
@click.argument("address", metavar="ENDEREÇO")
@_description
@_expires
@click.pass_obj
def issue(settings_path: Path, address: str, description: str, expires: str | None) -> None:
    """Emite um token fixo para um ENDEREÇO autorizado. Ele é mostrado agora e nunca mais."""
    settings = load(settings_path)
    token = opened(settings).issue(address, description, expires_at=_until(expires, settings))
    _show(token)


@tokens.command()
@click.argument("address", metavar="ENDEREÇO")
@_description
@_expires
@_png
@_confirm
@click.pass_obj
def enroll(
    settings_path: Path,
    address: str,
    description: str,
    expires: str | None,
    png: Path | None,
    *,
    confirm: bool | None,
) -> None:
    """Liga o aplicativo de códigos de um ENDEREÇO autorizado: um código de 8 dígitos a cada 30 segundos.

    O QR é mostrado agora e nunca mais. Serve qualquer aplicativo de TOTP que aceite 8 dígitos.
    """
    settings = load(settings_path)
    enroll_app(
        opened(settings), settings.branding.name, address, description, _until(expires, settings), png,
        confirm=confirm,
    )  # fmt: skip


@tokens.command("list")
@click.argument("address", metavar="[ENDEREÇO]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def list_tokens(settings_path: Path, address: str | None, *, as_json: bool) -> None:
    """Lista os tokens de um ENDEREÇO, ou todos: tipo, situação, datas e último uso."""
    settings = load(settings_path)
    found = opened(settings).all(address)
    if as_json:
        click.echo(json.dumps([_json(token) for token in found], ensure_ascii=False, indent=2))
        return
    _ = language().gettext
    table = Table(box=None, pad_edge=False, header_style="dim")
    titles = (_("Nº"), _("De"), _("Tipo"), _("Situação"), _("Emitido"), _("Expira"), _("Último uso"))
    for title in (*titles, _("Descrição")):
        table.add_column(title)
    for token in found:
        moments = [shown(at, settings.zone) for at in (token.issued_at, token.expires_at, token.used_at)]
        kind, state = _(KINDS[token.kind]), _(STATES[token.state])
        table.add_row(str(token.id), token.sender, kind, state, *moments, escape(visible(token.description)))
    width = None if sys.stdout.isatty() else 1000  # into a pipe, each token is one line
    Console(highlight=False, soft_wrap=True, width=width).print(table if found else _("Nenhum token."))


@tokens.command()
@_number
@click.pass_obj
def disable(settings_path: Path, token_id: int) -> None:
    """Desativa o token de um NÚMERO (veja: athome tokens list) até segunda ordem; vale na hora."""
    opened(load(settings_path)).enable(token_id, enabled=False)
    click.echo(language().gettext("Token {0} desativado.").format(token_id))


@tokens.command()
@_number
@click.pass_obj
def enable(settings_path: Path, token_id: int) -> None:
    """Ativa de novo o token de um NÚMERO; vale na hora."""
    known = opened(load(settings_path))
    known.enable(token_id, enabled=True)
    if known.one(token_id).state == "expired":
        say(N_("Token {0} ativado, mas expirou. Emita outro: athome tokens rotate {0}"), token_id)
    else:
        click.echo(language().gettext("Token {0} ativado.").format(token_id))


@tokens.command()
@_number
@click.pass_obj
def revoke(settings_path: Path, token_id: int) -> None:
    """Apaga o token de um NÚMERO para sempre; vale na hora."""
    opened(load(settings_path)).revoke(token_id)
    click.echo(language().gettext("Token {0} revogado.").format(token_id))


@tokens.command()
@_number
@click.option(
    "--overlap",
    type=duration,
    default="0",
    metavar="PRAZO",
    show_default=True,
    help="Por quanto tempo o antigo ainda vale: 24h, 7d.",
)
@_expires
@_png
@_confirm
@click.pass_obj
def rotate(
    settings_path: Path,
    token_id: int,
    overlap: float,
    expires: str | None,
    png: Path | None,
    *,
    confirm: bool | None,
) -> None:
    """Troca o token de um NÚMERO por um novo, do mesmo tipo, dono, descrição e duração."""
    settings = load(settings_path)
    known = opened(settings)
    old = known.one(token_id)
    until = _until(expires, settings)
    if expires is None and old.expires_at is not None:
        until = time.time() + old.expires_at - old.issued_at
    if old.kind == "static":
        token = known.issue(old.sender, old.description, expires_at=until)
        known.expire(token_id, time.time() + overlap)
        _show(token)
    else:
        enroll_app(known, settings.branding.name, old.sender, old.description, until, png, confirm=confirm)
        known.expire(token_id, time.time() + overlap)
    say(N_("O token {0} vale até {1}."), token_id, shown(known.one(token_id).expires_at, settings.zone))


def _show(token: str) -> None:
    say(N_("Token emitido; guarde-o agora, ele não é mostrado de novo:"))
    click.echo(token)


def _json(token: Token) -> dict[str, Any]:
    fields = ("id", "sender", "kind", "state", "description", "issued_at", "expires_at", "used_at")
    return {field: getattr(token, field) for field in fields}


def _until(expires: str | None, settings: Settings) -> float | None:
    if expires is None:
        return None
    until = ahead(expires, settings.zone)
    if until <= time.time():
        raise SenderError(f"--expires {expires} já passou.", "Exemplos: 90d, 2099-12-31.")
    return until


tokens.add_command(import_tokens)
