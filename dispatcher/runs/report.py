"""What a run did, per server, in one shape for every command.

``from_events`` (below) builds it out of Ansible's events; replies, shell and tests read nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Outcome = Literal["changed", "ok", "failed", "unreachable"]
Status = Literal["successful", "partial", "failed", "timeout", "canceled"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Notice(_Frozen):
    """Something beside the result that the reader should know: a code with its data."""

    code: str
    data: dict[str, Any] = {}


class Diff(_Frozen):
    """One thing before and after, as text."""

    before_header: str = ""
    after_header: str = ""
    before: str = ""
    after: str = ""


class HostResult(_Frozen):
    """What happened on one server: the module's result, or why there is none."""

    host: str
    outcome: Outcome
    code: str  # area.what, a row of dispatcher.replies.sentences
    data: dict[str, Any] = {}
    notices: tuple[Notice, ...] = ()
    diff: tuple[Diff, ...] = ()
    undo: dict[str, Any] | None = None
    seconds: float = 0.0


class Report(_Frozen):
    """The run as a whole. ``status`` is also the job's last state."""

    status: Status
    check: bool = False
    hosts: tuple[HostResult, ...] = ()  # in the inventory's order
    problem: Notice | None = None  # why nothing could run at all
    seconds: float = 0.0
