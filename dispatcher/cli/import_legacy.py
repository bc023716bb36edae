"""``athome import-legacy``: from the predecessor's files to this system, with an account of every field."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dispatcher.cli.show import language, say
from dispatcher.i18n import N_
from dispatcher.legacy import machine, target
from dispatcher.legacy.apply import apply
from dispatcher.legacy.files import LegacyError
from dispatcher.legacy.plan import Plan, plan
from dispatcher.legacy.rows import Advice
from dispatcher.mail.senders import valid

_FATES = {
    "taken": (N_("importado"), N_("a importar"), "green"),
    "there": (N_("já estava"), N_("já estava"), "cyan"),
    "repeated": (N_("repetido"), N_("repetido"), "dim"),
    "replaced": (N_("substituído"), N_("substituído"), "cyan"),
    "ignored": (N_("ignorado"), N_("ignorado"), "dim"),
    "reissue": (N_("reemitir"), N_("reemitir"), "yellow"),
    "missing": (N_("preencher"), N_("preencher"), "yellow"),
    "later": (N_("depois"), N_("depois"), "yellow"),
    "refused": (N_("recusado"), N_("recusado"), "bold red"),
}


@click.command("import-legacy")
@click.argument(
    "folders", metavar="PASTA...", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False)
)
@click.option("--check", is_flag=True, help="Só mostra o que seria feito; nada muda.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="PASTA",
    help="Onde preparar settings.yml, inventory/ e credentials/; a pasta da configuração, se omitido.",
)
@click.option(
    "--sender", metavar="ENDEREÇO", help="De quem passam a ser os tokens; sem isso, não são importados."
)
@click.pass_obj
def import_legacy(
    settings_path: Path, folders: tuple[Path, ...], out: Path | None, sender: str | None, *, check: bool
) -> None:
    """Traz o que o sistema anterior sabia, e diz de cada campo o que foi feito dele.

    Lê de cada PASTA (uma por máquina) monitor_config.txt, tokens.json e servers_config.json, ou os que
    houver. O que já existe nunca é mudado, e repetir não faz mal: remetentes e tokens entram quando a
    configuração está completa. Termina com 65 se algo foi recusado; o resto é feito. As pastas ficam como
    estão.
    """
    machines = machine.read(tuple(dict.fromkeys(folders)))
    there = target.look(settings_path, out)
    found = plan(machines, there, valid(sender) if sender else None)
    if not check:
        apply(found, there)
    _show(found, check=check)
    if found.refused:
        sys.exit(LegacyError.exit_code)


def _show(found: Plan, *, check: bool) -> None:
    _ = language().gettext
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 1000)
    for file, rows in groupby(found.rows, key=lambda row: row.file):
        console.print(Text(file, style="bold"))
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1))
        table.add_column(justify="right", style="dim")
        for _column in range(3):
            table.add_column(overflow="fold")
        for row in rows:
            done, planned, color = _FATES[row.fate]
            fate = Text(_(planned if check else done), style=color)
            table.add_row(row.place, Text(row.field), fate, Text(_(row.text).format(*row.values)))
        console.print(table)
    for problem in found.unusable:
        console.print(Text(problem, style="bold red"))
    _advise(console, N_("Pontos fracos"), found.weak)
    _advise(console, N_("Falta fazer"), found.steps)
    if check:
        say(N_("Nada foi mudado. Sem --check: {0} arquivos, {1} remetentes, {2} tokens."), *_counts(found))
    elif found.changes:
        say(N_("Feito: {0} arquivos, {1} remetentes, {2} tokens."), *_counts(found))
    else:
        say(N_("Nada mudou: não havia mais nada a importar."))
    if found.refused:
        say(N_("Recusados: {0}. Corrija os arquivos antigos e repita."), found.refused)


def _advise(console: Console, title: str, advice: tuple[Advice, ...]) -> None:
    _ = language().gettext
    if advice:
        console.print(Text(f"\n{_(title)}", style="bold"))
    for one in advice:
        console.print(Text(f"! {_(one.text).format(*one.values)}"))
        console.print(Text(f"  → {_(one.way_out).format(*one.values)}", style="dim"))


def _counts(found: Plan) -> tuple[int, int, int]:
    return len(found.files), len(found.senders), len(found.tokens)
