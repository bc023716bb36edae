"""Builds the wheel of a checkout, and packs it with all that a host needs to install it.

Arguments: the checkout; a wheel to take instead, or ""; a folder of further wheels, or "". Prints one JSON
document: the version, a hash of each part, and the bundle's path.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path

REQUIREMENTS = ("build.txt", "runtime.txt", "runtime-postgres.txt", "runtime-ara.txt")


def built(source: Path, folder: Path) -> Path:
    """Build the checkout's wheel; the same content gives the same bytes."""
    if find_spec("hatchling") is None:
        sys.exit(
            f"{sys.executable} has no hatchling, which builds the wheel. Install what site.yml needs, with"
            " pip install --require-hashes -r requirements/deploy.txt, or name a wheel in dispatcher_wheel."
        )
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"The wheel cannot be built of {source}: {done.stderr.strip()}")
    return next(folder.glob("*.whl"))


def main(source: Path, given: str, wheelhouse: str) -> None:
    """Pack, and print what was packed."""
    lacking = [name for name in REQUIREMENTS if not (source / "requirements" / name).is_file()]
    if lacking:
        sys.exit(f"{source}/requirements lacks {', '.join(lacking)}: set dispatcher_source to the checkout.")
    if wheelhouse and not (Path(wheelhouse) / "ready").is_file():
        sys.exit(f"{wheelhouse} is no finished folder of wheels: make build/wheels/ready makes one.")
    if given and not Path(given).is_file():
        sys.exit(f"dispatcher_wheel: there is no file {given}.")
    folder = source / "build" / "release"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        wheel = Path(given) if given else built(source, Path(fresh))
        files = {name: source / "requirements" / name for name in REQUIREMENTS} | {"wheel": wheel}
        hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
        bundle = folder / f"{hashes['wheel']}.tar"
        part = Path(fresh) / "bundle.tar"
        with tarfile.open(part, "w") as tar:
            for path in files.values():
                tar.add(path, path.name)
            if wheelhouse:
                tar.add(wheelhouse, "wheels")
        for old in folder.glob("*.tar"):
            old.unlink()
        part.replace(bundle)
    print(json.dumps({"version": wheel.name.split("-")[1], "hashes": hashes, "bundle": str(bundle)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
