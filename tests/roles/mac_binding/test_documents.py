"""README, argument specs, defaults, documentation and code of the role say the same."""

import pytest

from tests.roles.documents import Documents
from tests.roles.mac_binding.machine import ROLE

ROLE_SAYS = Documents(ROLE, "mac_binding")


def test_readme_has_the_variables_of_the_specs():
    """Each variable's row in the README has the type, default and words of the argument specs."""
    assert ROLE_SAYS.variables() == ROLE_SAYS.rows_of_variables()


@pytest.mark.parametrize(
    ("variable", "above"),
    [
        ("mac_binding_files", "An item of `mac_binding_files`:"),
        ("mac_binding_notify", "`mac_binding_notify`:"),
        ("mac_binding_verify", "`mac_binding_verify`:"),
    ],
)
def test_readme_has_the_keys_of_the_specs(variable, above):
    """Each key's row in the README has the type and words of the argument specs."""
    assert ROLE_SAYS.keys(variable) == ROLE_SAYS.rows_below(above)


def test_defaults_are_those_of_the_specs():
    """defaults/main.yml has exactly the optional variables, with the specs' values."""
    optional = {name: spec["default"] for name, spec in ROLE_SAYS.specs.items() if "default" in spec}
    assert optional == ROLE_SAYS.defaults


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
