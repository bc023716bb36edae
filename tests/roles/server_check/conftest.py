"""The module as Python sees it."""

import pytest

from tests.roles.loading import loaded
from tests.roles.server_check.test_module import MODULE


@pytest.fixture(scope="session")
def module():
    """The module as Python sees it, for what its code has."""
    return loaded(MODULE)
