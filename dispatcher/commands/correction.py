"""What was understood of a subject → a whole valid one to copy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from dispatcher.commands.base import Command

_PAIR = re.compile(r"(\w+)=(\S*)")


@dataclass(frozen=True, slots=True)
class Correction:
    """A valid subject. ``invented``: its fields with an example's value, which nobody should copy unread."""

    subject: str
    invented: tuple[str, ...] = ()

    def previewed(self) -> Correction:
        """Return the same as a preview."""
        return replace(self, subject=f"{self.subject} SIMULAR")


def corrected(
    kind: type[Command],
    values: Mapping[str, str],
    refused: Mapping[str, str | None],
    servers: Sequence[str],
) -> Correction:
    """Keep what was right, take the suggestion for what was refused, else the example's value.

    ``values`` and ``refused``, with the suggestions, are by field. Where the outcome contradicts itself, as
    when the example's MAC is the one that was kept, one of them gives way, or all.
    """
    examples = {key.lower(): value for key, value in _PAIR.findall(kind.example)}
    if "server" in examples and examples["server"] not in servers:
        examples["server"] = servers[0]
    understood = {field: refused.get(field, value) for field, value in values.items()}
    without_one = ({**understood, field: None} for field in understood)
    for kept in (understood, *without_one, {}):
        chosen = {field: value for field, value in kept.items() if value is not None}
        invented = [
            field for field, info in kind.model_fields.items() if info.is_required() and field not in chosen
        ]
        chosen |= {field: examples[field] for field in invented}
        try:
            command = kind.model_validate(chosen, context={"servers": servers})
        except ValidationError:
            continue
        return Correction(command.subject(), tuple(field.upper() for field in invented))
    raise AssertionError(f"the example of {kind.keyword} is not valid")  # a test says that each is
