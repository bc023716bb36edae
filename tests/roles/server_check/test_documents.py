"""README, argument specs, documentation and code of the role say the same."""

import pytest

from tests.roles.documents import Documents
from tests.roles.server_check.test_module import ROLE

ROLE_SAYS = Documents(ROLE, "server")


def test_module_documentation_and_code_have_the_same_arguments(module):
    """ansible-doc shows the arguments and defaults that the module has, and the role passes every one."""
    options = ROLE_SAYS.options
    assert module.DEFAULTS == {name: option["default"] for name, option in options.items()}
    assert {name: f"{{{{ server_check_{name} }}}}" for name in options} == ROLE_SAYS.passed
    assert {f"server_check_{name}" for name in options} == set(ROLE_SAYS.specs)


def test_readme_lists_every_way(module):
    """Each way to a daemon has its row, with what is looked at."""
    table = ROLE_SAYS.readme.split("| `type` | What is looked at |")[1].split("\n\n")[0]
    assert all(f"`{way}`" in table for way in module.WAYS)


@pytest.mark.parametrize("kind", ["Code", "Notice"])
def test_readme_lists_every_code(kind):
    """The README's tables hold exactly the codes that the module can give."""
    assert ROLE_SAYS.given(kind) == ROLE_SAYS.listed(kind)
