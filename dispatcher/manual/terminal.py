"""TERMINAL.md: every verb and option of ``athome``, as click itself knows them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import click

from dispatcher.cli import athome
from dispatcher.cli.run import EXIT_CODES
from dispatcher.errors import AthomeError


def values() -> Mapping[str, Any]:
    """Return the verbs in the order of the help, and every exit code that there is."""
    whole = click.Context(athome, info_name="athome")
    codes = {error.exit_code for error in _family(AthomeError)} | set(EXIT_CODES.values()) | {2}
    return {
        "options": _options(whole),
        "verbs": [_described(context) for context in _verbs(whole)],
        "exit_codes": sorted(codes),
    }


def _family(kind: type[AthomeError]) -> Iterator[type[AthomeError]]:
    for heir in kind.__subclasses__():
        yield heir
        yield from _family(heir)


def _verbs(context: click.Context) -> Iterator[click.Context]:
    """Go through a group's verbs; a group of its own comes before its verbs."""
    group = context.command
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            if not command.hidden:
                inner = click.Context(command, info_name=name, parent=context)
                yield inner
                yield from _verbs(inner)


def _described(context: click.Context) -> dict[str, Any]:
    command = context.command
    usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
    help_text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    return {
        "path": context.command_path,
        "group": isinstance(command, click.Group),
        "usage": usage.replace("[OPTIONS]", "[OPÇÕES]").replace("COMMAND [ARGS]...", "VERBO …"),
        "paragraphs": help_text.split("\n\n"),
        "options": _options(context),
    }


def _options(context: click.Context) -> list[dict[str, str]]:
    records = [param.get_help_record(context) for param in context.command.params]
    return [{"names": record[0], "text": record[1]} for record in records if record and record[1]]
