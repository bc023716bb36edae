"""A private server for each test, and the module as Python sees it."""

import pytest

from tests.roles.loading import loaded
from tests.roles.mac_binding.machine import MODULE, Machine, Runners


@pytest.fixture(scope="session")
def module():
    """The module as Python sees it, for the tests of its pure functions."""
    return loaded(MODULE)


@pytest.fixture(scope="session")
def runners():
    """The Pythons that run the module; ended with the tests."""
    made = Runners()
    yield made
    made.close()


@pytest.fixture
def machine(tmp_path, runners):
    """Files and a daemon, before any change."""
    return Machine(tmp_path, runners)
