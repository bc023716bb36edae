"""What a look at something has found, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failing"]  # a warning is for a person, in time; it fails nothing


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: what was looked at, how it is, and, unless it is well, the way out.

    ``of``: liveness, readiness, or the doctor's area. Lines of ``way_out`` after the first are to be copied.
    """

    check: str
    of: str
    status: Status
    said: str
    way_out: str = ""
