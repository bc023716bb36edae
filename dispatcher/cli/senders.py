"""``athome senders``: who may write, as what, and who changed that."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from difflib import get_close_matches
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dispatcher.cli.show import language
from dispatcher.commands import COMMANDS
from dispatcher.i18n import N_
from dispatcher.jobs import rows
from dispatcher.jobs.database import connect
from dispatcher.mail.address import split
from dispatcher.mail.senders import ROLES, After, SenderError, Senders, valid
from dispatcher.replies import local
from dispatcher.replies.compose import Composer
from dispatcher.settings import Settings, load

_ACTIONS = {"add": N_("autorizado"), "remove": N_("removido"), "change": N_("alterado")}
_OLD_LIST = re.compile(r"^\s*WHITELIST\s*=(.*)$", re.IGNORECASE)
_EXIT_DATA = 65  # EX_DATAERR


def _keywords(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Return ``CHECKIP,AJUDA`` as keywords, each once; ``tudo`` as an empty tuple."""
    if value is None or value.strip().lower() in ("tudo", "todos", "all"):
        return None if value is None else ()
    words = tuple(dict.fromkeys(word for word in re.split(r"[\s,]+", value.upper()) if word))
    there_are = f"São: {', '.join(COMMANDS)}; ou tudo."
    if not words:
        raise click.BadParameter(f"falta um comando. {there_are}")
    for word in words:
        if word not in COMMANDS:
            near = get_close_matches(word, COMMANDS, n=1)
            hint = f" Quis dizer {near[0]}?" if near else ""
            raise click.BadParameter(f"{word} não é um comando.{hint} {there_are}")
    return words


@click.group()
def senders() -> None:
    """Mostra e muda quem pode mandar comandos por e-mail.

    Toda mudança vale na hora, fica no histórico e é avisada por e-mail a todos os administradores.
    """


@senders.command("add")
@click.argument("address", metavar="ENDEREÇO")
@click.option("--role", type=click.Choice(ROLES), default="operador", show_default=True)
@click.option(
    "--language",
    "tongue",
    type=click.Choice(["pt_BR", "en"]),
    help="Idioma das respostas; o da configuração, se não for dado.",
)
@click.option(
    "--commands",
    metavar="COMANDOS",
    callback=_keywords,
    help="Só estes, separados por vírgula; sem isso, os do papel.",
)
@click.option("--welcome", is_flag=True, help="Avisa também a pessoa, e diz como começar.")
@click.pass_obj
def add_sender(
    settings_path: Path, address: str, role: str, tongue: str | None,
    *, commands: tuple[str, ...] | None, welcome: bool,
) -> None:  # fmt: skip
    """Autoriza um ENDEREÇO; vale na hora."""
    settings = load(settings_path)
    sender = _senders(settings).add(
        address, role, tongue or settings.language, commands or None, _news(settings, welcome=welcome)
    )
    click.echo(language().gettext("{0} autorizado como {1}.").format(sender.address, sender.role))


@senders.command("set")
@click.argument("address", metavar="ENDEREÇO")
@click.option("--role", type=click.Choice(ROLES))
@click.option("--language", "tongue", type=click.Choice(["pt_BR", "en"]), help="Idioma das respostas.")
@click.option(
    "--commands",
    metavar="COMANDOS",
    callback=_keywords,
    help="Só estes, separados por vírgula; tudo: os do papel.",
)
@click.pass_obj
def set_sender(
    settings_path: Path, address: str, role: str | None, tongue: str | None,
    *, commands: tuple[str, ...] | None,
) -> None:  # fmt: skip
    """Muda o papel, o idioma ou os comandos de um ENDEREÇO autorizado; vale na hora."""
    if role is None and tongue is None and commands is None:
        raise click.UsageError("Diga o que muda: --role, --language ou --commands.")
    settings = load(settings_path)
    given = {"role": role, "language": tongue, "commands": commands}
    values = {name: value or None for name, value in given.items() if value is not None}
    sender = _senders(settings).change(address, _news(settings), **values)
    click.echo(
        language()
        .gettext("{0}: {1}, {2}, {3}.")
        .format(sender.address, sender.role, sender.language, _commands(sender.commands))
    )


@senders.command("remove")
@click.argument("address", metavar="ENDEREÇO")
@click.pass_obj
def remove_sender(settings_path: Path, address: str) -> None:
    """Desautoriza um ENDEREÇO e apaga seus tokens; vale na hora. O último administrador fica."""
    settings = load(settings_path)
    sender = _senders(settings).remove(address, _news(settings))
    click.echo(language().gettext("{0} não está mais autorizado.").format(sender.address))


@senders.command("list")
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def list_senders(settings_path: Path, *, as_json: bool) -> None:
    """Lista quem está autorizado."""
    found = _senders(load(settings_path)).all()
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2))
        return
    _ = language().gettext
    rows = [(one.address, one.role, one.language, _commands(one.commands)) for one in found]
    _print((_("Endereço"), _("Papel"), _("Idioma"), _("Comandos")), rows, _("Ninguém está autorizado."))


@senders.command("history")
@click.argument("address", metavar="[ENDEREÇO]", required=False)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def history(settings_path: Path, address: str | None, limit: int, *, as_json: bool) -> None:
    """Mostra quem mudou a lista e quando, o mais novo primeiro."""
    settings = load(settings_path)
    found = _senders(settings).history(limit, address)
    moments = [datetime.fromtimestamp(event.changed_at, timezone.utc) for event in found]
    if as_json:
        rows = [
            {**asdict(event), "changed_at": at.isoformat()} for event, at in zip(found, moments, strict=True)
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    _ = language().gettext
    titles = (_("Quando"), _("Quem mudou"), _("Endereço"), _("Ação"), _("Depois"))
    lines = [
        (
            at.astimezone(settings.zone).strftime("%d/%m/%Y %H:%M:%S"),
            event.changed_by,
            event.address,
            _(_ACTIONS[event.action]),
            ", ".join([event.detail["role"], event.detail["language"], _commands(event.detail["commands"])])
            if event.detail
            else "",
        )
        for event, at in zip(found, moments, strict=True)
    ]
    _print(titles, lines, _("Nenhuma mudança."))


@senders.command("import")
@click.argument("file", metavar="ARQUIVO|-", type=click.File(encoding="utf-8", errors="replace"))
@click.option("--role", type=click.Choice(ROLES), default="operador", show_default=True)
@click.pass_obj
def import_senders(settings_path: Path, file: TextIO, role: str) -> None:
    """Autoriza os endereços de um ARQUIVO: um por linha, separados por vírgula, ou em WHITELIST=a,b.

    De um arquivo que tem WHITELIST=, só isso é lido. O que já está na lista fica como está; o que não é um
    endereço é mostrado, e o comando termina com 65. Ninguém recebe e-mail.
    """
    settings = load(settings_path)
    whitelist = _senders(settings)
    _ = language().gettext
    wrong = 0
    for number, text in _addresses(file):
        try:
            address = valid(text)
        except SenderError as error:
            wrong += 1
            click.echo(_("linha {0}: {1}").format(number, error.problem), err=True)
            continue
        if whitelist.get(address):
            click.echo(_("{0} já estava autorizado.").format(address))
        else:
            whitelist.add(address, role, settings.language)
            click.echo(_("{0} autorizado como {1}.").format(address, role))
    if wrong:
        sys.exit(_EXIT_DATA)


def _addresses(file: TextIO) -> Iterator[tuple[int, str]]:
    """Yield each address with its line's number."""
    lines = [(number, line.partition("#")[0].strip()) for number, line in enumerate(file, start=1)]
    old = [(number, found[1]) for number, line in lines if (found := _OLD_LIST.match(line))]
    for number, line in old or lines:
        for address in split(line):
            yield number, address


def _senders(settings: Settings) -> Senders:
    return Senders(connect(settings.job_store))


def _news(settings: Settings, *, welcome: bool = False) -> After | None:
    """Return what tells everybody whom a change concerns; without a mail address of ours, nothing does."""
    if settings.mail is None:
        return None
    composer = Composer(settings)
    return lambda whitelist, before: rows.announce(
        whitelist.connection, local.news(composer, whitelist, before, welcome=welcome)
    )


def _commands(commands: tuple[str, ...] | list[str] | None) -> str:
    return language().gettext("tudo que o papel pode") if commands is None else " ".join(commands)


def _print(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]], otherwise: str) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    width = None if sys.stdout.isatty() else 1000  # into a pipe each is one line, however long
    Console(highlight=False, soft_wrap=True, width=width).print(table if rows else otherwise)
