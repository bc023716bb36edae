"""README, argument specs, documentation and code of the role say the same."""

import pytest

from tests.roles.documents import Documents
from tests.roles.fail2ban_access.servers import ROLE

ROLE_SAYS = Documents(ROLE, "fail2ban")


def test_module_documentation_and_code_have_the_same_arguments(module):
    """ansible-doc shows the arguments and defaults that the module has, and the role passes every one."""
    options = ROLE_SAYS.options
    assert module.DEFAULTS == {
        name: option["default"] for name, option in options.items() if name != "address"
    }
    assert {name: f"{{{{ fail2ban_access_{name} }}}}" for name in options} == ROLE_SAYS.passed
    assert {f"fail2ban_access_{name}" for name in options} == set(ROLE_SAYS.specs)


@pytest.mark.parametrize("kind", ["Code", "Notice"])
def test_readme_lists_every_code(kind):
    """The README's tables hold exactly the codes that the module can give."""
    assert ROLE_SAYS.given(kind) == ROLE_SAYS.listed(kind)
