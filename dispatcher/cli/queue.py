"""``athome queue``: who waits for which server, and servers that nothing is to be started on for a while."""

from __future__ import annotations

import dataclasses
import json
from difflib import get_close_matches
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dispatcher.cli.show import language
from dispatcher.errors import NotFoundError
from dispatcher.inventory import InventorySource
from dispatcher.jobs.database import connect, reading
from dispatcher.jobs.pauses import Pauses
from dispatcher.jobs.standing import queues
from dispatcher.mail.senders import shell_account
from dispatcher.replies.visible import visible
from dispatcher.settings import Settings, load

_servers = click.argument("servers", metavar="SERVIDOR…", nargs=-1, required=True)


@click.group()
def queue() -> None:
    """Mostra a fila de cada servidor; põe em pausa e retoma."""


@queue.command()
@_servers
@click.option("--reason", default="", help="Por quê: quem espera lê isto em STATUS.")
@click.pass_obj
def pause(settings_path: Path, servers: tuple[str, ...], reason: str) -> None:
    """Não começa mais nada em um SERVIDOR, até athome queue resume. O que está em execução continua.

    Os comandos continuam a ser aceitos, e esperam no seu lugar; também os que mudam outros servidores junto.
    """
    settings = load(settings_path)
    for server in servers:
        _known(settings, server)
    pauses, _ = Pauses(connect(settings.job_store)), language().gettext
    for server in servers:
        new = pauses.pause(server, shell_account(), visible(reason, 200))
        words = _("{0} está em pausa.") if new else _("{0} já estava em pausa.")
        click.echo(words.format(server))


@queue.command()
@_servers
@click.pass_obj
def resume(settings_path: Path, servers: tuple[str, ...]) -> None:
    """Retoma a fila de um SERVIDOR: o que esperava começa na ordem em que chegou."""
    settings = load(settings_path)
    pauses, _ = Pauses(connect(settings.job_store)), language().gettext
    for server in servers:
        words = _("{0} retomado.") if pauses.resume(server) else _("{0} não estava em pausa.")
        click.echo(words.format(server))


@queue.command("show")
@click.argument("server", metavar="[SERVIDOR]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def show_queue(settings_path: Path, server: str | None, *, as_json: bool) -> None:
    """Mostra, de um SERVIDOR ou de todos em que há algo: o que está em execução, quantos esperam, pausas."""
    settings = load(settings_path)
    with reading(connect(settings.job_store)) as connection:
        found = [line for line in queues(connection) if server in (None, line.server)]
    if server and not found:
        _known(settings, server)
    if as_json:
        listed = [dataclasses.asdict(line) for line in found]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=2, default=str))
        return
    _ = language().gettext
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in (_("Servidor"), _("Em execução"), _("Esperam"), _("O mais velho"), _("Em pausa")):
        table.add_column(title, overflow="fold")
    for line in found:
        held = ""
        if line.pause:
            since = line.pause.at.astimezone(settings.zone).strftime("%d/%m/%Y %H:%M")
            held = _("desde {0}, por {1}").format(since, line.pause.by)
            held += f": {line.pause.reason}" if line.pause.reason else ""
        row = (line.server, str(line.running or "—"), str(line.waiting), str(line.first or "—"), held)
        table.add_row(*map(escape, row))
    nothing = _("Ninguém espera, e nada está em pausa.")
    Console(highlight=False, soft_wrap=True).print(table if found else nothing)


def _known(settings: Settings, server: str) -> None:
    """Raise NotFoundError for a server that the inventory does not have."""
    groups = InventorySource(settings.inventory).read().groups.values()
    known = sorted({host for hosts in groups for host in hosts})
    if server not in known:
        near = get_close_matches(server, known, n=1)
        meant = language().gettext("Quis dizer {0}?").format(near[0]) if near else ""
        raise NotFoundError(
            f"O servidor {visible(server, 80)} não está no inventário.",
            meant or f"Os servidores são: {', '.join(known)}.",
        )
