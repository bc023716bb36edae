"""``athome purge``: what the service does once a day, now; or what it would do."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from dispatcher.cli.show import language
from dispatcher.i18n import N_
from dispatcher.jobs.database import connect
from dispatcher.jobs.housekeeping import Housekeeping
from dispatcher.settings import load

_SAID = {
    "mails": N_("decisões sobre e-mails (mail.audit_days)"),
    "jobs": N_("jobs com suas respostas (retention.jobs_days)"),
    "replies": N_("respostas sem job (retention.jobs_days)"),
    "texts": N_("textos de respostas enviadas (retention.replies_days)"),
    "links": N_("links vencidos, de resultados guardados"),
    "runs": N_("pastas de execução (retention.runs_days)"),
}


@click.command()
@click.option("--check", is_flag=True, help="Mostra o que seria apagado e não apaga nada.")
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def purge(settings_path: Path, *, check: bool, as_json: bool) -> None:
    """Apaga agora o que já passou do prazo da configuração (seção retention); o serviço o faz todo dia."""
    settings = load(settings_path)
    housekeeping = Housekeeping(connect(settings.job_store), settings)
    now = time.time()
    found = asdict(housekeeping.due(now) if check else housekeeping.purge(now))
    if as_json:
        click.echo(json.dumps({"check": check, **found}, ensure_ascii=False))
        return
    _ = language().gettext
    click.echo(_("Seria apagado:") if check else _("Apagado:"))
    for name, number in found.items():
        click.echo(f"{number:8}  {_(_SAID[name])}")
