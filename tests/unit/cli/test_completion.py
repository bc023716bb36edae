"""The tab key."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dispatcher.cli import athome

TAB = """
source <(athome completion bash)
COMP_WORDS=(athome preview-m) COMP_CWORD=1
_athome_completion athome
echo "${COMPREPLY[@]}"
"""


def test_bash_completes_a_verb():
    """A real bash that has read what athome wrote asks athome, and gets the rest of the word."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", TAB], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    assert ("preview-mails\n", "") == (done.stdout, done.stderr)


@pytest.mark.parametrize(("shell", "word"), [("zsh", "#compdef athome"), ("fish", "complete --no-files")])
def test_other_shells_get_theirs(shell, word):
    """zsh and fish get a script in their own language; no settings are needed for it."""
    done = CliRunner().invoke(athome, ["--settings", "/nonexistent", "completion", shell])
    assert (0, True) == (done.exit_code, word in done.output)
