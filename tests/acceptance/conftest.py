"""One dispatcher that serves for all acceptance tests which do not harm it."""

import pytest

from tests.road import OPERATOR, Mailbox, make


@pytest.fixture(scope="session")
def dispatcher(lab, tmp_path_factory):
    """A dispatcher that serves for all tests that do not harm it."""
    made = make(lab, tmp_path_factory.mktemp("dispatcher"))
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def operator(lab) -> Mailbox:
    return Mailbox(lab, OPERATOR)
