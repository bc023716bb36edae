"""A private tree of recordings for each test, and the module as Python sees it."""

import importlib.util

import pytest

from tests.roles.audio_collection.request import MODULE, Request


@pytest.fixture(scope="session")
def module():
    """The module as Python sees it, for its pure functions and the controller's steps."""
    spec = importlib.util.spec_from_file_location("audio_collection", MODULE)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


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
