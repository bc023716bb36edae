"""One request with its own tree of recordings, through the role's steps, the collector's as real
processes.
"""

from __future__ import annotations

import calendar
import csv
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.roles.fail2ban_access.servers import MARK
from tests.roles.pythons import VERSIONS, find_python

ROLE = Path(__file__).parents[3] / "roles" / "audio_collection"
MODULE = ROLE / "library" / "audio_collection.py"
DEFAULT = ".".join(str(number) for number in sys.version_info[:2])
PYTHONS = {version: find_python(version) for version in VERSIONS} | {DEFAULT: sys.executable}
OFFSET = -3 * 3600  # America/Sao_Paulo since 2019
MANIFEST = "_manifesto.csv"
ON_CONTROLLER = ("window", "opened", "closed", "aborted")
PATIENCE = 60  # seconds that a slow machine may take; no measure

Result = dict[str, Any]


def wav(seconds: float = 2, fill: bytes = b"\1\2") -> bytes:
    """A WAV as Asterisk writes it: 8 kHz, 16 bit."""
    data = fill * int(8000 * seconds)
    form = struct.pack("<LHHLLHH", 16, 1, 1, 8000, 16000, 2, 16)
    return b"".join([b"RIFF", struct.pack("<L", 36 + len(data)), b"WAVEfmt ", form,
                     b"data", struct.pack("<L", len(data)), data])  # fmt: skip


def name_of(
    stamp: str, kind: str = "external", dst: str = "1121", src: str = "5511211234", number: int = 1
) -> str:
    """The name of a recording that began then, such as 2025-11-03 10:00:00, local time."""
    moment = time.strptime(stamp, "%Y-%m-%d %H:%M:%S")
    epoch = calendar.timegm(moment) - OFFSET
    return f"{kind}-{dst}-{src}-{time.strftime('%Y%m%d-%H%M%S', moment)}-{epoch}.{number}.wav"


class Request:
    """The request, its recordings below `root`, its archives in `shelf` and its state in `state`."""

    def __init__(self, folder: Path, module: ModuleType, python: str = DEFAULT, **arguments: object) -> None:
        self.folder, self.module, self.python = folder, module, python
        self.root, self.shelf, self.state = folder / "monitor", folder / "shelf", folder / "state"
        for made in (self.root, self.shelf):
            made.mkdir(parents=True)
        self.arguments: dict[str, Any] = {
            "server": "gv1p",
            "audios_from": "audio",
            "extensions": ["1121", "1122"],
            "start": "2025-11-01 00:00",
            "end": "2025-11-05 23:59",
            "layout": {"root": f"{self.root}/"},
            "publish": {
                "type": "file",
                "folder": str(self.shelf),
                "url": "https://lab.example/audios",
                "reserve": 0,
            },
            "state_dir": str(self.state),
            **arguments,
        }
        self.changes: dict[str, str] = {}  # in the module's text, such as a constant
        self.command: Callable[[str], list[str]] = lambda python: [python]

    # the recordings

    def put(self, stamp: str, content: bytes | None = None, folder: str = "", **call: Any) -> Path:
        """Lay a recording that began then; last written to at its beginning."""
        return self.lay((folder or stamp[:10].replace("-", "/")) + "/" + name_of(stamp, **call), content)

    def lay(self, path: str | bytes, content: bytes | None = None, age: float = 86400) -> Path:
        whole = Path(os.fsdecode(os.path.join(os.fsencode(self.root), os.fsencode(path))))  # noqa: PTH118 - bytes
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(wav() if content is None else content)
        os.utime(whole, (time.time() - age,) * 2)
        return whole

    # the steps

    def step(self, state: str, **more: object) -> Result:
        """Run one step; the result has the one shape."""
        if state in ON_CONTROLLER:
            result = self.module.work({**self.arguments, "state": state, **more})
            return json.loads(json.dumps(result))
        return self.result(self.popen(state, **more))

    def popen(self, state: str, **more: object) -> subprocess.Popen[bytes]:
        """Start a step as Ansible does with pipelining: by its source on standard input."""
        source = MODULE.read_text()
        for old, new in self.changes.items():
            assert source.count(f"\n{old}") == 1, old
            source = source.replace(f"\n{old}", f"\n{new}")
        source = source.replace(MARK, json.dumps({**self.arguments, "state": state, **more}))
        process = subprocess.Popen(
            [*self.command(PYTHONS[self.python]), "-B", "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
        )  # fmt: skip
        process.stdin.write(source.encode())
        process.stdin.close()
        process.stdin = None
        return process

    @staticmethod
    def result(process: subprocess.Popen[bytes]) -> Result:
        out, err = process.communicate(timeout=PATIENCE)
        assert err == b"", err.decode()
        result = json.loads(out)
        assert process.returncode == (1 if result["failed"] else 0)
        if "outcome" in result:
            expected = "failed" if result["failed"] else "changed" if result["changed"] else "ok"
            assert expected == result["outcome"]
        return result

    def planned(self, **more: object) -> Result:
        """Window and plan; the result of the first that failed, or of the plan."""
        window = self.step("window")
        if window["failed"]:
            return window
        self.window = window["window"]
        return self.step("planned", window=self.window, **more)

    def check(self) -> Result:
        """What --check does; nothing is written anywhere."""
        before = self.tree()
        result = self.planned(_ansible_check_mode=True)
        assert before == self.tree()
        return result

    def begin(self, planned: Result | None = None) -> Result:
        """Up to the start of the builder; the result of `started`, or of the step that ended it."""
        self.found = planned or self.planned()
        if "plan" not in self.found:
            return self.found
        self.shared = {"window": self.window, "plan": self.found["plan"]}
        opened = self.step("opened", **self.shared)
        if opened["failed"]:
            return opened
        self.opening = opened["opening"]
        self.shared["opening"] = self.opening
        if self.opening["reused"]:
            return {"failed": False, "reused": True}
        addresses = self.opening["addresses_file"]
        return self.step("started", **self.shared, addresses=Path(addresses).read_text() if addresses else "")

    def wait(self, started: Result, seconds: float = PATIENCE) -> Result:
        """Ask until the builder has come to its end -> the result of `built`; progress figures are kept."""
        self.progress, end = [], time.monotonic() + seconds
        while True:
            built = self.step("built", **self.shared, reused=started["reused"], wait=1)
            if built.get("finished", True):
                return built
            self.progress.append(built["progress"])
            assert time.monotonic() < end

    def close(self, started: Result, built: Result) -> Result:
        return self.step(
            "closed", **self.shared, archive=built["archive"], found=self.found["found"],
            found_notices=self.found["found_notices"], reused=started["reused"],
        )  # fmt: skip

    def run(self) -> Result:
        """All of the steps in the role's order -> the result that stands in the end."""
        started = self.begin()
        if started["failed"] or "reused" not in started:
            return self.fail(started)
        built = self.wait(started)
        if built["failed"]:
            return self.fail(built)
        closed = self.close(started, built)
        return self.fail(closed) if closed["failed"] else closed

    def fail(self, result: Result) -> Result:
        """What the role does when a step failed: nothing of the upload stays."""
        if result["failed"] and hasattr(self, "opening"):
            self.step("aborted", **self.shared)
        return result

    # what there is

    def builder(self) -> int | None:
        """The number of the process that builds, None when none does."""
        for path in self.state.glob("*/progress"):
            try:
                pid = json.loads(path.read_bytes())["pid"]
                stat = Path(f"/proc/{pid}/stat").read_text()
            except (OSError, ValueError):
                continue
            if stat.rpartition(")")[2].split()[0] != "Z":
                return pid
        return None

    def archives(self) -> list[Path]:
        return sorted(self.shelf.glob("audios_*.zip"))

    def debris(self) -> list[str]:
        """What lies on the shelf and is no archive."""
        return sorted(path.name for path in self.shelf.iterdir() if path not in self.archives())

    def contents(self) -> dict[str, bytes]:
        """What is in the one archive, the manifest aside."""
        (archive,) = self.archives()
        return unpacked(archive.read_bytes())

    def tree(self) -> dict[str, tuple[int, int, int]]:
        return {
            os.fsdecode(path): (about.st_ino, about.st_mode, about.st_mtime_ns)
            for path in [*self.folder.rglob("*"), self.folder]
            for about in [path.lstat()]
        }

    def end(self) -> None:
        pid = self.builder()
        if pid:
            os.kill(pid, signal.SIGKILL)


def unpacked(archive: bytes) -> dict[str, bytes]:
    """What is in an archive, the manifest aside; its sums are right."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        assert opened.namelist()[-1] == MANIFEST
        return {info.filename: opened.read(info) for info in opened.infolist() if info.filename != MANIFEST}


def manifest(archive: bytes) -> list[dict[str, str]]:
    """The rows of an archive's manifest."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        text = opened.read(MANIFEST).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))


def codes(result: Result) -> list[str]:
    return sorted(notice["code"].removeprefix("audio.") for notice in result["notices"])


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until the condition holds; the time is for slow machines, no measure."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
