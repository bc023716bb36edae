"""The container for AWX has what the project is locked to; ansible-lint holds the file to its schema."""

import re

import yaml

from dispatcher.settings import PROJECT


def test_versions_are_those_of_the_requirements():
    """Each package in it has the version that the requirements have for the Python in it."""
    needs = yaml.safe_load((PROJECT / "execution-environment.yml").read_text())["dependencies"]
    assert "/usr/bin/python3.11" == needs["python_interpreter"]["python_path"]
    pinned = [needs["ansible_core"]["package_pip"], needs["ansible_runner"]["package_pip"], *needs["python"]]
    locked = (PROJECT / "requirements/runtime.txt").read_text()
    ours = re.findall(r"(?m)^(\S+==\S+)(?: ; python_full_version (?:< '3.12'|>= '3.11'))? \\", locked)
    assert [] == [name for name in pinned if name not in ours]
