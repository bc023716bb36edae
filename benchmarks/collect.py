"""Fetch recordings from the lab's S3 and make one ZIP of them: the role against what one would type instead.

Runs inside the lab. Each contender does the same work in each round, one after the other; the medians are
compared, within one run. Every ZIP is opened and counted, outside the time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Cost, measure, middle
from benchmarks.role import STEPS
from lab import s3
from lab.calls import Recording, call, content
from lab.state import INSIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

BUCKET, ARCHIVES, EXTENSION = "bench", "bench-audios", "1121"
COUNTS = (81, 2000)
SIZES = (300_000, 1_000_000)  # bytes
START = datetime(2025, 11, 1)  # noqa: DTZ001  local time of the server, as the role is told it
DAYS = 5
VERSIONS = (("s5cmd", "version"), ("rclone", "version"), ("aws", "--version"))
CREDENTIALS = INSIDE / "secrets/aws-credentials"


@dataclass(frozen=True)
class Contender:
    """A way to the archive: the commands that one types, run in a folder of its own."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    publish: str = "file"  # where the archive goes: file, into the folder; s3, into a bucket


def main() -> None:
    """Measure, and print tables and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tools", type=Path, required=True, help="folder with s5cmd, rclone, aws and zip")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="how many recordings")
    options = parser.parse_args()
    os.environ["PATH"] = f"{options.tools.resolve()}{os.pathsep}{os.environ['PATH']}"
    for command in VERSIONS:
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0])
    for count in options.counts:
        sizes = f"{SIZES[0]:,} to {SIZES[1]:,} bytes"
        print(f"\n{count} recordings of {sizes}, {options.rounds} rounds", flush=True)
        recordings = planned(count)
        lay(recordings)
        with tempfile.TemporaryDirectory(prefix="athome-bench-") as folder:
            costs = compare(recordings, Path(folder), options.rounds)
        for publish, where in (("file", "on the disk"), ("s3", "in a bucket")):
            show(
                where, {each.name: middle(found) for each, found in costs.items() if each.publish == publish}
            )
        with s3.Client() as client:
            client.remove_bucket(BUCKET)


def planned(count: int) -> list[Recording]:
    """Return `count` calls of one extension, spread over the days, from the smallest to the largest."""
    step = timedelta(days=DAYS) / count
    spread = SIZES[1] - SIZES[0]
    return [
        call(str(count), START + step * number, number=number + 1, size=SIZES[0] + spread * number // count)
        for number in range(count)
    ]


def lay(recordings: Sequence[Recording]) -> None:
    """Put them into a bucket of their own; noise takes time to make, so with all processors."""
    with s3.Client() as client:
        client.make_bucket(BUCKET)
    shares = [recordings[first :: os.cpu_count()] for first in range(os.cpu_count() or 1)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(_put, shares))


def _put(share: Sequence[Recording]) -> None:
    with s3.Client() as client:
        for recording in share:
            client.put(BUCKET, recording.path, content(recording))


def contenders(count: int, folder: Path) -> list[Contender]:
    """Return every way, the role's first. Each has the recordings under a prefix that holds nothing else."""
    prefix, target, archive = f"s3://{BUCKET}/{count}/", f"{folder}/files", f"{folder}/all.zip"
    zipped = ("zip", "-0", "-q", "-r", archive, target)
    module = (sys.executable, "-m", "benchmarks.role", f"{folder}/arguments.json")
    endpoint = f"--endpoint-url={s3.ENDPOINT}"
    s5cmd = ("s5cmd", endpoint, "--log=error", "cp")
    rclone = ("rclone", "copy", "--transfers=16", f"lab:{BUCKET}/{count}", target)
    aws = ("aws", endpoint, "s3", "cp", "--recursive", "--only-show-errors", prefix, target)
    fetched = (*s5cmd, f"{prefix}*", f"{target}/")
    # Two, as obstore's threads in the one that has listed would not survive the fork of the builder.
    two = tuple((*module, "--step", *names) for names in (STEPS[:3], STEPS[3:]))
    return [
        Contender("role, in two processes", two),
        Contender(
            "role, a process a step, as Ansible does", tuple((*module, "--step", name) for name in STEPS)
        ),
        Contender("s5cmd, zip -0", (fetched, zipped)),
        Contender("rclone, zip -0", (rclone, zipped)),
        Contender("AWS CLI, zip -0", (aws, zipped)),
        Contender("role, in two processes", two, "s3"),
        Contender("s5cmd, zip -0, s5cmd", (fetched, zipped, (*s5cmd, archive, f"s3://{ARCHIVES}/")), "s3"),
    ]


def compare(recordings: Sequence[Recording], folder: Path, rounds: int) -> dict[Contender, list[Cost]]:
    """Let everyone do the work in turn, round by round; return the costs of each."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "RCLONE_CONFIG": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": str(CREDENTIALS),
        "AWS_REGION": s3.REGION,
        **{f"RCLONE_CONFIG_LAB_{key}": value for key, value in (
            ("TYPE", "s3"), ("PROVIDER", "Other"), ("ENV_AUTH", "true"), ("ENDPOINT", s3.ENDPOINT),
        )},
    }  # fmt: skip
    ways = contenders(len(recordings), folder)
    costs: dict[Contender, list[Cost]] = {way: [] for way in ways}
    for number in range(1, rounds + 1):
        for way in ways:
            shutil.rmtree(folder)
            folder.mkdir()
            (folder / "arguments.json").write_text(json.dumps(arguments(recordings, folder, way.publish)))
            with s3.Client() as client:
                client.make_bucket(ARCHIVES)
            os.sync()  # nobody waits for what the one before has written
            costs[way].append(measure(way.commands, environment))
            check(recordings, folder, way.publish)
            with s3.Client() as client:
                client.remove_bucket(ARCHIVES)
            print(f"  round {number}: {way.name}, {way.publish}: {costs[way][-1].wall:.2f} s", flush=True)
    return costs


def arguments(recordings: Sequence[Recording], folder: Path, publish: str) -> dict[str, object]:
    """Return what the role's tasks would tell the module."""
    access = {"endpoint": s3.ENDPOINT, "credentials_file": str(CREDENTIALS)}
    last = START + timedelta(days=DAYS, minutes=-1)
    return {
        "server": "voip3",
        "audios_from": "s3",
        "extensions": [EXTENSION],
        "start": f"{START:%Y-%m-%d %H:%M}",
        "end": f"{last:%Y-%m-%d %H:%M}",
        "layout": {"root": f"s3://{BUCKET}/{len(recordings)}/"},
        "source": access,
        "publish": {"type": "s3", "bucket": ARCHIVES, **access}
        if publish == "s3"
        else {"type": "file", "folder": str(folder), "url": "https://audios.example.com/"},
        "state_dir": f"{folder}/state",
        # Objects are new here, and a recording of this very minute would be left out as unfinished.
        "now": int(datetime.now().timestamp()) + 120,  # noqa: DTZ005  the epoch
    }


def check(recordings: Sequence[Recording], folder: Path, publish: str) -> None:
    """Raise RuntimeError unless the archive is where it should be, with every recording in its full size."""
    if publish == "s3":
        (folder / "got").mkdir()
        command = ["aws", f"--endpoint-url={s3.ENDPOINT}", "s3", "cp", "--recursive", "--only-show-errors"]
        environment = {**os.environ, "AWS_SHARED_CREDENTIALS_FILE": str(CREDENTIALS)}
        subprocess.run([*command, f"s3://{ARCHIVES}/", folder / "got"], check=True, env=environment)
    (archive,) = (folder / "got" if publish == "s3" else folder).glob("*.zip")
    with zipfile.ZipFile(archive) as opened:
        found = sorted(entry.file_size for entry in opened.infolist() if entry.filename.endswith(".wav"))
    if found != sorted(recording.size for recording in recordings):
        raise RuntimeError(f"{archive} does not have the recordings")


def show(where: str, costs: dict[str, Cost]) -> None:
    """Print a table; the ratios are to the first line."""
    first = next(iter(costs.values()))
    head = f"archive {where}, medians"
    print(f"\n{head:40} {'wall s':>8} {'CPU s':>8} {'peak MB':>8}   {'wall':>6} {'CPU':>6} memory")
    for name, cost in costs.items():
        ratios = (cost.wall / first.wall, cost.cpu / first.cpu, cost.peak / first.peak)
        print(f"{name:40} {cost.wall:8.2f} {cost.cpu:8.2f} {cost.peak / 1e6:8.0f}  ", end=" ")
        print(" ".join(f"{ratio:5.2f}×" for ratio in ratios), flush=True)


if __name__ == "__main__":
    main()
