"""``athome jobs show --follow``: a run as it goes on, until the job ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console

from dispatcher.cli.show import language, language_name, waited_for
from dispatcher.cli.show import standing as said
from dispatcher.jobs import rows
from dispatcher.jobs.database import reading
from dispatcher.jobs.job import Job
from dispatcher.jobs.standing import standing
from dispatcher.jobs.store import Store
from dispatcher.replies.visible import visible
from dispatcher.settings import Settings

_PAUSE = 0.3  # seconds between two looks
_LINE = 2000  # characters of a line of Ansible's that are shown


def follow(settings: Settings, store: Store, job_id: int, console: Console) -> Job:
    """Print what the job waits for, then what Ansible says, as it comes; return the job when it has ended.

    Of a run on another machine only the state is known here. Raises NotFoundError and StoreError.
    """
    log = Log(settings.state_dir / "runs" / str(job_id) / "artifacts" / "stdout")
    told: tuple[str, ...] = ()
    while True:
        with reading(store.engine) as connection:
            seen = standing(connection, rows.one(connection, job_id))
        job = seen.job
        if (now := (said(job, settings.zone), *waited_for(seen, language_name()))) != told:
            told = now
            console.print(language().gettext("job {0}: {1}").format(job_id, "; ".join(now)), markup=False)
        if job.started_at:
            for line in log.lines():
                click.echo(line)
        if job.state.terminal:
            return job
        time.sleep(_PAUSE)


class Log:
    """A file that grows, or begins anew when the run does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: tuple[int, int] | None = None
        self._at = 0
        self._rest = b""

    def lines(self) -> Iterator[str]:
        """Return the whole lines that are new."""
        try:
            with self._path.open("rb") as stream:
                found = os.fstat(stream.fileno())
                if (found.st_dev, found.st_ino) != self._file or found.st_size < self._at:
                    self._file, self._at, self._rest = (found.st_dev, found.st_ino), 0, b""
                stream.seek(self._at)
                new = stream.read()
        except FileNotFoundError:  # it has not begun, or is another machine's
            return
        self._at += len(new)
        *whole, self._rest = (self._rest + new).split(b"\n")
        for line in whole:
            yield shown_line(line.decode("utf-8", "replace"))


def shown_line(line: str) -> str:
    """Return a line without colours and without anything that would move a terminal's cursor."""
    plain = click.unstyle(line)
    indent = len(plain) - len(plain.lstrip(" "))
    return " " * min(indent, 80) + visible(plain, _LINE)
