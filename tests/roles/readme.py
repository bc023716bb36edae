"""The tables of variables in a role's README, as its argument specs would have them.

.venv/bin/python -m tests.roles.readme     # writes them into every README
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from dispatcher.settings import PROJECT

ROLES = sorted(path.parents[1] for path in (PROJECT / "roles").glob("*/meta/main.yml"))
VARIABLES = "| Variable | Type | Default | Meaning |\n|---|---|---|---|\n"
KEYS = "| Key | Type | Meaning |\n|---|---|---|\n"
# The first table, and those of the keys that follow it with nothing but their titles between.
_TITLE = r"(?:An item of )?`\w+`:\n\n(?=\| Key)"
_TABLES = re.compile(rf"(?m)^\| Variable \|.*\n(?:\|.*\n|\n(?={_TITLE})|{_TITLE})*")


def specs(role: Path) -> dict[str, dict[str, Any]]:
    """The variables of a role, from its argument specs."""
    read = yaml.safe_load((role / "meta/argument_specs.yml").read_text())
    return read["argument_specs"]["main"]["options"]


def filled(readme: str, variables: dict[str, dict[str, Any]]) -> str:
    """The README with its tables made anew."""
    assert _TABLES.search(readme), f"the README lacks the table that begins with {VARIABLES.splitlines()[0]}"
    return _TABLES.sub(lambda _found: tables(variables), readme, count=1)


def tables(variables: dict[str, dict[str, Any]]) -> str:
    """A row for each variable, then a table for each variable that has keys."""
    rows = [
        f"| `{name}` | {spec['type']} | {default(spec)} | {spec['description']} |"
        for name, spec in variables.items()
    ]
    parts = [VARIABLES + "\n".join(rows) + "\n"]
    for name, spec in variables.items():
        if "options" in spec:
            title = f"An item of `{name}`:" if spec["type"] == "list" else f"`{name}`:"
            keys = [
                f"| `{key}` | {of['type']} | {of['description']} |" for key, of in spec["options"].items()
            ]
            parts.append(f"{title}\n\n{KEYS}" + "\n".join(keys) + "\n")
    return "\n".join(parts)


def default(spec: dict[str, Any]) -> str:
    """A variable's default as the README writes it."""
    if spec.get("required"):
        return "required"
    value = spec.get("default", "")
    if isinstance(value, (list, dict)) and value:
        return "see `defaults/main.yml`"
    if isinstance(value, str):
        return f"`{value}`" if value else "empty"
    return f"`{json.dumps(value)}`"


def main() -> None:
    """Write the tables into every README."""
    for role in ROLES:
        readme = role / "README.md"
        readme.write_text(filled(readme.read_text(), specs(role)))


if __name__ == "__main__":
    main()
