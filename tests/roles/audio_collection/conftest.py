"""A private tree of recordings for each test, and the module as Python sees it."""

import pytest

from tests.roles.audio_collection.request import MODULE, Request
from tests.roles.loading import loaded


@pytest.fixture(scope="session")
def module():
    """The module as Python sees it, for its pure functions and the controller's steps."""
    return loaded(MODULE)


@pytest.fixture
def request_of(tmp_path, module):
    """A function that makes a request; the builders that it started are ended after the test."""
    made = []

    def make(name="one", **arguments):
        made.append(Request(tmp_path / name, module, **arguments))
        return made[-1]

    yield make
    for request in made:
        request.end()


@pytest.fixture
def ask(request_of):
    """One request for 1121 and 1122 from 2025-11-01 00:00 to 2025-11-05 23:59, of a tree without
    recordings.
    """
    return request_of()
