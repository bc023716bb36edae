"""A Python of this machine laid onto a host of the lab, at the same path: a server with one more Python."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.roles.pythons import find_python

# What no module imports, or what is made again there.
LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "*.a", "config-*", "ensurepip", "idlelib", "site-packages", "test", "tkinter", "turtledemo"
)


def laid(root: Path, version: str) -> str:
    """Return the path of this Python on the host that has this root; a skip where there is none to lay."""
    if (root / f"usr/bin/python{version}").exists():
        return f"/usr/bin/python{version}"
    found = find_python(version)
    if not found:
        pytest.skip(f"no Python {version} on this machine")
    prefix = Path(asked(found, "import sys; print(sys.prefix)"))
    if prefix == Path("/usr"):
        pytest.skip(f"Python {version} is here as Debian's alone, which cannot be laid onto another host")
    target = root / prefix.relative_to("/")
    if not target.exists():
        (target / "lib").mkdir(parents=True)
        shutil.copytree(
            prefix / f"lib/python{version}", target / f"lib/python{version}", ignore=LEFT_OUT, symlinks=True
        )
        for library in prefix.glob("lib/libpython*"):
            shutil.copy2(library, target / "lib", follow_symlinks=False)
        (target / "bin").mkdir()
        shutil.copy2(Path(found).resolve(), target / "bin/python")
    return str(prefix / "bin/python")


def asked(python: str, words: str) -> str:
    """What a Python prints."""
    return subprocess.run([python, "-c", words], capture_output=True, text=True, check=True).stdout.strip()
