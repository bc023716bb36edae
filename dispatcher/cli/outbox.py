"""``athome outbox``: replies that have not arrived, and what a person does with them."""

from __future__ import annotations

import dataclasses
import json
import sys
from datetime import datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dispatcher.cli.show import language
from dispatcher.i18n import N_
from dispatcher.jobs.database import connect
from dispatcher.replies.letters import OPEN, STATES, Letter, Letters
from dispatcher.replies.visible import visible
from dispatcher.settings import Settings, load

_SHOWN = {
    "waiting": N_("a enviar"),
    "sending": N_("sem confirmação"),
    "sent": N_("enviado"),
    "dead": N_("recusado"),
    "bounced": N_("devolvido"),
    "dropped": N_("descartado"),
}
_COLORS = {"dead": "bold red", "bounced": "bold red", "sending": "yellow", "sent": "green"}


@click.group()
def outbox() -> None:
    """Mostra os e-mails de saída que não chegaram; tenta de novo ou descarta."""


@outbox.command("list")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Quantos, no máximo."
)
@click.option("--state", type=click.Choice(STATES), help="Só os que estão assim (sem isto: os pendentes).")
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def list_letters(settings_path: Path, limit: int, state: str | None, *, as_json: bool) -> None:
    """Lista os e-mails pendentes, recusados e devolvidos, os mais novos primeiro."""
    settings = load(settings_path)
    found = _letters(settings).recent(limit, (state,) if state else OPEN)
    if as_json:
        click.echo(json.dumps([_json(letter) for letter in found], ensure_ascii=False, indent=2))
        return
    _ = language().gettext
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in (_("Nº"), _("Criado"), _("Estado"), _("Tentativas"), _("Para"), "Job", _("Motivo")):
        table.add_column(title, overflow="fold")
    for letter in found:
        row = (
            str(letter.id), _time(letter.created_at, settings), _(_SHOWN[letter.state]), str(letter.attempts),
            letter.recipient, str(letter.job_id or ""), letter.error or "",
        )  # fmt: skip
        table.add_row(*map(escape, row), style=_COLORS.get(letter.state))
    # Into a pipe or a file each mail is one line, however long.
    width = None if sys.stdout.isatty() else 1000
    console = Console(highlight=False, soft_wrap=True, width=width)
    console.print(table if found else _("Nenhum e-mail."))


@outbox.command("show")
@click.argument("number", metavar="NÚMERO", type=int)
@click.option("--raw", is_flag=True, help="O e-mail inteiro, como é enviado (RFC 5322).")
@click.option("--json", "as_json", is_flag=True, help="Saída em JSON.")
@click.pass_obj
def show_letter(settings_path: Path, number: int, *, raw: bool, as_json: bool) -> None:
    """Mostra o e-mail de um NÚMERO: para quem, o que diz e o que foi feito dele."""
    settings = load(settings_path)
    letter, content = _letters(settings).get(number)
    if raw:
        sys.stdout.buffer.write(content)
        return
    if as_json:
        click.echo(json.dumps(_json(letter), ensure_ascii=False, indent=2))
        return
    _ = language().gettext
    message = message_from_bytes(content, policy=default)
    table = Table(show_header=False, box=None, pad_edge=False)
    for title, value in (
        (_("Nº"), str(letter.id)),
        (_("Estado"), _(_SHOWN[letter.state])),
        (_("Motivo"), letter.error),
        (_("Tentativas"), str(letter.attempts)),
        (_("Para"), letter.recipient),
        (_("Assunto"), visible(str(message["Subject"] or ""))),
        ("Message-ID", letter.message_id),
        ("Job", str(letter.job_id) if letter.job_id else None),
        (_("Criado"), _time(letter.created_at, settings)),
        (_("Entregue ao servidor"), _time(letter.sent_at, settings) if letter.sent_at else None),
        (_("Próxima tentativa"), _next(letter, settings)),
    ):
        if value:
            table.add_row(title, escape(value))
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    if body := message.get_body(("plain",)):
        console.print()
        for line in str(body.get_content()).splitlines():
            console.print(visible(line, 1000), markup=False)


@outbox.command("retry")
@click.argument("numbers", metavar="NÚMERO...", type=int, nargs=-1, required=True)
@click.pass_obj
def retry_letter(settings_path: Path, numbers: tuple[int, ...]) -> None:
    """Envia de novo, já, os e-mails destes NÚMEROs. Um sem confirmação é antes procurado nos enviados."""
    letters = _letters(load(settings_path))
    for number in numbers:
        letter = letters.retry(number)
        click.echo(
            language().gettext("E-mail {0} para {1}: vai em seguida.").format(number, letter.recipient)
        )


@outbox.command("drop")
@click.argument("numbers", metavar="NÚMERO...", type=int, nargs=-1, required=True)
@click.pass_obj
def drop_letter(settings_path: Path, numbers: tuple[int, ...]) -> None:
    """Descarta os e-mails destes NÚMEROs: não são mais enviados, mas continuam à vista (--state dropped)."""
    letters = _letters(load(settings_path))
    for number in numbers:
        letter = letters.drop(number)
        click.echo(language().gettext("E-mail {0} para {1}: descartado.").format(number, letter.recipient))


def _letters(settings: Settings) -> Letters:
    return Letters(connect(settings.job_store))


def _json(letter: Letter) -> dict[str, object]:
    values = dataclasses.asdict(letter)
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }


def _time(moment: datetime, settings: Settings) -> str:
    return moment.astimezone(settings.zone).strftime("%d/%m/%Y %H:%M:%S")


def _next(letter: Letter, settings: Settings) -> str | None:
    if letter.state not in ("waiting", "sending"):
        return None
    now = datetime.now(letter.not_before.tzinfo)
    return _time(max(letter.not_before, now), settings)
