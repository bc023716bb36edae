"""CODIGOS.md: every code, with the sentence that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dispatcher.replies.codes import AREAS, undo
from dispatcher.replies.codes.entry import Entry
from dispatcher.replies.codes.problems import PROBLEMS


def values() -> Mapping[str, Any]:
    """Return the tables in the order of the code."""
    return {
        "areas": [
            {
                "name": area.__name__.rpartition(".")[2],
                "results": _rows(area.RESULTS),
                "notices": _rows(area.NOTICES),
            }
            for area in AREAS
        ],
        "problems": _rows(PROBLEMS),
        "refusals": _rows(undo.REFUSALS),
    }


def _rows(entries: Mapping[str, Entry]) -> list[dict[str, str]]:
    return [
        {"code": code, "text": entry.text, "would": entry.would or "", "advice": entry.advice or ""}
        for code, entry in entries.items()
    ]
