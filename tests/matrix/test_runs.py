"""The matrix believes what pytest says of its tests, and no more."""

import sys

from tests.matrix.runs import Case, pytest, summed
from tests.matrix.table import remarks, table

TESTS = """
import pytest, time
def test_passes(): pass
def test_fails(): assert 1 == 2
@pytest.mark.parametrize("python", ["2.7"])
def test_skips(python): pytest.skip("no such Python")
"""


def run(folder, text, seconds=60):
    """Run these tests -> the cases."""
    (folder / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", f"--rootdir={folder}", str(folder)]
    return pytest(command, folder / "reports/report.xml", seconds)


def test_every_outcome_is_counted(tmp_path):
    """What passed, failed and was skipped is told apart, with names and reasons; one failure is a failure."""
    outcome = summed(run(tmp_path, TESTS))
    assert ("FAILED", 1, {"no such Python": 1}) == (outcome.word, outcome.passed, outcome.skipped)
    (failed,) = outcome.failed
    assert "test_fails: assert 1 == 2" in failed
    cells = {("here", "2.7"): outcome}
    assert "| here | FAILED |" in table(["here"], ["2.7"], cells)
    assert "skipped 1: no such Python" in remarks(cells)


def test_what_is_skipped_alone_was_not_had():
    """A cell in which nothing could be run is neither good nor bad."""
    assert "not had" == summed([Case("one[2.7]", skipped="no such Python")]).word


def test_a_run_that_says_nothing_has_failed(tmp_path):
    """Tests that cannot even be collected, and a run over its time, are failures that say where to look."""
    broken = run(tmp_path, "import nothing_of_this_name")
    assert "FAILED" == summed(broken).word
    late = run(tmp_path, "import time\ntime.sleep(60)", seconds=1)
    assert "not done in 1 s" in late[0].failed
