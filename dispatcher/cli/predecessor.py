"""``athome tokens import``: the tokens of the predecessor's tokens.json, as one sender's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TextIO

import click

from dispatcher.cli.show import language, say
from dispatcher.i18n import N_
from dispatcher.mail.senders import SenderError
from dispatcher.mail.tokens import opened
from dispatcher.settings import load


@click.command("import")
@click.argument("file", metavar="ARQUIVO", type=click.File(encoding="utf-8"))
@click.option("--sender", required=True, metavar="ENDEREÇO", help="De quem passam a ser os tokens.")
@click.pass_obj
def import_tokens(settings_path: Path, file: TextIO, sender: str) -> None:
    """Aceita os tokens de um tokens.json antigo (- lê da entrada). O ARQUIVO fica como está.

    Um token ilegível não impede os outros; termina com 65 se houve algum. Repetir não faz mal.
    """
    known = opened(load(settings_path))
    wrong, taken, there = [], 0, 0
    for place, entry in enumerate(_entries(file), start=1):
        if problem := _problem(entry):
            wrong.append(language().gettext("item {0}: {1}").format(place, problem))
        elif known.admit(
            sender, entry["token"], str(entry.get("description", "")), enabled=entry.get("enabled", True)
        ):
            taken += 1
        else:
            there += 1
    say(N_("Tokens importados: {0}; já existiam: {1}; recusados: {2}."), taken, there, len(wrong))
    if wrong:
        raise SenderError("; ".join(wrong), "Corrija o arquivo e repita: o que já existe não muda.")
    say(N_("O arquivo ainda tem os tokens à vista. Apague-o: shred -u {0}"), file.name)


def _entries(file: TextIO) -> list[Any]:
    try:
        found = json.load(file)["tokens"]
    except (ValueError, TypeError, KeyError):
        found = None
    if not isinstance(found, list):
        raise SenderError(
            f"{file.name} não é um tokens.json.",
            'Esperado: {"tokens": [{"token": "7E57C0DE", "description": "…", "enabled": true}]}',
        )
    return found


def _problem(entry: Any) -> str | None:
    """Return what is wrong with an entry, without repeating it: it may be a token with a slip."""
    _ = language().gettext
    if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
        return _("falta token")
    if not re.fullmatch("[0-9A-Fa-f]{8}", entry["token"]):
        return _("token não tem 8 dígitos hexadecimais")
    if not isinstance(entry.get("enabled", True), bool):
        return _("enabled não é true nem false")
    return None
