"""The recordings of the fleet: those of voip1 and voip3 in S3, those of gv1p, gv2p, gv3p on host `audio`.

    s3://rec/voip3/2025/11/03/external-1121-5511211234-20251103-101502-1762175702.17.wav
    audio:/var/spool/asterisk/monitor/gv1p/2025/11/03/…

The layout is FreePBX's, {Y}/{m}/{d}/{type}-{dst}-{src}-{stamp}-{epoch}.{n}.{format}: folder and stamp in
local time (America/Sao_Paulo), the epoch in UTC. The same arguments give the same tree, byte by byte, without
a look at it: `planned` returns everything that there is of a server, `content` what is in a file. Beside the
ordinary calls every server has the odd ones of lab/oddities.py.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from lab import oddities, s3, topology
from lab.calls import EXTENSIONS, Recording, call, content
from lab.host import root_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

BUCKET = "rec"
ARCHIVES = "audios"  # a bucket for what is made of the recordings; empty
MONITOR = "var/spool/asterisk/monitor"  # on host `audio`
IN_S3, ON_AUDIO = ("voip1", "voip3"), ("gv1p", "gv2p", "gv3p")
SERVERS = (*IN_S3, *ON_AUDIO)
FILES, DAYS, SEED = 1200, 28, 1  # of each server
LAST = date(2025, 11, 10)
SIZES = (2_000, 40_000)  # bytes: the smallest, the largest
KINDS = {"out": 35, "external": 27, "internal": 15, "in": 5, "q": 11, "rg": 7}  # of a hundred calls
HOURS = [1] * 7 + [5, 30, 40, 40, 35, 20, 30, 40, 40, 35, 25, 8] + [2] * 5  # how busy each hour of a day is
WEEK = [5, 5, 5, 5, 5, 1, 1]  # and each day from Monday on
BUSY = (*EXTENSIONS, *("1121", "1122", "3010") * 5)  # some telephone more than others
# Half of the calls are with a few numbers, most of which have an extension's number inside.
OUTSIDE = ("5511211234", "11211122", "5130101234", "551133334444", "1122334455", "08001121", "anonymous")
DID, QUEUE, GROUP = "551140041121", "500", "600"
WORKERS = 8


def window(last: date = LAST) -> tuple[datetime, datetime]:
    """First and last second of the window around which the odd ones lie, in local time."""
    first = datetime.combine(last - timedelta(days=9), datetime.min.time())
    return first, first + timedelta(days=5, seconds=-1)


def planned(
    server: str,
    *,
    files: int = FILES,
    days: int = DAYS,
    seed: int = SEED,
    last: date = LAST,
    sizes: tuple[int, int] = SIZES,
) -> list[Recording]:
    """Return everything that is laid for a server: `files` ordinary calls in `days` days, and odd ones."""
    chance = random.Random(f"{seed}/{server}")  # noqa: S311  no secret: the same again is the point
    dates = [last - timedelta(days=back) for back in range(days)]
    busy = [WEEK[day.weekday()] for day in dates]
    ordinary = []
    for number, day in enumerate(chance.choices(dates, busy, k=files), 1):
        (hour,) = chance.choices(range(24), HOURS)
        time_of_day = timedelta(hours=hour, seconds=chance.randrange(3600))
        kind, dst, src = _parties(chance)
        ordinary.append(
            call(
                server,
                datetime.combine(day, datetime.min.time()) + time_of_day,
                kind=kind,
                dst=dst,
                src=src,
                number=number,
                form=chance.choice(["wav"] * 19 + ["gsm"]),
                size=chance.randint(*sizes),
            )
        )
    first, end = window(last)
    special = oddities.in_s3 if server in IN_S3 else oddities.on_audio
    return [*ordinary, *oddities.everywhere(server, first, end), *special(server, first)]


def lay(server: str, recordings: Sequence[Recording], say: Callable[[str], None]) -> None:
    """Put a server's recordings where they belong, in place of what is there. Inside the lab only."""
    started = time.monotonic()
    place = _lay_in_s3(server, recordings) if server in IN_S3 else _lay_on_audio(server, recordings)
    size = sum(recording.size for recording in recordings) / 1e6
    say(f"{server}: {len(recordings)} recordings, {size:.0f} MB, {time.monotonic() - started:.1f} s: {place}")


def _parties(chance: random.Random) -> tuple[str, str, str]:
    """Draw a call: its kind, who was called and who called."""
    (kind,) = chance.choices(list(KINDS), list(KINDS.values()))
    ours, other = chance.choices(BUSY, k=2)
    away = chance.choice([*OUTSIDE, *(f"55{chance.randrange(10**8, 10**10)}" for _ in OUTSIDE)])
    dst = {"out": away, "in": DID, "q": QUEUE, "rg": GROUP}.get(kind, ours)
    return kind, dst, {"out": ours, "internal": other}.get(kind, away)


def _lay_in_s3(server: str, recordings: Sequence[Recording]) -> str:
    with s3.Client() as client:
        client.make_bucket(BUCKET)
        client.make_bucket(ARCHIVES)
        client.remove(BUCKET, f"{server}/")

    def put(share: Sequence[Recording]) -> None:
        with s3.Client() as client:
            for recording in share:
                storage_class = "GLACIER" if recording.oddity == "archived" else "STANDARD"
                client.put(BUCKET, recording.path, content(recording), storage_class)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(put, [recordings[first::WORKERS] for first in range(WORKERS)]))
    return f"s3://{BUCKET}/{server}/"


def _lay_on_audio(server: str, recordings: Sequence[Recording]) -> str:
    monitor = root_of(topology.find_host("audio")) / MONITOR
    shutil.rmtree(monitor / server, ignore_errors=True)
    for folder in {recording.folder for recording in recordings}:
        (monitor / server / folder).mkdir(parents=True)
    for recording in recordings:
        _write(monitor / recording.path, recording)
    return f"audio:/{MONITOR}/{server}/"


def _write(path: Path, recording: Recording) -> None:
    if recording.form == "link":
        path.symlink_to(f"/mnt/old-disk/{recording.path}")
    else:
        path.write_bytes(content(recording))
        path.chmod(0 if recording.oddity == "unreadable" else 0o640)
    if recording.epoch is not None:  # last written at the call's end
        os.utime(path, (recording.epoch + 60,) * 2, follow_symlinks=False)
