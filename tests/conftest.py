"""What all tests share: the mark of those that live inside the lab."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Cluster, cluster

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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL of this session's own, that nobody else sees."""
    with cluster() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/athome.db"
    else:
        with request.getfixturevalue("postgres").database() as url:
            yield url
