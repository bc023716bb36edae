"""How a finding looks in a terminal: a mark, a sentence, and the way out."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dispatcher.health.finding import Finding

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failing": ("✗", "bold red")}


def show(console: Console, finding: Finding, indent: int = 0) -> None:
    """Print it. On a terminal sentences are wrapped; lines to copy, and everything in a pipe, are whole."""
    mark, style = _MARKS[finding.status]
    prose, *lines = finding.way_out.split("\n") if finding.status != "ok" else [""]
    _row(console, Text(mark, style=style), finding.said, indent)
    if prose:
        _row(console, Text("→"), prose, indent + 2)
    for line in lines:
        console.print(" " * (indent + 6) + line, style="bold", markup=False, soft_wrap=True)


def _row(console: Console, mark: Text, said: str, indent: int) -> None:
    if not console.is_terminal:
        console.print(" " * indent, mark, " ", Text(said), sep="", soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(mark, Text(said))
    console.print(Padding(grid, (0, 0, 0, indent)))
