"""``athome tokens import``: the tokens of the predecessor's tokens.json, as one sender's."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import click

from dispatcher.cli.show import language, say
from dispatcher.i18n import N_
from dispatcher.legacy.tokens_json import parse
from dispatcher.mail.senders import SenderError
from dispatcher.mail.tokens import opened
from dispatcher.settings import load


@click.command("import")
@click.argument("file", metavar="ARQUIVO", type=click.File(encoding="utf-8", errors="replace"))
@click.option("--sender", required=True, metavar="ENDEREÇO", help="De quem passam a ser os tokens.")
@click.pass_obj
def import_tokens(settings_path: Path, file: TextIO, sender: str) -> None:
    """Aceita os tokens de um tokens.json antigo (- lê da entrada). O ARQUIVO fica como está.

    Um token ilegível não impede os outros; termina com 65 se houve algum. Repetir não faz mal.
    """
    known = opened(load(settings_path))
    found = parse(file.read(), getattr(file, "name", "-"))
    _ = language().gettext
    new = [known.admit(sender, one.token, one.description, enabled=one.enabled) for one in found.tokens]
    wrong = [_("item {0}: {1}").format(one.place, _(one.text)) for one in found.wrong]
    taken = sum(new)
    say(N_("Tokens importados: {0}; já existiam: {1}; recusados: {2}."), taken, len(new) - taken, len(wrong))
    if wrong:
        raise SenderError("; ".join(wrong), "Corrija o arquivo e repita: o que já existe não muda.")
    say(N_("O arquivo ainda tem os tokens à vista. Apague-o: shred -u {0}"), file.name)
