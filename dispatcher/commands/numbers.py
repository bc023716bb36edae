"""The number of a job in a subject: ``12``, ``#12``, ``JOB 12``."""

from __future__ import annotations

import re

from dispatcher.commands.base import InvalidCommand, Problem

_NUMBER = re.compile(r"(?:JOB\s*)?#?\s*([1-9][0-9]{0,8})", re.IGNORECASE)  # what a database's integer holds
_SHOWN = 80


def number(keyword: str, words: str) -> int:
    """Return the job that is meant. Raises InvalidCommand, with the command for the number that is in it."""
    if found := _NUMBER.fullmatch(words):
        return int(found[1])
    near = re.search(r"(?<![0-9])[1-9][0-9]{0,8}(?![0-9])", words)
    code = "job.number" if words else "job.number_missing"
    problem = Problem(
        field=keyword, value=words[:_SHOWN], code=code, suggestion=f"{keyword} {near[0]}" if near else None
    )
    raise InvalidCommand((problem,), f"{keyword} {near[0]}" if near else "STATUS")
