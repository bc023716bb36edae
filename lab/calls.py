"""One recorded call: how FreePBX names its file, and what is in it."""

from __future__ import annotations

import os
import random
import struct
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Sao_Paulo")
EXTENSIONS = (*map(str, range(1100, 1130)), *map(str, range(3010, 3020)))
GSM_FRAME, WAV49_BLOCK = 33, 65  # bytes of 20 and of 40 ms
WAV_HEADER, WAV49_HEADER = 44, 60
UNITS = {
    "wav": (WAV_HEADER, 2),
    "gsm": (0, GSM_FRAME),
    "wav49": (WAV49_HEADER, WAV49_BLOCK),
}  # header, then how much
SUFFIXES = {"wav": "wav", "gsm": "gsm", "wav49": "WAV"}  # Asterisk calls it so


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One file or object that is laid."""

    server: str
    folder: str  # below the server's own: 2025/11/03/
    name: str  # as os.fsdecode gives it: a byte that is no UTF-8 is a surrogate
    epoch: int | None  # when the call began; None where the name does not say
    extensions: tuple[
        str, ...
    ]  # those that the name tells: none for queues, groups and calls from outside to a DID
    form: str  # wav, gsm, wav49; text; link
    size: int  # bytes
    oddity: str = ""

    @property
    def path(self) -> str:
        """The key in S3; on `audio` the path below the recordings' folder."""
        return f"{self.server}/{self.folder}{self.name}"

    @property
    def start(self) -> datetime | None:
        """When the call began, in local time without a zone."""
        return None if self.epoch is None else datetime.fromtimestamp(self.epoch, ZONE).replace(tzinfo=None)


def call(
    server: str,
    start: datetime,
    *,
    kind: str = "external",
    dst: str = "1121",
    src: str = "5511211234",
    number: int,
    form: str = "wav",
    size: int,
    oddity: str = "",
) -> Recording:
    """Name a call that began at `start`, local time without a zone; its size is rounded to whole samples.

    Kinds are FreePBX's: out, in, internal, external, q, rg. The stamp is made from the epoch, so it exists.
    """
    epoch = int(start.replace(tzinfo=ZONE).timestamp())
    stamp = datetime.fromtimestamp(epoch, ZONE)
    fields = {"out": (src,), "external": (dst,)}.get(kind, (src, dst))
    header, unit = UNITS[form]
    return Recording(
        server=server,
        folder=f"{stamp:%Y/%m/%d}/",
        name=f"{kind}-{dst}-{src}-{stamp:%Y%m%d-%H%M%S}-{epoch}.{number}.{SUFFIXES[form]}",
        epoch=epoch,
        extensions=tuple(dict.fromkeys(field for field in fields if field in EXTENSIONS)),
        form=form,
        size=header + (size - header) // unit * unit,
        oddity=oddity,
    )


def content(recording: Recording) -> bytes:
    """Return the bytes of a recording, always the same ones: a true header, a true duration, noise."""
    noise = random.Random(os.fsencode(recording.path))  # noqa: S311  no secret: the same again is the point
    size = recording.size
    if recording.form == "gsm":
        return b"".join(b"\xd0" + noise.randbytes(GSM_FRAME - 1) for _ in range(size // GSM_FRAME))
    header = _header(recording.form, size) if size else b""
    return header + noise.randbytes(size - len(header))


def _header(form: str, size: int) -> bytes:
    """Make the header of a RIFF/WAVE file of this size, or none: 8 kHz, one channel, 16 bit or GSM."""
    riff = struct.pack("<4sI4s4s", b"RIFF", size - 8, b"WAVE", b"fmt ")
    if form == "wav":
        return riff + struct.pack("<IHHIIHH4sI", 16, 1, 1, 8000, 16000, 2, 16, b"data", size - WAV_HEADER)
    if form == "wav49":
        sound = size - WAV49_HEADER
        kind = struct.pack("<IHHIIHHHH", 20, 49, 1, 8000, 1625, WAV49_BLOCK, 0, 2, 320)
        return riff + kind + struct.pack("<4sII4sI", b"fact", 4, sound // WAV49_BLOCK * 320, b"data", sound)
    return b""
