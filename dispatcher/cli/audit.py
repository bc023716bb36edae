"""``athome audit``: what was decided about each mail, and why; no token and no code is in it."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dispatcher.cli.show import language
from dispatcher.cli.when import ago, when
from dispatcher.i18n import N_
from dispatcher.jobs.audit import DAY, Audit, Entry
from dispatcher.jobs.database import connect
from dispatcher.mail.senders import valid
from dispatcher.replies.visible import visible
from dispatcher.settings import Settings, load

VERDICTS = {
    "admitted": N_("aceito"),
    "refused": N_("recusado"),
    "repeated": N_("repetido"),
    "silent": N_("silêncio"),
    "parked": N_("guardado"),
}
_STYLES = {"admitted": "green", "refused": "red", "repeated": "cyan", "silent": "dim", "parked": "yellow"}


@click.command()
@click.option("--since", type=when, metavar="PRAZO|DATA", help="Desde quando: 24h, 7d, 2026-11-23.")
@click.option("--until", type=when, metavar="PRAZO|DATA", help="Até quando, exclusive.")
@click.option("--sender", metavar="ENDEREÇO", help="Só os que dizem vir deste endereço.")
@click.option(
    "--verdict", "verdicts", type=click.Choice(list(VERDICTS)), multiple=True, help="Só estes; repetível."
)
@click.option(
    "--rule", "rules", metavar="REGRA", multiple=True, help="Só os que esta regra decidiu; repetível."
)
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, 1_000_000),
    help="Os mais novos, até quantos.",
)
@click.option("--json", "as_json", is_flag=True, help="Uma linha de JSON por e-mail.")
@click.option("--follow", is_flag=True, help="Continua mostrando os que chegam, até Ctrl-C.")
@click.option("--purge", is_flag=True, help="Apaga os de antes de mail.audit_days, e nada mostra.")
@click.pass_obj
def audit(
    settings_path: Path,
    *,
    since: str | None,
    until: str | None,
    sender: str | None,
    verdicts: tuple[str, ...],
    rules: tuple[str, ...],
    limit: int,
    as_json: bool,
    follow: bool,
    purge: bool,
) -> None:
    """Mostra o que foi decidido sobre cada e-mail que chegou, por qual regra e por quê."""
    settings = load(settings_path)
    kept = Audit(connect(settings.job_store))
    if purge:
        _purge(kept, settings)
        return
    find = partial(
        kept.find,
        since=ago(since, settings.zone) if since else None,
        until=ago(until, settings.zone) if until else None,
        sender=valid(sender) if sender else None,
        verdicts=verdicts,
        rules=rules,
    )
    found = find(limit=limit)
    _print(found, settings, as_json=as_json)
    if not found and not as_json and not follow:
        click.echo(language().gettext("Nenhum e-mail."), err=True)
    with suppress(KeyboardInterrupt):  # the usual end of it, and no mistake
        while follow:
            last = found[-1].id if found else 0
            time.sleep(1)
            if newer := find(after=last, limit=1_000_000):
                _print(newer, settings, as_json=as_json)
                found = newer


def _purge(kept: Audit, settings: Settings) -> None:
    days = settings.mail.audit_days if settings.mail else 365
    gone = kept.purge(time.time() - days * DAY)
    words = language().ngettext(
        "{0} e-mail de mais de {1} dias foi apagado.", "{0} e-mails de mais de {1} dias foram apagados.", gone
    )
    click.echo(words.format(gone, days))


def _print(entries: list[Entry], settings: Settings, *, as_json: bool) -> None:
    if as_json:
        for entry in entries:
            seen_at = datetime.fromtimestamp(entry.seen_at, tz=timezone.utc).isoformat()
            click.echo(json.dumps({**asdict(entry), "seen_at": seen_at}, ensure_ascii=False))
        return
    _ = language().gettext
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in (_("Quando"), _("De"), _("Decisão"), _("Regra"), _("Motivo"), "Job", _("Assunto")):
        table.add_column(title)
    for entry in entries:
        at = datetime.fromtimestamp(entry.seen_at, tz=settings.zone)
        table.add_row(
            f"{at:%d/%m/%Y %H:%M:%S}",
            escape(visible(entry.sender or "—", 80)),
            Text(_(VERDICTS.get(entry.verdict, entry.verdict)), style=_STYLES.get(entry.verdict, "")),
            entry.rule,
            escape(visible(entry.reason, 200)),
            str(entry.job_id or ""),
            escape(visible(entry.subject or "", 200)),
        )
    if entries:
        width = None if sys.stdout.isatty() else 1000  # into a pipe, each mail is one line
        Console(highlight=False, soft_wrap=True, width=width).print(table)
