"""One run of pytest, within a time, and what came of its tests."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dispatcher.settings import PROJECT


@dataclass(frozen=True)
class Outcome:
    """What came of some tests; ``skipped`` has the reasons, each with how many tests it kept out."""

    passed: int = 0
    failed: tuple[str, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """What stands in the table."""
        if self.failed:
            return "FAILED"
        return "ok" if self.passed else "not had"


@dataclass(frozen=True)
class Case:
    """One test: its name with parameters, and why it failed or was skipped (empty: it passed)."""

    name: str
    failed: str = ""
    skipped: str = ""


def pytest(command: Sequence[str], report: Path, seconds: float, **environment: str) -> list[Case]:
    """Run pytest by this command; its words go beside the report.

    A run that is over its time, or ends otherwise than by its tests' results, is one more failed case.
    """
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    words, started = report.with_suffix(".log"), time.monotonic()
    with words.open("wb") as log:
        process = subprocess.Popen(
            [*command, "-p", "no:cacheprovider", f"--junit-xml={report}"], cwd=PROJECT,
            env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGTERM)  # its labs and servers have a moment to end
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return [Case("run", failed=f"not done in {seconds:.0f} s: {words}")]
    cases = read(report) if report.exists() else []
    if code not in (0, 1, 5) or not report.exists():  # 5: no test was left to run
        cases.append(
            Case("run", failed=f"pytest ended with {code} after {time.monotonic() - started:.0f} s: {words}")
        )
    return cases


def read(report: Path) -> list[Case]:
    """Read what pytest has written."""
    cases = []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - what our own pytest has written
        failure = case.find("failure") if case.find("failure") is not None else case.find("error")
        skip = case.find("skipped")
        cases.append(
            Case(
                name=f"{case.get('classname')}::{case.get('name')}",
                failed="" if failure is None else (failure.get("message") or "failed").splitlines()[0],
                skipped="" if skip is None else skip.get("message") or "skipped",
            )
        )
    return cases


def summed(cases: Sequence[Case]) -> Outcome:
    """Count what came of some tests."""
    skipped: dict[str, int] = {}
    for case in cases:
        if case.skipped and not case.failed:
            skipped[case.skipped] = skipped.get(case.skipped, 0) + 1
    failed = tuple(f"{case.name}: {case.failed}" for case in cases if case.failed)
    passed = sum(not case.failed and not case.skipped for case in cases)
    return Outcome(passed=passed, failed=failed, skipped=skipped)
