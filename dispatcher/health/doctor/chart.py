"""What one area of the doctor's has found so far, in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dispatcher.errors import AthomeError
from dispatcher.health.finding import Finding, Status
from dispatcher.replies.visible import visible


class OverError(Exception):
    """What would follow cannot be looked at; why is in the chart."""


class Chart:
    """Takes the findings of one area. What it has is kept, also when the area does not come to its end."""

    def __init__(self, area: str) -> None:
        self.area = area
        self.findings: list[Finding] = []

    def ok(self, check: str, said: str) -> None:
        """Note what is well."""
        self._note(check, "ok", said, "")

    def warning(self, check: str, said: str, way_out: str) -> None:
        """Note what a person should see to in time."""
        self._note(check, "warning", said, way_out)

    def failing(self, check: str, said: str, way_out: str) -> None:
        """Note what customers notice, or will."""
        self._note(check, "failing", said, way_out)

    @contextmanager
    def step(self, check: str, *kinds: type[Exception]) -> Iterator[None]:
        """Note what goes wrong in the block, an AthomeError or one of these kinds; raise OverError then."""
        try:
            yield
        except AthomeError as error:
            self.failing(check, error.problem, error.way_out)
        except kinds as error:
            self.failing(check, visible(str(error)) or type(error).__name__, "")
        else:
            return
        raise OverError

    def _note(self, check: str, status: Status, said: str, way_out: str) -> None:
        self.findings.append(Finding(check, self.area, status, said, way_out))
