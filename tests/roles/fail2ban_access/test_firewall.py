"""What the module reads out of real firewalls: each case is loaded into its own network namespace."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.roles.fail2ban_access import servers

CASES = yaml.safe_load(Path(__file__).with_name("firewalls.yml").read_text())
PROGRAM = """
import importlib.util, json, subprocess, sys
loaded = subprocess.run(sys.argv[3:], input=sys.stdin.read(), capture_output=True, text=True)
if loaded.returncode:
    sys.exit(loaded.stderr)
spec = importlib.util.spec_from_file_location("module", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
state, rules, problems = module.firewall(sys.argv[2], 10)
print(json.dumps([state, [rule.text for rule in rules], problems]))
"""


@pytest.mark.parametrize("name", CASES)
def test_reads_the_kernel(name):
    """A rule that names the address, or a network around it, and drops it is found; any other is not."""
    case = CASES[name]
    program = case["program"].split()
    if os.geteuid():
        pytest.skip("needs root: loads a firewall into a network namespace")
    for needed in (program[0], *(["ipset", "iptables"] if "ipset" in name else [])):
        if not shutil.which(needed):
            pytest.skip(f"{needed} is not installed")
    load = [*program, "-f", "-"] if program == ["nft"] else program
    look = [sys.executable, "-B", "-c", PROGRAM, servers.MODULE, case["address"], *load]
    done = subprocess.run(
        ["unshare", "-n", *look], input=case["rules"], capture_output=True, text=True, check=False
    )
    if done.returncode and ("ipset" in name or "legacy" in name):
        pytest.skip(f"this kernel has no {name}: {done.stderr.strip()[:100]}")
    assert done.returncode == 0, done.stderr
    state, found, problems = json.loads(done.stdout)
    assert [] == problems
    assert ("blocked" if case["blocked"] else "clear") == state
    assert case["blocked"] == bool(found)


def test_no_firewall_tool(module, monkeypatch):
    """Where no tool can ask the kernel, the answer is unknown, not clear."""
    monkeypatch.setattr(module, "which", lambda _program: None)
    assert module.firewall("203.0.113.7", 5)[0] == "unknown"
