"""README, argument specs, documentation and code of the role say the same."""

import pytest

from tests.roles.documents import Documents
from tests.roles.mac_binding.machine import ROLE

ROLE_SAYS = Documents(ROLE, "mac_binding")


def test_module_documentation_and_code_have_the_same_arguments(module):
    """ansible-doc shows the arguments and defaults that the module has, and the role passes every one."""
    options = ROLE_SAYS.options
    assert module.DEFAULTS == {name: option["default"] for name, option in options.items()}
    passed = dict.fromkeys(options)
    for name in options:
        variable = "inventory_hostname" if name == "host" else f"mac_binding_{name}"
        passed[name] = f"{{{{ {variable}{' | bool' if options[name]['type'] == 'bool' else ''} }}}}"
    assert passed == ROLE_SAYS.passed
    assert {f"mac_binding_{name}" for name in options if name != "host"} == set(ROLE_SAYS.specs)


def test_states_are_the_same_everywhere():
    """Specs and documentation of the module have the same states."""
    assert ROLE_SAYS.specs["mac_binding_state"]["choices"] == list(ROLE_SAYS.options["state"]["choices"])


def test_kinds_are_the_same_everywhere(module):
    """What the specs offer as a way, a format or a notation is what the module knows."""
    specs = ROLE_SAYS.specs
    files = specs["mac_binding_files"]["options"]
    assert set(module.FORMATS) == set(files["format"]["choices"])
    assert {"auto", *module.NOTATIONS} == set(files["notation"]["choices"])
    assert set(module.NOTIFY) == set(specs["mac_binding_notify"]["options"]["type"]["choices"])


@pytest.mark.parametrize("kind", ["Code", "Notice"])
def test_readme_lists_every_code(kind):
    """The README's tables hold exactly the codes that the module can give."""
    assert ROLE_SAYS.given(kind) == ROLE_SAYS.listed(kind)
