"""CONTRIBUTING.md adds a command, followed to the letter in a copy of the checkout."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.settings import PROJECT
from tests.markdown import blocks

BIN = Path(sys.executable).parent
COPIED = ("dispatcher", "docs", "inventory", "lab", "locale", "playbooks", "roles", "templates", "tests")
pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def followed(lab, tmp_path_factory) -> tuple[Path, list[str]]:
    """A copy with everything done that CONTRIBUTING.md says, and the commands that are left to run."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "images"))
    for name in ("ansible.cfg", "pyproject.toml", ".yamllint"):
        shutil.copy2(PROJECT / name, folder / name)
    (folder / ".venv").symlink_to(BIN.parent)
    commands = []
    for block in blocks(PROJECT / "CONTRIBUTING.md"):
        named = re.findall(r"`([\w/.]+/[\w.]+)`[^`]*:$", block.before)
        if block.language == "sh":
            commands += block.text.splitlines()
        elif block.language == "diff":
            edited = folder / (named or [edited])[0]  # noqa: F821 - a difference follows its file's name
            edit(edited, block.text)
        elif block.language == "po":
            with (folder / named[0]).open("a") as catalogue:
                catalogue.write(block.text)
        else:
            new = folder / named[0]
            assert not new.exists()
            new.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(block.text)
    return folder, commands


def edit(file: Path, difference: str) -> None:
    """Put the difference in the one place that it fits."""
    lines = difference.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    text = file.read_text()
    assert 1 == text.count(before), f"{file.name} has changed, and CONTRIBUTING.md has not:\n{before}"
    file.write_text(text.replace(before, after))


def test_a_command_is_added_as_it_is_written(followed):
    """Each command of the last step does what it says, and UPTIME answers from a real server and in AJUDA."""
    folder, commands = followed
    assert 10 < len(commands)
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    said = {}
    for command in commands:
        if exported := re.fullmatch(r"export (\w+)=(\S+)", command):
            environment[exported[1]] = exported[2]
            continue
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert 0 == done.returncode, f"{command}\n{done.stdout}{done.stderr}"
        said[command] = done.stdout
    explained, ran, helped, played = list(said.values())[:4]
    assert re.search(r"playbooks/uptime\.yml", explained)
    assert re.search(r"Ligado desde \d\d/\d\d/\d{4} \d\d:\d\d\.", ran)
    assert "Diz desde quando um servidor está ligado." in helped
    assert re.search(r"gv2p +: ok=\d+ +changed=0", played)
    assert "## UPTIME" in (folder / "docs/COMANDOS.md").read_text()
    assert "uptime.unreadable" in (folder / "docs/CODIGOS.md").read_text()
