"""Plan a window on a disk with a million recordings, and on one with ten thousand: the rest must not matter.

Both trees have the same recordings in each day; the larger one has more days. `find` over everything shows
what it costs to look at the rest.
"""

from __future__ import annotations

import argparse
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.role import load
from lab.calls import EXTENSIONS, call

A_DAY = 400  # recordings
DAYS = {"10,000": 25, "1,000,000": 2500}
LAST = datetime(2025, 11, 10)  # noqa: DTZ001  local time, as the role is told it
START, END = "2025-11-01 00:00", "2025-11-05 23:59"
EXTENSION = "1121"


def main() -> None:
    """Make both trees, measure in turn, print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("build"), help="where the trees are made, on a disk"
    )
    parser.add_argument("--rounds", type=int, default=51)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="million-", dir=options.folder.resolve()) as folder:
        roots = {name: Path(folder) / str(days) for name, days in DAYS.items()}
        for name, root in roots.items():
            print(f"making {name} files", flush=True)
            make(root, DAYS[name])
        module = load()
        listed = _listed_folders()
        plans = {name: _plan(module.work, root) for name, root in roots.items()}
        for name, root in roots.items():
            listed.clear()
            found = plans[name]()["data"]
            looked = f"{len(listed)} folders listed, {found['scanned']} names read"
            print(f"{name} files: {found['files']} found, {looked}")
            if len(listed) != len({path for path in listed if root in Path(os.fsdecode(path)).parents}):
                raise RuntimeError("a folder was listed twice, or one outside of the tree")
        show("the role's plan", _timed(plans, options.rounds))
        finds = {name: _find(root) for name, root in roots.items()}
        show("find over everything", _timed(finds, 3))
        print("removing them", flush=True)
        shutil.rmtree(folder)
        Path(folder).mkdir()


def make(root: Path, days: int) -> None:
    """Make empty files, named as FreePBX names recordings, in a folder for each day."""
    for back in range(days):
        day = LAST - timedelta(days=back)
        recordings = [
            call(
                "million",
                day + timedelta(seconds=86_400 // A_DAY * number),
                dst=EXTENSIONS[number % len(EXTENSIONS)],
                number=number,
                size=44,
            )
            for number in range(A_DAY)
        ]
        folder = root / recordings[0].folder
        folder.mkdir(parents=True)
        for recording in recordings:
            os.mknod(folder / recording.name, stat.S_IFREG | 0o640)


def show(what: str, seconds: dict[str, float]) -> None:
    """Print medians, and how much longer the larger tree took."""
    small, large = seconds.values()
    figures = ", ".join(f"{name} files {took * 1000:.1f} ms" for name, took in seconds.items())
    print(f"{what}: {figures}: {large / small:.2f}×", flush=True)


def _plan(work: Callable[[dict[str, Any]], dict[str, Any]], root: Path) -> Callable[[], dict[str, Any]]:
    """Return what plans the window with the role's module, in check mode: it writes nothing."""
    given = {
        "server": "gv1p",
        "audios_from": "audio",
        "extensions": [EXTENSION],
        "start": START,
        "end": END,
        "layout": {"root": str(root), "min_size": 0},
        "publish": {"type": "file", "folder": "/nowhere", "url": "https://audios.example.com/"},
        "_ansible_check_mode": True,
    }
    window = work({**given, "state": "window"})["window"]

    def plan() -> dict[str, Any]:
        result = work({**given, "state": "planned", "window": window, "now": int(time.time()) + 120})
        if result["failed"]:
            raise RuntimeError(result["msg"])
        return result

    return plan


def _find(root: Path) -> Callable[[], object]:
    command = ["find", str(root), "-name", f"*-{EXTENSION}-*"]
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _timed(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Do them in turn, round by round, and return the medians in seconds."""
    took: dict[str, list[float]] = {name: [] for name in works}
    for _round in range(rounds):
        for name, work in works.items():
            started = time.monotonic()
            work()
            took[name].append(time.monotonic() - started)
    return {name: median(seconds) for name, seconds in took.items()}


def _listed_folders() -> list[Any]:
    """Return a list that from now on gets every folder that Python lists, whoever asks for it."""
    listed: list[Any] = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event in {"os.listdir", "os.scandir"}:
            listed.append(arguments[0])

    sys.addaudithook(note)
    return listed


if __name__ == "__main__":
    main()
