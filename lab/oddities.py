"""The recordings that go wrong elsewhere; every server has them.

They lie around a window (recordings.window). By default it is the one of the examples: 01/11/2025 00:00 –
05/11/2025 23:59.

| oddity | what is odd |
|---|---|
| edge-in | at the window's first second; at its last one, 23:59:59 |
| edge-out | one second before the window; one after it |
| midnight | begins at 23:59 and lasts into the next day: the folder is that of the beginning |
| same-second | two calls of one extension in one second |
| same-name | one name in the folders of two days, with different content |
| inside | an extension's number inside the outside number: no recording of that extension |
| queue, group | an extension took the call, but its number is not in the name |
| self | somebody called the own extension: both fields are the same |
| clock | stamp one hour ahead of the epoch, as with stale tzdata; the second one lies two days after the window, by its stamp in the folder of the day after that |
| empty, header | 0 bytes; a WAV header and no sound, 44 bytes: nobody answered |
| unparsed | no pattern fits the name: no number of the call, no stamp, day 32, hour 24, no recording at all |
| wav49 | `.WAV`: GSM in a WAV |
| system-name | the server's name before the epoch |
| escape | leaves the folder in which a ZIP is unpacked: on `audio` with backslashes, which are folders to Windows; in S3 with %2F, as SeaweedFS keeps no `..` and no backslash in a key |
| table | line feed, quotation mark, semicolon and comma in the name: what breaks a table |
| latin-1 | a name that is no UTF-8; `audio` only |
| unreadable | mode 000, which root reads all the same; `audio` only |
| dangling | a symbolic link to a disk that is gone; `audio` only |
| archived | storage class GLACIER, says the listing; SeaweedFS would give it all the same. S3 only |
"""  # noqa: E501  a table

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from lab.calls import WAV_HEADER, Recording, call

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_NUMBER = 90_001  # of the calls: the ordinary ones are counted from 1
SIZE = 12_044  # bytes
SECOND = timedelta(seconds=1)


def everywhere(server: str, first: datetime, last: datetime) -> Iterator[Recording]:
    """Every odd one of a server, but for those that only one kind of place can hold."""
    numbers = count(FIRST_NUMBER)

    def odd(
        oddity: str, start: datetime, dst: str = "1121", src: str = "5511211234", **more: str
    ) -> Recording:
        return call(server, start, dst=dst, src=src, number=next(numbers), size=SIZE, oddity=oddity, **more)

    at = partial(_at, first)
    yield odd("edge-in", first)
    yield odd("edge-in", last)
    yield odd("edge-out", first - SECOND)
    yield odd("edge-out", last + SECOND)
    yield odd("midnight", at(2, 23, 59), "1122")
    yield odd("same-second", at(2, 10))
    yield odd("same-second", at(2, 10))
    once = odd("same-name", at(2, 11))
    yield once
    yield replace(once, folder=f"{at(3):%Y/%m/%d}/")
    yield odd("inside", at(1, 9), "5511211234", "1100", kind="out")
    yield odd("inside", at(1, 9, 30), "1100", "08001121")
    yield odd("queue", at(1, 10), "500", "551133334444", kind="q")
    yield odd("group", at(1, 11), "600", "551133334444", kind="rg")
    yield odd("self", at(1, 12), "1121", "1121", kind="internal")
    yield _an_hour_ahead(odd("clock", at(3, 15)))
    yield _an_hour_ahead(odd("clock", last + timedelta(days=2, minutes=-20)))
    yield replace(odd("empty", at(2, 12)), size=0)
    yield replace(odd("header", at(2, 13)), size=WAV_HEADER)
    yield odd("wav49", at(4, 9), form="wav49")
    named = odd("system-name", at(4, 8))
    yield replace(named, name=named.name.replace(f"-{named.epoch}.", f"-{server}-{named.epoch}."))
    yield odd("table", at(1, 17), src='a";b,c\nd')
    day = f"{at(2):%Y%m%d}"
    for name in (
        f"auto-1121-{day}.wav",
        f"{day}-101500.wav",
        "gravação da reunião (1121).wav",
        "Thumbs.db",
        f"external-1121-4832221100-{day[:6]}32-101500-1762175700.9.wav",
        f"external-1121-4832221100-{day}-240000-1762175700.9.wav",
    ):
        yield replace(odd("unparsed", at(2)), name=name, epoch=None, extensions=(), form="text")


def in_s3(server: str, first: datetime) -> Iterator[Recording]:
    """Those of a server whose recordings are objects."""
    src = "..%2F..%2F..%2F..%2F..%2Ftmp%2Fevil"
    yield call(server, _at(first, 1, 16), src=src, number=1, size=SIZE, oddity="escape")
    yield call(server, _at(first, 3, 9), number=2, size=SIZE, oddity="archived")


def on_audio(server: str, first: datetime) -> Iterator[Recording]:
    """Those of a server whose recordings are files."""
    up, latin1 = "..\\..\\..\\..\\..\\tmp\\evil", os.fsdecode("João".encode("latin-1"))
    yield call(server, _at(first, 1, 16), src=up, number=1, size=SIZE, oddity="escape")
    yield call(server, _at(first, 3, 9), src=latin1, number=2, size=SIZE, oddity="latin-1")
    yield call(server, _at(first, 3, 11), number=3, size=SIZE, oddity="unreadable")
    yield replace(
        call(server, _at(first, 3, 12), number=4, size=SIZE, oddity="dangling"), form="link", size=0
    )


def _at(first: datetime, days: int, hours: int = 0, minutes: int = 15) -> datetime:
    return first + timedelta(days=days, hours=hours, minutes=minutes)


def _an_hour_ahead(recording: Recording) -> Recording:
    """Give a recording the stamp and folder of a server that has daylight saving still; the epoch stays."""
    if recording.start is None:
        return recording
    shown = recording.start + timedelta(hours=1)
    name = recording.name.replace(f"{recording.start:%Y%m%d-%H%M%S}", f"{shown:%Y%m%d-%H%M%S}")
    return replace(recording, folder=f"{shown:%Y/%m/%d}/", name=name)
