"""README, argument specs, defaults, documentation and code of the role say the same."""

import re

import pytest
import yaml

from tests.roles.fail2ban_access.servers import MODULE, ROLE

SPECS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
README = (ROLE / "README.md").read_text()


def default(spec):
    if spec.get("required"):
        return "required"
    return "empty" if spec["default"] == "" else f"`{spec['default']}`"


def test_readme_has_the_variables_of_the_specs():
    """Each variable's row in the README has the type, default and words of the argument specs."""
    rows = [
        f"| `{name}` | {spec['type']} | {default(spec)} | {spec['description']} |"
        for name, spec in SPECS.items()
    ]
    assert rows == re.findall(r"(?m)^\| `fail2ban_access_.*$", README)


def test_defaults_are_those_of_the_specs():
    """defaults/main.yml has exactly the optional variables, with the specs' values."""
    optional = {name: spec["default"] for name, spec in SPECS.items() if "default" in spec}
    assert optional == yaml.safe_load((ROLE / "defaults/main.yml").read_text())


def test_module_documentation_and_code_have_the_same_arguments(module):
    """ansible-doc shows the arguments and defaults that the module has, and the role passes every one."""
    options = yaml.safe_load(MODULE.with_suffix(".yml").read_text())["DOCUMENTATION"]["options"]
    assert module.DEFAULTS == {
        name: option["default"] for name, option in options.items() if name != "address"
    }
    (task,) = yaml.safe_load((ROLE / "tasks/main.yml").read_text())
    passed = task["fail2ban_access"]
    assert {name: f"{{{{ fail2ban_access_{name} }}}}" for name in options} == passed
    assert {f"fail2ban_access_{name}" for name in options} == set(SPECS)


@pytest.mark.parametrize("kind", ["Code", "Notice"])
def test_readme_lists_every_code(kind):
    """The README's tables hold exactly the codes that the module can give."""
    source = MODULE.read_text()
    codes = re.findall(r'"(?:failed|ok|changed)", "(?:fail2ban\.)?(\w+)"(?!:)', source)
    codes += re.findall(r'Stop\(\s*"fail2ban\.(\w+)"', source)
    found = {"Code": set(codes), "Notice": set(re.findall(r'\.note\("(\w+)"', source))}[kind]
    table = README.split(f"| {kind} |")[1].split("\n\n")[0]
    assert found == set(re.findall(r"(?m)^\| `fail2ban\.(\w+)`", table))
