"""``athome preview-mails``: every mail that there is, for whoever decides what they look like."""

from __future__ import annotations

from pathlib import Path

import click

from dispatcher.cli.show import language as shell_language
from dispatcher.errors import AthomeError
from dispatcher.i18n import LANGUAGES
from dispatcher.settings import DEFAULT_PATH, Settings, load


class FolderError(AthomeError):
    """The folder cannot be written: name another."""

    exit_code = 73  # EX_CANTCREAT


@click.command("preview-mails")
@click.argument("folder", metavar="PASTA", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--language", type=click.Choice(LANGUAGES), help="Idioma dos e-mails; sem ele, o da configuração."
)
@click.pass_obj
def preview_mails(settings_path: Path, folder: Path, language: str | None) -> None:
    """Grava em PASTA todos os e-mails, com dados inventados e a marca da configuração. Não envia nada.

    PASTA/index.html mostra todos lado a lado; de cada um há NOME.html, NOME.txt e NOME.eml. Sem um arquivo de
    configuração, a marca é a do projeto. Os modelos estão em templates/mail.
    """
    from dispatcher.replies import gallery  # noqa: PLC0415 - the other verbs start without it

    ours = settings_path == DEFAULT_PATH and not settings_path.exists()
    settings = Settings() if ours else load(settings_path)
    try:
        count = gallery.write(folder, settings, language or settings.language)
    except OSError as error:
        raise FolderError(
            f"Não é possível gravar em {folder}: {error.strerror}.", "Indique outra pasta."
        ) from None
    said = shell_language().gettext("{0} e-mails gravados. Abra no navegador: {1}")
    click.echo(said.format(count, (folder / gallery.INDEX).absolute()))
