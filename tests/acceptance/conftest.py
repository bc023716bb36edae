"""One dispatcher that serves for all acceptance tests which do not harm it."""

import json

import pytest

from lab import recordings
from tests.acceptance.bare import WHEELS, Bare
from tests.fleet import fresh_phones
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


@pytest.fixture(scope="module")
def bare(dispatcher, lab, tmp_path_factory):
    """The bare host, while the dispatcher of all tests rests: both would read the same mailbox."""
    if json.loads((lab / "state.json").read_text())["mode"] != "systemd":
        pytest.skip("the lab runs in plain mode: its hosts have no systemd")
    assert (WHEELS / "ready").exists(), "make build/wheels/ready"
    assert dispatcher.stop() == 0
    made = Bare(lab, tmp_path_factory.mktemp("bare"))
    recordings.lay("voip3", recordings.planned("voip3", files=100), lambda _line: None)
    fresh_phones()
    yield made
    made.on("! systemctl cat athome.service || systemctl disable --now athome.service", check=False)
    fresh_phones()
    dispatcher.start()
