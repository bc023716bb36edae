"""``athome health``: whether the service is alive and can do its work."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from dispatcher.cli.findings import show
from dispatcher.cli.show import language_name
from dispatcher.health.checks import Examination
from dispatcher.settings import load

NOT_ALIVE, NOT_READY = 69, 75  # EX_UNAVAILABLE, EX_TEMPFAIL of sysexits.h


@click.command()
@click.option("--live", is_flag=True, help="Só se o processo e suas partes avançam, para quem o reiniciaria.")
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def health(settings_path: Path, *, live: bool, as_json: bool) -> None:
    """Diz se o serviço vive e se pode trabalhar; para cada problema, a saída.

    Termina com 0 (vive e trabalha; avisos não contam), 69 (não vive: reiniciar) ou 75 (vive, mas algo lhe
    falta: ver o que se diz).
    """
    examination = Examination(load(settings_path), language_name())
    findings = examination.liveness()
    if not live:
        findings += examination.readiness()
    failing = {finding.of for finding in findings if finding.status == "failing"}
    code = NOT_ALIVE if "liveness" in failing else NOT_READY if failing else 0
    if as_json:
        answer = {
            "live": "liveness" not in failing,
            "ready": None if live else not failing,
            "findings": [asdict(finding) for finding in findings],
        }
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            show(Console(highlight=False), finding)
    sys.exit(code)
