"""Every Python and every ansible-core that the project says it works with, and a table of what came of it.

    make matrix
    .venv/bin/python -m tests.matrix --controllers 3.12 --targets 2.7 3.6

Three kinds of tests, each with a limit of time: the package's on each controller, the modules' on each Python
of a target, and each command's playbook from each controller to a server of the lab with each of these.
Exit status 1 when anything failed; what is not to be had on this machine is named and fails nothing.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

from dispatcher.settings import PROJECT
from tests.matrix.controllers import FOLDER, VERSIONS, Controller, controller
from tests.matrix.runs import Case, Outcome, pytest, summed
from tests.matrix.table import MODULES, UNIT, remarks, table
from tests.roles.pythons import EVERY, find_python

LAB = "matrix"
_UNIT, _MODULES, _FLEET = 1500, 900, 1200  # seconds that a run may take
_REPORTS = FOLDER / "reports"

Found = list[tuple[tuple[str, str], Outcome]]  # by row and column of the table


def main() -> int:
    """Run it all; print the table. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.matrix",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--controllers", nargs="+", choices=VERSIONS, default=VERSIONS, metavar="PYTHON")
    parser.add_argument("--targets", nargs="+", choices=EVERY, default=EVERY, metavar="PYTHON")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            parser.error(f"another one runs in {FOLDER}: its controllers are shared")
        return _run(options.controllers, options.targets)


def _run(versions: Sequence[str], targets: Sequence[str]) -> int:
    started = time.monotonic()
    made = {version: controller(version) for version in versions}
    missing = [version for version, one in made.items() if one is None]
    controllers = [one for one in made.values() if one]
    work: list[Callable[[], Found]] = [
        lambda: _fleet(controllers, targets),
        *(lambda one=one: _unit(one) for one in controllers),
        *(lambda version=version: _modules(version) for version in targets),
    ]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        cells = dict(found for result in pool.map(lambda each: each(), work) for found in result)
    rows = [*(one.name for one in controllers), MODULES]
    print(remarks(cells))
    for version in missing:
        print(f"not had: no Python {version} on this machine for a controller")
    print(
        f"\n{datetime.now(timezone.utc):%Y-%m-%d}, {time.monotonic() - started:.0f} s; reports: {_REPORTS}\n"
    )
    print(table(rows, [UNIT, *targets], cells))
    return 1 if any(outcome.failed for outcome in cells.values()) else 0


def _unit(one: Controller) -> Found:
    """Test the package; what a browser draws is the same from every Python, and left to `make test`."""
    said(f"the package with {one.name}")
    command = [str(one.program), "-m", "pytest", "-q", "-m", "not lab and not long"]
    left_out = ["--ignore", "tests/unit/replies"]
    cases = pytest([*command, *left_out, "tests/unit"], _REPORTS / f"unit-{one.python}.xml", _UNIT)
    return [((one.name, UNIT), summed(cases))]


def _modules(version: str) -> Found:
    """Test the modules on one target's Python, the long tests too."""
    said(f"the modules on Python {version}")
    where = (MODULES, version)
    if not find_python(version):
        return [(where, Outcome(skipped={f"no Python {version} on this machine": 1}))]
    # Whatever is run on one Python has its version among its parameters.
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not lab", "-k", version, "tests/roles"]
    report = _REPORTS / f"modules-{version}.xml"
    return [(where, summed(pytest(command, report, _MODULES, ATHOME_TARGET_PYTHON=version)))]


def _fleet(controllers: Sequence[Controller], targets: Sequence[str]) -> Found:
    """Run every command's playbook from each controller, on a server with each Python, in one lab."""
    if os.geteuid() or not controllers:
        reason = {"the lab needs root": 1}
        return [((one.name, version), Outcome(skipped=reason)) for one in controllers for version in targets]
    lab = [sys.executable, "-m", "lab"]
    up = [*lab, "up", "--name", LAB, "--ttl", str(_FLEET * len(controllers))]
    found: Found = []
    try:
        subprocess.run([*up, "--fresh"], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
        for one in controllers:
            said(f"the playbooks with {one.name}")
            inside = [*lab, "exec", "--name", LAB, "--", str(one.program), "-m", "pytest", "-q", "-m", "lab"]
            wanted = " or ".join(targets)
            report = _REPORTS / f"fleet-{one.python}.xml"
            cases = pytest([*inside, "-k", wanted, "tests/roles/test_targets.py"], report, _FLEET)
            found += _by_target(one, cases, targets)
    finally:
        subprocess.run([*lab, "down", "--name", LAB], cwd=PROJECT, check=False, stdout=subprocess.DEVNULL)
    return found


def _by_target(one: Controller, cases: Sequence[Case], targets: Sequence[str]) -> Found:
    """Share the cases out to the columns; what concerns the run as a whole stands in each of them."""
    whole = [case for case in cases if "[" not in case.name]
    return [
        ((one.name, version), summed([*whole, *(case for case in cases if f"[{version}]" in case.name)]))
        for version in targets
    ]


def said(words: str) -> None:
    """Say what begins: the whole takes a while."""
    print(f"matrix: {words}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
