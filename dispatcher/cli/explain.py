"""``athome explain``: what a subject would do, without doing it. Needs no token and no mail server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from dispatcher.cli.show import language, requested
from dispatcher.commands.parser import Request
from dispatcher.inventory import Inventory, InventorySource
from dispatcher.settings import load


@click.command()
@click.argument("subject", metavar="ASSUNTO")
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def explain(settings_path: Path, subject: str, *, as_json: bool) -> None:
    """Mostra o que um ASSUNTO de e-mail executaria, onde e com quê. Nada é executado.

    Termina com 0 se o comando é válido e com 2 se não é.
    """
    settings = load(settings_path)
    inventory = InventorySource(settings.inventory).read()
    request = requested(subject, inventory, as_json=as_json)
    plan = _plan(request, inventory)
    if as_json:
        click.echo(json.dumps({"valid": True, **plan}, ensure_ascii=False, indent=2))
        return
    _ = language().gettext
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row(_("Comando"), plan["subject"])
    table.add_row(_("Efeito"), _(request.command.purpose))
    table.add_row(_("Modo"), _("simulação: nada é alterado") if request.check else _("execução"))
    table.add_row("Playbook", plan["playbook"])
    table.add_row(_("Variáveis"), "\n".join(f"{name}={value}" for name, value in plan["extravars"].items()))
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
        "playbook": f"playbooks/{command.playbook}",
        "extravars": command.extravars(),
        "servers": [
            {"name": name, "address": str(inventory.variables.get(name, {}).get("ansible_host", name))}
            for name in command.servers(inventory)
        ],
    }
