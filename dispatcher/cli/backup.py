"""``athome backup`` and ``athome restore``: the database as one file, and back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from dispatcher.cli.show import language
from dispatcher.errors import NotFoundError
from dispatcher.jobs import backup as copies
from dispatcher.jobs.backup import BackupError, Contents
from dispatcher.jobs.database import connect
from dispatcher.jobs.restored import Choice, cancel, doubt_replies, unfinished
from dispatcher.jobs.store import Store
from dispatcher.replies.compose import Composer
from dispatcher.settings import Settings, load

_SHOWN = 20  # jobs that are listed one by one
_File = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("target", metavar="ARQUIVO|PASTA", type=click.Path(path_type=Path))
@click.option(
    "--keep", type=click.IntRange(min=1), metavar="N", help="Da PASTA, apaga as cópias além das N mais novas."
)
@click.pass_obj
def backup(settings_path: Path, target: Path, keep: int | None) -> None:
    """Copia o banco de dados para ARQUIVO (modo 0600), inteiro e verificado, também com o serviço rodando.

    Em uma PASTA, o nome da cópia é a sua hora (UTC). Não contém a configuração, as senhas, a chave dos tokens
    (sem ela, nenhum token vale) nem o inventário: copie-os à parte.
    """
    settings = load(settings_path)
    target = target.absolute()
    if keep is not None and not target.is_dir():
        raise NotFoundError(
            f"{target} não é uma pasta.", "--keep conta as cópias de uma pasta: crie-a antes."
        )
    file = copies.named(target) if target.is_dir() else target
    found = copies.back_up(copies.location(settings.job_store, file), file)
    if keep is not None:
        copies.forget(target, keep)
    _ = language().gettext
    click.echo(_("Cópia feita e verificada: {0}").format(_said(found, settings)))
    if settings.tokens:
        words = _("Guarde em outro lugar também a chave dos tokens: sem ela, nenhum token vale. Está em: {0}")
        click.echo(words.format(settings.tokens.pepper_file), err=True)


@click.command()
@click.argument("file", metavar="ARQUIVO", type=_File)
@click.option(
    "--unfinished",
    "choice",
    type=click.Choice(["run", "cancel"]),
    help="O que fazer dos jobs que a cópia tem por inacabados: run executa, cancel cancela e avisa.",
)
@click.pass_obj
def restore(settings_path: Path, file: Path, choice: Choice | None) -> None:
    """Põe uma cópia feita por athome backup no lugar do banco de dados; o de agora fica guardado ao lado.

    O serviço tem de estar parado. O que aconteceu depois da cópia, ela não sabe: um job que nela está na fila
    pode já ter sido executado, e por isso é preciso dizer o que fazer dele.
    """
    from dispatcher.work import only_one  # noqa: PLC0415 - the other verbs start without it

    settings = load(settings_path)
    database = copies.location(settings.job_store, file.absolute())
    _ = language().gettext
    with only_one(settings.state_dir):
        new = copies.prepare(file.absolute(), database)
        try:
            _bring_up(new, settings, choice)
            found = copies.examine(new)
            kept = copies.exchange(new, database)
        finally:
            copies.discard(new)
    click.echo(_("Restaurado: {0}").format(_said(found, settings)))
    if kept:
        click.echo(_("O banco de dados de antes está em {0}").format(kept))
    click.echo(_("Inicie o serviço (systemctl start athome) e veja: athome health, athome outbox list"))


def _bring_up(new: Path, settings: Settings, choice: Choice | None) -> None:
    """Bring the copy up to this version, and settle what it cannot know."""
    _ = language().gettext
    engine = connect(f"sqlite:///{new}")
    try:
        store = Store(engine)
        open_jobs = unfinished(store)
        if open_jobs and choice is None:
            listed = [
                f"  {job.id}  {job.order.subject}  {job.order.sender or ''}" for job in open_jobs[:_SHOWN]
            ]
            if len(open_jobs) > _SHOWN:
                listed.append(f"  … (+{len(open_jobs) - _SHOWN})")
            click.echo("\n".join(listed), err=True)
            raise BackupError(
                "A cópia tem os jobs acima por inacabados, mas eles podem ter sido executados depois dela.",
                "Repita com --unfinished cancel (são cancelados e quem pediu é avisado) ou --unfinished run.",
            )
        if choice == "cancel":
            cancel(store, Composer(settings), open_jobs)
        if number := doubt_replies(engine):
            words = language().ngettext(
                "{0} resposta da cópia pode já ter sido enviada: é antes procurada nos enviados.",
                "{0} respostas da cópia podem já ter sido enviadas: são antes procuradas nos enviados.",
                number,
            )
            click.echo(words.format(number))
    finally:
        engine.dispose()


def _said(found: Contents, settings: Settings) -> str:
    newest = (
        f"{datetime.fromtimestamp(found.newest, tz=settings.zone):%d/%m/%Y %H:%M:%S}" if found.newest else "—"
    )
    said = language().gettext("{0} jobs, {1} remetentes, até {2}; {3} kB")
    return said.format(found.jobs, found.senders, newest, found.size // 1000)
