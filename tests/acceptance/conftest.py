"""One dispatcher that serves for all acceptance tests which do not harm it."""

import pytest

from tests.road import ADMIN, OPERATOR, Mailbox, make


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


@pytest.fixture(scope="module")
def governed(dispatcher, lab, tmp_path_factory):
    """A dispatcher with an administrator that asks for confirmations, while the one of all tests rests."""
    assert dispatcher.stop() == 0
    made = make(lab, tmp_path_factory.mktemp("governed"), permissions={})
    made.athome("senders", "add", ADMIN, "--role", "administrador")
    made.admin_token = made.issue(ADMIN)
    made.start()
    yield made
    assert made.stop() == 0
    dispatcher.start()
