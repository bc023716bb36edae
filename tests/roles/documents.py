"""What a role says of its module: in README, argument specs, documentation, code."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import yaml

from tests.roles.readme import specs


class Documents:
    """The files of one role; ``short`` is what its codes begin with."""

    def __init__(self, folder: Path, short: str) -> None:
        self.name, self.short = folder.name, short
        self.readme = (folder / "README.md").read_text()
        self.specs = specs(folder)
        module = folder / "library" / f"{self.name}.py"
        self.source = module.read_text()
        documentation = yaml.safe_load(module.with_suffix(".yml").read_text())["DOCUMENTATION"]
        self.options: dict[str, dict[str, Any]] = documentation["options"]
        (task,) = yaml.safe_load((folder / "tasks/main.yml").read_text())
        self.passed: dict[str, str] = task[self.name]

    def listed(self, kind: str) -> set[str]:
        """The codes in the README's table of this kind (Code or Notice)."""
        table = self.readme.split(f"| {kind} |")[1].split("\n\n")[0]
        return set(re.findall(rf"(?m)^\| `{self.short}\.(\w+)`", table))

    def given(self, kind: str) -> set[str]:
        """The codes of this kind that the module's code can give.

        A notice is what `note(CODE)` has; a code what `Stop(CODE, …)` has, or what stands behind an outcome:
        `return "ok", CODE, …`. A variable there has what the code assigns to it.
        """
        tree = list(ast.walk(ast.parse(self.source)))
        calls = [node for node in tree if isinstance(node, ast.Call) and node.args]
        if kind == "Notice":
            codes = [call.args[0] for call in calls if name_of(call.func) == "note"]
        else:
            codes = [call.args[0] for call in calls if name_of(call.func) == "Stop"]
            for node in tree:
                if (
                    isinstance(node, ast.Tuple)
                    and node.elts
                    and texts(node.elts[0]) & {"ok", "changed", "failed"}
                ):
                    codes += node.elts[1:2]
        variables = {name_of(code) for code in codes} - {""}
        for node in tree:
            if isinstance(node, ast.Assign) and variables & {name_of(target) for target in node.targets}:
                codes.append(node.value)
            elif isinstance(node, ast.For) and isinstance(node.target, ast.Tuple):
                for place, target in enumerate(node.target.elts):
                    if name_of(target) in variables and isinstance(node.iter, ast.Tuple):
                        codes += [item.elts[place] for item in node.iter.elts if isinstance(item, ast.Tuple)]
        found = {text.removeprefix(f"{self.short}.") for code in codes for text in texts(code)}
        return found - {""}


def texts(node: ast.expr) -> set[str]:
    """The texts that an expression can have for its value, in its branches or a dict in it."""
    if isinstance(node, ast.IfExp):
        return texts(node.body) | texts(node.orelse)
    if isinstance(node, ast.Subscript):
        return texts(node.value)
    if isinstance(node, ast.Dict):
        return {text for value in node.values for text in texts(value)}
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
