"""The shell: ``athome``. One file for each verb, in the order in which a newcomer needs them.

Exit codes: 0 done, 2 not a valid command or wrong usage, 3 done on some servers only, 4 done on none,
5 ended by its time limit, 6 canceled; 65 to 78 as in sysexits.h for what is not there
or wrong with the installation.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dispatcher import __version__
from dispatcher.cli.audit import audit
from dispatcher.cli.backup import backup, restore
from dispatcher.cli.completion import completion
from dispatcher.cli.doctor import doctor
from dispatcher.cli.explain import explain
from dispatcher.cli.health import health
from dispatcher.cli.import_legacy import import_legacy
from dispatcher.cli.jobs import jobs
from dispatcher.cli.outbox import outbox
from dispatcher.cli.preview_mails import preview_mails
from dispatcher.cli.purge import purge
from dispatcher.cli.queue import queue
from dispatcher.cli.run import run
from dispatcher.cli.senders import senders
from dispatcher.cli.serve import serve
from dispatcher.cli.tokens import tokens
from dispatcher.cli.work import work
from dispatcher.errors import AthomeError
from dispatcher.settings import DEFAULT_PATH


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--settings",
    "settings_path",
    type=click.Path(path_type=Path),
    envvar="ATHOME_SETTINGS",
    default=DEFAULT_PATH,
    show_default=True,
    help="Arquivo de configuração (ou a variável ATHOME_SETTINGS).",
)
@click.version_option(__version__, prog_name="athome", help="Mostra a versão e termina.")
@click.pass_context
def athome(context: click.Context, settings_path: Path) -> None:
    """Comandos por e-mail para uma frota de servidores Asterisk, executados como playbooks do Ansible."""
    context.obj = settings_path


for command in (
    run,
    explain,
    serve,
    work,
    jobs,
    queue,
    outbox,
    senders,
    tokens,
    audit,
    health,
    doctor,
    preview_mails,
    purge,
    backup,
    restore,
    import_legacy,
    completion,
):
    athome.add_command(command)


def main() -> None:
    """Run ``athome``; an error that a person can put right is a sentence and an exit code, no traceback."""
    try:
        athome()
    except AthomeError as error:
        click.echo(f"athome: {error.problem}\n        {error.way_out}", err=True)
        sys.exit(error.exit_code)
