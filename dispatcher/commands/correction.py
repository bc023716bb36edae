"""What was understood of a subject → a whole valid one to copy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from pydantic import ValidationError

from dispatcher.commands.base import Command
from dispatcher.commands.context import Context

_PAIR = re.compile(r"(\w+)=(.*?)(?=\s+\w+=|$)")


@dataclass(frozen=True, slots=True)
class Correction:
    """A valid subject. ``invented``: its fields whose value nobody wrote, which nobody should copy unread."""

    subject: str
    invented: tuple[str, ...] = ()

    def previewed(self) -> Correction:
        """Return the same as a preview."""
        return replace(self, subject=f"{self.subject} SIMULAR")


def corrected(
    kind: type[Command],
    values: Mapping[str, str],
    refused: Mapping[str, str | None],
    context: Context,
) -> Correction:
    """Keep what was right, take the suggestion for what was refused, else the example's value.

    ``values`` and ``refused``, with the suggestions, are by field. Where the outcome contradicts itself, as
    when the example's MAC is the one that was kept, one of them gives way, or two, or all.
    """
    understood = {field: refused.get(field, value) for field, value in values.items()}
    kept = {field: value for field, value in understood.items() if value is not None}
    for fewer in range(min(len(kept), 2) + 1):
        for dropped in combinations(kept, fewer):
            rest = {field: value for field, value in kept.items() if field not in dropped}
            if correction := _completed(kind, rest, context, values):
                return correction
    if correction := _completed(kind, {}, context, values):
        return correction
    raise AssertionError(f"the example of {kind.keyword} is not valid")  # a test says that each is


def example(kind: type[Command], context: Context) -> Correction:
    """Return the command's example as it is valid on this fleet."""
    return Correction(kind.example) if not kind.playbook else corrected(kind, {}, {}, context)


def _completed(
    kind: type[Command], kept: Mapping[str, str], context: Context, written: Mapping[str, str]
) -> Correction | None:
    """Add the example's value for each field that is missing, fitted to the others where it has to be.

    The default of a field is invented too where something else was ``written``.
    """
    examples = {key.lower(): value.strip() for key, value in _PAIR.findall(kind.example)}
    server = kind.server_field()
    if server and examples[server] not in context.servers:
        examples[server] = context.servers[0]
    chosen = {**kind.defaults(context), **kept}
    missing = {field: examples[field] for field in kind.model_fields if field not in chosen}
    for _ in range(2):
        try:
            command = kind.model_validate(chosen | missing, context=context)
        except ValidationError as error:  # noqa: PERF203 - two turns at the most
            fitting = {str(found["loc"][0]): found["ctx"]["suggestion"] for found in error.errors()}
            missing |= {field: value for field, value in fitting.items() if field in missing and value}
        else:
            strange = [field for field in kind.model_fields if field in written and field not in kept]
            invented = dict.fromkeys((*missing, *strange))
            return Correction(command.subject(), tuple(field.upper() for field in invented))
    return None
