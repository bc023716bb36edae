"""How far a long piece of work is: a bar in a terminal, a line now and then in a file or a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from dispatcher.cli.show import language, language_name
from dispatcher.replies.measures import number, size
from dispatcher.runs.report import Progress

_LINES = 10  # at the most, where there is no bar
_GONE = (OSError, SystemExit)  # what Rich raises when the reader has gone away: that does not stop the work


class _Rate(ProgressColumn):
    """Bytes a second since the start, in the shell's language."""

    def render(self, task: Task) -> Text:
        """Return the rate, once there is one."""
        rate = task.completed / task.elapsed if task.completed and task.elapsed else 0
        return Text(f"{size(rate, language_name())}/s" if rate else "", style="dim")


@contextmanager
def shown_progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Yield what is to be told of each step. Nothing is shown of work that has none."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = TextColumn("{task.description}"), BarColumn(bar_width=24), _Rate(), TimeRemainingColumn()
    bar = Bar(*columns, console=console, transient=True)

    def show(progress: Progress) -> None:
        with suppress(*_GONE):
            bar.start()
            task = bar.task_ids[0] if bar.task_ids else bar.add_task("")
            bar.update(task, description=_said(progress), completed=progress.bytes, total=progress.of_bytes)

    try:
        yield show
    finally:
        with suppress(*_GONE, IndexError):  # of a bar that could not be started Rich has nothing to take down
            bar.stop()


def _lines(console: Console) -> Callable[[Progress], None]:
    """Return what prints a line for each further tenth."""
    last = -1

    def show(progress: Progress) -> None:
        nonlocal last
        tenth = _LINES * progress.bytes // max(1, progress.of_bytes)
        if tenth > last:
            last = tenth
            with suppress(*_GONE):
                console.print(_said(progress))

    return show


def _said(progress: Progress) -> str:
    tongue = language_name()
    return language().gettext("{0} de {1} gravações, {2} de {3}").format(
        number(progress.files, tongue), number(progress.of, tongue),
        size(progress.bytes, tongue), size(progress.of_bytes, tongue),
    )  # fmt: skip
