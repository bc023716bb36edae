"""``athome explain``: what a subject would do, or what would become of a mail, without doing anything."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.table import Table

from dispatcher.cli.judged import explain_mail
from dispatcher.cli.show import language, requested
from dispatcher.commands.parser import Request
from dispatcher.inventory import Inventory, InventorySource
from dispatcher.settings import load


def _moment(context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    """Read a date as people and as machines write it; without a time zone it is the settings' own."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        try:
            moment = datetime.strptime(value, "%d/%m/%Y %H:%M")  # noqa: DTZ007 - the zone comes below
        except ValueError:
            message = language().gettext("{0} não é uma data. Exemplos: 23/11/2026 08:59 ou {1}")
            raise click.BadParameter(message.format(value, "2026-11-23T08:59:30-03:00")) from None
    zone = moment.tzinfo or load(context.obj).zone
    return moment.replace(tzinfo=zone).astimezone(timezone.utc)


@click.command()
@click.argument("subject", metavar="[ASSUNTO]", required=False)
@click.option(
    "--message", "file", type=click.File("rb"), metavar="ARQUIVO",
    help="Um e-mail inteiro (.eml; - é a entrada padrão): o veredicto de cada regra da admissão.",
)  # fmt: skip
@click.option(
    "--arrived", callback=_moment, metavar="DATA",
    help="Quando o e-mail chegou, com --message: 23/11/2026 08:59 ou ISO 8601. Sem ela, agora.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def explain(
    settings_path: Path, subject: str | None, file: IO[bytes] | None, arrived: datetime | None,
    *, as_json: bool,
) -> None:  # fmt: skip
    """Mostra o que um ASSUNTO executaria, ou o que seria de um e-mail. Nada é executado nem gravado.

    Termina com 0 se o comando é válido (com --message: se o e-mail seria admitido) e com 2 se não.
    """
    _ = language().gettext
    if (subject is None) == (file is None):
        raise click.UsageError(_("Indique um ASSUNTO ou --message ARQUIVO, um dos dois."))
    settings = load(settings_path)
    if file is not None:
        explain_mail(settings, file, arrived or datetime.now(timezone.utc), as_json=as_json)
        return
    if arrived is not None:
        raise click.UsageError(_("--arrived vale só com --message."))
    inventory = InventorySource(settings.inventory).read()
    request = requested(subject or "", inventory, settings, as_json=as_json)
    plan = _plan(request, inventory)
    if as_json:
        click.echo(json.dumps({"valid": True, **plan}, ensure_ascii=False, indent=2))
        return
    _ = language().gettext
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row(_("Comando"), plan["subject"])
    table.add_row(_("Efeito"), _(request.command.purpose))
    table.add_row(_("Modo"), _("simulação: nada é alterado") if request.check else _("execução"))
    if plan["playbook"]:
        table.add_row("Playbook", plan["playbook"])
        table.add_row(
            _("Variáveis"), "\n".join(f"{name}={value}" for name, value in plan["extravars"].items())
        )
        table.add_row(
            _("Servidores"), "\n".join(f"{host['name']} ({host['address']})" for host in plan["servers"])
        )
    Console(soft_wrap=True, highlight=False).print(table)


def _plan(request: Request, inventory: Inventory) -> dict[str, Any]:
    command = request.command
    return {
        "subject": command.subject(),
        "command": command.keyword,
        "check": request.check,
        "playbook": f"playbooks/{command.runs}" if command.runs else None,
        "extravars": command.extravars(),
        "servers": [
            {"name": name, "address": str(inventory.variables.get(name, {}).get("ansible_host", name))}
            for name in command.servers(inventory)
        ],
    }
