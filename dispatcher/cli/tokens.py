"""``athome tokens``: which eight digits open a subject, whose they are, and for how long.

A token is shown once, on the standard output, and is never an argument: others can see those.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

import click
import segno
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dispatcher.cli.show import language
from dispatcher.cli.when import ahead, duration, shown, when
from dispatcher.errors import SettingsError
from dispatcher.i18n import N_
from dispatcher.jobs.database import connect
from dispatcher.mail.senders import SenderError
from dispatcher.mail.tokens import Enrolment, Token, Tokens
from dispatcher.replies.visible import visible
from dispatcher.settings import Settings, load

KINDS = {"static": N_("fixo"), "totp": N_("do aplicativo")}
STATES = {"enabled": N_("vale"), "disabled": N_("desativado"), "expired": N_("expirou")}
_TRIES = 3  # first codes of an app, until an enrolment is given up

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
    token = _tokens(settings).issue(address, description, expires_at=_until(expires, settings))
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
    _enroll(settings, address, description, _until(expires, settings), png, confirm=confirm)


@tokens.command("list")
@click.argument("address", metavar="[ENDEREÇO]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def list_tokens(settings_path: Path, address: str | None, *, as_json: bool) -> None:
    """Lista os tokens de um ENDEREÇO, ou todos: tipo, situação, datas e último uso."""
    settings = load(settings_path)
    found = _tokens(settings).all(address)
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
    _tokens(load(settings_path)).enable(token_id, enabled=False)
    click.echo(language().gettext("Token {0} desativado.").format(token_id))


@tokens.command()
@_number
@click.pass_obj
def enable(settings_path: Path, token_id: int) -> None:
    """Ativa de novo o token de um NÚMERO; vale na hora."""
    known = _tokens(load(settings_path))
    known.enable(token_id, enabled=True)
    if known.one(token_id).state == "expired":
        _say(N_("Token {0} ativado, mas expirou. Emita outro: athome tokens rotate {0}"), token_id)
    else:
        click.echo(language().gettext("Token {0} ativado.").format(token_id))


@tokens.command()
@_number
@click.pass_obj
def revoke(settings_path: Path, token_id: int) -> None:
    """Apaga o token de um NÚMERO para sempre; vale na hora."""
    _tokens(load(settings_path)).revoke(token_id)
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
    known = _tokens(settings)
    old = known.one(token_id)
    until = _until(expires, settings)
    if expires is None and old.expires_at is not None:
        until = time.time() + old.expires_at - old.issued_at
    if old.kind == "static":
        token = known.issue(old.sender, old.description, expires_at=until)
        known.expire(token_id, time.time() + overlap)
        _show(token)
    else:
        _enroll(settings, old.sender, old.description, until, png, confirm=confirm)
        known.expire(token_id, time.time() + overlap)
    _say(N_("O token {0} vale até {1}."), token_id, shown(known.one(token_id).expires_at, settings.zone))


@tokens.command("import")
@click.argument("file", metavar="ARQUIVO", type=click.File(encoding="utf-8"))
@click.option("--sender", required=True, metavar="ENDEREÇO", help="De quem passam a ser os tokens.")
@click.pass_obj
def import_tokens(settings_path: Path, file: TextIO, sender: str) -> None:
    """Aceita os tokens de um tokens.json antigo (- lê da entrada). O ARQUIVO fica como está.

    Um token ilegível não impede os outros; termina com 65 se houve algum. Repetir não faz mal.
    """
    known = _tokens(load(settings_path))
    wrong, taken, there = [], 0, 0
    for place, entry in enumerate(_entries(file), start=1):
        if problem := _problem(entry):
            wrong.append(language().gettext("item {0}: {1}").format(place, problem))
        elif known.admit(
            sender, entry["token"], str(entry.get("description", "")), enabled=entry.get("enabled", True)
        ):
            taken += 1
        else:
            there += 1
    _say(N_("Tokens importados: {0}; já existiam: {1}; recusados: {2}."), taken, there, len(wrong))
    if wrong:
        raise SenderError("; ".join(wrong), "Corrija o arquivo e repita: o que já existe não muda.")
    _say(N_("O arquivo ainda tem os tokens à vista. Apague-o: shred -u {0}"), file.name)


def _enroll(
    settings: Settings,
    address: str,
    description: str,
    until: float | None,
    png: Path | None,
    *,
    confirm: bool | None,
) -> None:
    known = _tokens(settings)
    enrolment, uri = known.enrol(address, settings.branding.name)
    code = segno.make(uri, error="m", micro=False)
    if png is not None:
        _write(code, png)
    try:
        _say(N_("Leia este QR com o aplicativo de códigos; ele não é mostrado de novo:"))
        _picture(code)
        _say(N_("Ou digite no aplicativo (tipo TOTP, SHA-1, 8 dígitos, 30 segundos):"))
        click.echo(uri)
        asked = confirm if confirm is not None else sys.stdin.isatty()
        _complete(known, enrolment, description, until, asked=asked)
    except BaseException:  # Ctrl-C too: what the picture holds counts for nothing
        if png is not None:
            png.unlink(missing_ok=True)
        raise
    number = known.all(address)[-1].id
    _say(N_("Token {0} ligado: no assunto, o código do momento vai no lugar do token."), number)


def _complete(
    known: Tokens, enrolment: Enrolment, description: str, until: float | None, *, asked: bool
) -> None:
    """Let the codes count; when asked to, only after the app has shown one."""
    for left in reversed(range(_TRIES)):
        words = language().gettext("Primeiro código do aplicativo")
        first = click.prompt(words, err=True).replace(" ", "") if asked else None
        if known.complete(enrolment, description, expires_at=until, code=first):
            return
        if left:
            _say(N_("Não é o código deste QR. Confira a hora do telefone e espere o próximo."))
    raise SenderError(
        "Nenhum dos códigos é deste QR; nada foi gravado.",
        "Confira se o aplicativo aceita 8 dígitos e se a hora do telefone e a do servidor estão certas.",
    )


def _picture(code: segno.QRCode) -> None:
    """Print the code, dark on light whatever the terminal itself has: not every app reads it inverted."""
    blocks = StringIO()
    code.terminal(blocks, border=2, compact=True)
    light_on_dark, usual = ("\x1b[97;40m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    for line in blocks.getvalue().splitlines():
        click.echo(f"{light_on_dark}{line}{usual}")


def _write(code: segno.QRCode, path: Path) -> None:
    """Write the picture where nobody else can read it, and over nothing."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            code.save(file, kind="png", scale=8, border=4)
    except OSError as error:
        raise SenderError(
            f"Não é possível criar {path}: {error.strerror}.", "Indique um arquivo novo com --png."
        ) from None


def _entries(file: TextIO) -> list[Any]:
    try:
        found = json.load(file)["tokens"]
    except (ValueError, TypeError, KeyError):
        found = None
    if not isinstance(found, list):
        raise SenderError(
            f"{file.name} não é um tokens.json.",
            'Esperado: {"tokens": [{"token": "7E57C0DE", "description": "…", "enabled": true}]}',
        )
    return found


def _problem(entry: Any) -> str | None:
    """Return what is wrong with an entry, without repeating it: it may be a token with a slip."""
    _ = language().gettext
    if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
        return _("falta token")
    if not re.fullmatch("[0-9A-Fa-f]{8}", entry["token"]):
        return _("token não tem 8 dígitos hexadecimais")
    if not isinstance(entry.get("enabled", True), bool):
        return _("enabled não é true nem false")
    return None


def _show(token: str) -> None:
    _say(N_("Token emitido; guarde-o agora, ele não é mostrado de novo:"))
    click.echo(token)


def _say(text: str, *values: object) -> None:
    """Say something beside the standard output, which has the token alone."""
    click.echo(language().gettext(text).format(*values), err=True)


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


def _tokens(settings: Settings) -> Tokens:
    if settings.tokens is None:
        raise SettingsError(
            "A configuração não tem a seção tokens.", "Compare com docs/settings.example.yml."
        )
    return Tokens(connect(settings.job_store), settings.tokens.pepper(), settings.tokens.totp_window)
