"""What all tests share: the mark of those that live inside the lab."""

from pathlib import Path

import pytest

LAB = Path("/run/athome-lab")


@pytest.fixture(scope="session")
def lab() -> Path:
    """The running lab's folder. Tests that ask for it run inside: python3 -m lab exec -- pytest …"""
    if not (LAB / "state.json").exists():
        pytest.fail(
            "this test runs inside the lab: make lab-up, then python3 -m lab exec -- .venv/bin/pytest …"
        )
    return LAB


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the lab, through whatever fixture: `-m lab` and `-m "not lab"` share all tests."""
    for item in items:
        if "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.lab)
