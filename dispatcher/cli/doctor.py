"""``athome doctor``: what is wrong before a customer notices, and the way out of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import click
from rich.console import Console

from dispatcher.cli.findings import show
from dispatcher.cli.show import language, language_name
from dispatcher.errors import SettingsError
from dispatcher.health.finding import Finding
from dispatcher.i18n import N_
from dispatcher.settings import load

WRONG = 75  # EX_TEMPFAIL of sysexits.h
AREAS = {
    "versions": N_("Versões"),
    "settings": N_("Configuração e segredos"),
    "clock": N_("Relógio"),
    "disk": N_("Disco"),
    "database": N_("Banco de dados"),
    "service": N_("Serviço"),
    "mailbox": N_("Caixa de correio"),
    "smtp": N_("Envio de respostas"),
    "dns": N_("DNS"),
    "inventory": N_("Inventário"),
    "s3": N_("Gravações"),
    "servers": N_("Servidores"),
}


@click.command()
@click.option(
    "--only", "only", multiple=True, type=click.Choice([*AREAS]), metavar="ÁREA",
    help=f"Só esta parte; pode ser repetida: {', '.join(AREAS)}.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def doctor(settings_path: Path, *, only: tuple[str, ...], as_json: bool) -> None:
    """Examina tudo de que os comandos precisam; para cada problema, a saída.

    Olha a configuração, os segredos, a caixa de correio, o envio, o DNS, o inventário, o S3 e cada servidor,
    com o serviço rodando ou não. Nada muda, a não ser um arquivo pequeno no bucket dos arquivos prontos, que
    é apagado em seguida. Termina com 0 (avisos não contam), 75 (algo falha) ou 78 (configuração errada).
    """
    try:
        settings = load(settings_path)
    except SettingsError as error:
        _answer([Finding("file", "settings", "failing", error.problem, error.way_out)], as_json=as_json)
        sys.exit(error.exit_code)
    from dispatcher.health.doctor.examination import examine  # noqa: PLC0415 - Ansible's and AWS's parts are slow

    with _progress() as tell:
        findings = examine(settings_path.absolute(), settings, language_name(), only or tuple(AREAS), tell)
    _answer(findings, as_json=as_json)
    sys.exit(WRONG if any(finding.status == "failing" for finding in findings) else 0)


def _answer(findings: list[Finding], *, as_json: bool) -> None:
    count = sum(finding.status == "failing" for finding in findings)
    if as_json:
        answer = {"ok": not count, "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    _, _plural = language().gettext, language().ngettext
    console = Console(highlight=False)
    for area, found in groupby(findings, key=lambda finding: finding.of):
        console.print(_(AREAS[area]), style="bold")
        for finding in found:
            show(console, finding, 2)
    warnings = sum(finding.status == "warning" for finding in findings)
    console.print()
    console.print(
        _plural("{0} problema", "{0} problemas", count).format(count)
        + ", " + _plural("{0} aviso", "{0} avisos", warnings).format(warnings) + "."
    )  # fmt: skip


@contextmanager
def _progress() -> Iterator[Callable[[list[str]], None]]:
    """Yield what is told which areas are not done: shown in one line of a terminal, else nowhere."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda _waiting: None
        return
    _ = language().gettext
    with console.status("") as status:
        yield lambda waiting: status.update(
            _("Examinando: {0}").format(", ".join(_(AREAS[area]) for area in waiting))
        )
