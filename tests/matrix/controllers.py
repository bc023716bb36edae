"""The machines from which playbooks are run: a Python, and the ansible-core that is locked for it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dispatcher.settings import PROJECT
from tests.roles.pythons import find_python

VERSIONS = ("3.10", "3.11", "3.12", "3.13")
FOLDER = PROJECT / "build/matrix"
_LOCKED = PROJECT / "requirements/dev.txt"
_UV = str(Path(sys.executable).with_name("uv"))


@dataclass(frozen=True)
class Controller:
    """A virtual environment with all of the locked requirements, and the checkout itself."""

    python: str  # version, such as 3.12
    ansible: str  # version of its ansible-core
    program: Path  # its interpreter

    @property
    def name(self) -> str:
        """What its row is called."""
        return f"Python {self.python}, ansible-core {self.ansible}"


def controller(version: str) -> Controller | None:
    """Return the controller with this Python, made when its requirements have changed; None: no such Python.

    Raises subprocess.CalledProcessError when the requirements cannot be installed; what uv says is shown.
    """
    interpreter = find_python(version)
    if interpreter is None:
        return None
    place = FOLDER / version
    program, ready = place / "bin/python", place / "ready"
    recipe = hashlib.sha256(_LOCKED.read_bytes() + interpreter.encode()).hexdigest()
    if not ready.exists() or ready.read_text() != recipe:
        print(f"matrix: making the controller with Python {version}", flush=True)
        _run(_UV, "venv", "--quiet", "--clear", "--python", interpreter, str(place))
        install = (_UV, "pip", "install", "--quiet", "--python", str(program), "--no-deps")
        _run(*install, "--compile-bytecode", "--require-hashes", "--requirement", str(_LOCKED))
        _run(*install, "--no-build-isolation", "--editable", str(PROJECT))
        ready.write_text(recipe)
    ask = "import importlib.metadata as all; print(all.version('ansible-core'))"
    told = subprocess.run([program, "-c", ask], capture_output=True, text=True, check=True)
    return Controller(python=version, ansible=told.stdout.strip(), program=program)


def _run(*command: str) -> None:
    subprocess.run(command, cwd=PROJECT, check=True)
