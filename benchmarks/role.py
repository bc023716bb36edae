"""The role's module, step by step as its tasks run it, without Ansible around it.

As a command, `python -m benchmarks.role ARGUMENTS.json --step NAME…`, it does one step, as Ansible does, or
several in one process, and keeps what the tasks hand on.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

MODULE = Path(__file__).parents[1] / "roles/audio_collection/library/audio_collection.py"
STEPS = ("window", "planned", "opened", "started", "built", "closed")
# What a step gives to those after it; see the role's tasks/main.yml.
HANDED_ON = ("window", "plan", "opening", "found", "found_notices", "archive", "reused")


def load() -> ModuleType:
    """Load the module's file."""
    spec = importlib.util.spec_from_file_location("audio_collection", MODULE)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{MODULE} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def step(module: ModuleType, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Do one step and return the arguments for the next; raises RuntimeError with the module's words."""
    while True:
        given = {key: value for key, value in arguments.items() if value is not None}
        if name == "started" and "opening" in given:
            given["addresses"] = _addresses(given["opening"])
        result = module.work({**given, "state": name})
        if result["failed"]:
            raise RuntimeError(f"{name}: {result['msg']}")
        arguments |= {key: result[key] for key in HANDED_ON if key in result}
        if result.get("finished", True):
            return arguments


def _addresses(opening: dict[str, Any]) -> list[str]:
    """Read the signed addresses of the parts, as the tasks' lookup does."""
    path = opening.get("addresses_file")
    return json.loads(Path(path).read_text()) if path else []


def main() -> None:
    """Do these steps."""
    path, names = Path(sys.argv[1]), sys.argv[3:]
    module, arguments = load(), json.loads(path.read_text())
    for name in names:
        arguments = step(module, name, arguments)
    path.write_text(json.dumps(arguments))


if __name__ == "__main__":
    main()
