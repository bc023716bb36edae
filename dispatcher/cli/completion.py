"""``athome completion``: what a shell reads so that the tab key completes verbs and options."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

_VARIABLE = "_ATHOME_COMPLETE"  # by which a shell asks athome, as click itself names it
_KINDS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(list(_KINDS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Escreve o que o shell lê para completar verbos e opções com a tecla Tab.

    \b
    No bash, para todos:  athome completion bash > /etc/bash_completion.d/athome
    No zsh, em ~/.zshrc:  eval "$(athome completion zsh)"
    No fish:              athome completion fish > ~/.config/fish/completions/athome.fish
    """  # noqa: D301 - click reads the backspace itself
    click.echo(_KINDS[shell](context.find_root().command, {}, "athome", _VARIABLE).source())
