"""What came of the matrix, as a table in Markdown, with what failed and what was not had below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.matrix.runs import Outcome

MODULES = "modules alone"  # the row of the modules' own tests, which need no controller
UNIT = "unit tests"  # the column of the package's tests, which need no target

Cells = Mapping[tuple[str, str], Outcome]  # by row and column


def table(rows: Sequence[str], columns: Sequence[str], cells: Cells) -> str:
    """Return the table: a row for each controller, a column for each target's Python."""
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    for row in rows:
        words = [cells[row, column].word if (row, column) in cells else "" for column in columns]
        lines.append([row, *words])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def remarks(cells: Cells) -> str:
    """Return how many tests passed, what failed, and what was skipped, with the reason."""
    lines = []
    for (row, column), outcome in cells.items():
        where = f"{row}, {column}"
        skipped = sum(outcome.skipped.values())
        lines.append(f"{where}: {outcome.passed} passed, {len(outcome.failed)} failed, {skipped} skipped")
        lines += [f"  FAILED {words}" for words in outcome.failed]
        lines += [f"  skipped {count}: {reason}" for reason, count in outcome.skipped.items()]
    return "\n".join(lines)
