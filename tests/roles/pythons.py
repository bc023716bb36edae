"""The Pythons that a server may have, and which of them the modules are tested on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

EVERY = ("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
# The two oldest that a server may have, the lab's own, and the newest that has come to servers.
DAILY = ("2.7", "3.6", "3.11", "3.13")
ASKED = os.environ.get("ATHOME_TARGET_PYTHON", "")  # by the matrix, one after the other
VERSIONS = (*DAILY, ASKED) if ASKED and ASKED not in DAILY else DAILY


def find_python(version: str) -> str | None:
    """An interpreter of this version: on PATH, or one of pyenv's."""
    found = shutil.which(f"python{version}")
    pyenv = shutil.which("pyenv")
    if pyenv:
        root = Path(
            subprocess.run([pyenv, "root"], capture_output=True, text=True, check=True).stdout.strip()
        )
        for path in sorted(root.glob(f"versions/{version}.*/bin/python")):
            found = str(path)
    if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
        return found
    return None
