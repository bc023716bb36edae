"""Long work at the shell: a bar for a person, few lines for a file, and no end for a reader that went."""

import io

from rich.console import Console

from dispatcher.cli.progress import shown_progress
from dispatcher.runs.report import Progress

MB = 1_000_000
STEPS = [
    Progress(files=n, of=1200, bytes=n * MB // 2, of_bytes=600 * MB)
    for n in (0, 1, 2, 119, 120, 600, 1199, 1200)
]


def shown(*, terminal: bool) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, highlight=False)
    with shown_progress(console) as show:
        for step in STEPS:
            show(step)
            if terminal:
                console.print("voip3 feito")
    return stream.getvalue().replace("\u00a0", " ")


def test_without_a_terminal_each_further_tenth_is_a_line():
    """A log of a night's collection does not have a line for every second of it."""
    assert [
        "0 de 1.200 gravações, 0 B de 600 MB",
        "120 de 1.200 gravações, 60 MB de 600 MB",
        "600 de 1.200 gravações, 300 MB de 600 MB",
        "1.199 de 1.200 gravações, 600 MB de 600 MB",
        "1.200 de 1.200 gravações, 600 MB de 600 MB",
    ] == shown(terminal=False).splitlines()


def test_in_a_terminal_it_is_a_bar_that_leaves_what_else_is_said(monkeypatch):
    """Files and bytes are shown as they come, results stand above, and the bar is gone at the end."""
    monkeypatch.setenv("TERM", "xterm")
    out = shown(terminal=True)
    assert "1.200 de 1.200 gravações, 600 MB de 600 MB" in out
    assert "━" in out
    assert len(STEPS) == out.count("voip3 feito")
    assert out.endswith("\x1b[2K")  # the line of the bar is erased


def test_a_command_without_progress_shows_nothing():
    """No bar, no empty line, no hidden cursor."""
    for terminal in (True, False):
        stream = io.StringIO()
        with shown_progress(Console(file=stream, force_terminal=terminal)):
            pass
        assert "" == stream.getvalue()


def test_a_reader_that_has_gone_away_does_not_stop_the_work():
    """The recordings are collected all the same."""

    class Closed(io.StringIO):
        def write(self, _text):
            raise BrokenPipeError

    for terminal in (True, False):
        with shown_progress(Console(file=Closed(), force_terminal=terminal)) as show:
            for step in STEPS:
                show(step)
