"""A role's playbook as an operator runs it, with Ansible alone, and what each task of it returned."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from tests import fleet

PLUGINS = Path(__file__).parent / "callback_plugins"


def played(name, values, *arguments, inventory=(), limit="", timeout=180):
    """Run a playbook on the lab -> ([{event, host, task, result}], return code, everything that was said).

    ``values`` are its extra variables, ``inventory`` further inventories beside the lab's.
    """
    more = [word for path in inventory for word in ("-i", str(path))]
    limits = ("--limit", limit) if limit else ()
    command = [
        fleet.PLAYBOOK, "-i", "inventory/lab", *more, f"playbooks/{name}", *limits,
        "-e", json.dumps(values), *arguments,
    ]  # fmt: skip
    with tempfile.NamedTemporaryFile("r") as collected:
        environment = {
            **os.environ,
            "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS),
            "ANSIBLE_CALLBACKS_ENABLED": "collected",
            "COLLECTED": collected.name,
        }
        done = subprocess.run(
            command, cwd=fleet.PROJECT, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, timeout=timeout,
        )  # fmt: skip
        tasks = [json.loads(line) for line in collected]
    return tasks, done.returncode, done.stdout + done.stderr
