"""A private server for each test: Asterisk's files as people keep them, and a daemon that can misbehave."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.roles.fail2ban_access.servers import MARK
from tests.roles.pythons import VERSIONS, find_python

ROLE = Path(__file__).parents[3] / "roles" / "mac_binding"
MODULE = ROLE / "library" / "mac_binding.py"
DEFAULT = ".".join(str(number) for number in sys.version_info[:2])
PYTHONS = {version: find_python(version) for version in VERSIONS} | {DEFAULT: sys.executable}

OLD, NEW, OTHER = "010203040506", "010203040599", "00005e005311"
# Words of the same files, one on the line of the MAC itself: none may appear in a result.
SECRETS = ("invented-3010", "invented-note", "invented-column", "invented-3011")
USERS = (
    "; users.conf - ramais do call center, mantido à mão\r\n"
    ";-------------------------------------------------\n"
    "[general]\n"
    "hassip = yes\r\n"
    "[ramal](!)                 ; modelo\n"
    "macaddress = 00005e0053ff  ; a template is no extension\n"
    "type = friend\r\n"
    ";--\n"
    "[3010](ramal)  recepção, o aparelho antigo\n"
    "macaddress = 00005e0053f0\n"
    "--;\n"
    "[3010](ramal)\r\n"
    "fullname = Recepção\r\n"
    "secret = invented-3010\r\n"
    "macaddress = 010203040506 ; invented-note, São João\r\n"
    "[3011](ramal)\n"
    "secret=>invented-3011\n"
    "macaddress => 00:00:5E:00:53:11\n"
    "[3012](ramal)\n"
    "fullname = mesa nova\n"
    "\n"
    "[3013](ramal)\n"
    "macaddress = 00005e005313\n"
    "[3013](ramal)\n"
    "macaddress = 00005e005314\n"
    "[3014]\n"
    "macaddress = 00005e005315\n"
    "[3015]\n"
    "MACaddress\t=\n"
    "[3016]\n"
    "macaddress = 00005e005316"  # no line end
).encode("latin-1")
MACS = (
    "# ramal;mac;local\n"
    "3010;010203040506;invented-column;Recepção\n"
    "3011;00005E005311;João Conceição\r\n"
    "# 3012;00005e005312;desligado\n"
    "3014;00005e005399;Reunião\n"
    "3015;;Almoxarifado\n"
    "3016;00005e005316;"
).encode("latin-1")
BOTH = {"users.conf": USERS, "macs.csv": MACS}
NEW_BOTH = {name: content.replace(OLD.encode(), NEW.encode()) for name, content in BOTH.items()}
# Close by a reset, as when the other side's machine has lost the connection.
LINGER = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
PATTERN = r"^(?P<extension>\d+);(?P<mac>[^;]*);"

# A small daemon's program: it keeps what it is told, one event a line. Files say what it does besides; with
# `late` the next event, and that one alone, takes its time.
NOTIFY = """\
#!/bin/sh
event=$(cat)
cd '{folder}'
[ ! -f late ] || {{ rm late; touch late-one; sleep 0.5; }}
printf '%s\\n' "$event" >> events
[ ! -f misbehave ] || . ./misbehave
"""


@dataclass(frozen=True)
class Answer:
    """How the HTTP daemon answers: a status with a body, after a pause, or in another way."""

    status: int = 200
    body: bytes = b'{"applied": true}'
    headers: tuple[tuple[str, str], ...] = ()
    way: str = (
        "whole"  # or: hang, reset, drip (a byte now and then, for ever), cut (a reset behind the headers)
    )


class Daemon(ThreadingHTTPServer):
    """An HTTP daemon: keeps each request and answers as the next of `answers` says, then with the last."""

    daemon_threads = True

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.ended = threading.Event()
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def events(self) -> list[dict[str, str]]:
        return [json.loads(body) for method, _path, _headers, body in self.requests if method == "POST"]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Daemon

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        if answer.way == "hang":
            self.server.ended.wait()
            return
        if answer.way == "reset":
            self.close_connection = True
            self.connection.setsockopt(*LINGER)
            self.connection.close()
            return
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.way == "cut":
            self.send_header("Content-Length", "1000")
            self.end_headers()
            time.sleep(0.2)  # the other side reads the headers first
            self.close_connection = True
            self.connection.setsockopt(*LINGER)
            self.connection.close()
            return
        if answer.way == "drip":
            self.end_headers()
            while not self.server.ended.wait(0.05):
                self.wfile.write(b" ")
                self.wfile.flush()
            return
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = answer  # noqa: N815 - the standard library calls them so

    def log_message(self, *_: object) -> None:
        pass


class Runners:
    """A running runner.py for each Python that was asked for."""

    def __init__(self) -> None:
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def run(
        self, python: str, args: object, environment: dict[str, str] | None = None, kill_at: int | None = None
    ) -> dict:
        """One run of the module; the answer of runner.py."""
        if python not in self.processes:
            command = [PYTHONS[python], "-B", Path(__file__).with_name("runner.py"), MODULE]
            self.processes[python] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
        process = self.processes[python]
        request = {"args": args, "environment": environment or {}, "kill_at": kill_at}
        process.stdin.write(json.dumps(request) + "\n")
        return json.loads(process.stdout.readline())

    def close(self) -> None:
        for process in self.processes.values():
            process.stdin.close()
            process.wait(30)
            process.stdout.close()


def checked(status: int, out: str, err: str) -> dict:
    """The result of a run, which has the one shape and none of the files' secrets."""
    assert err == "", err
    result = json.loads(out)
    assert status == (1 if result["failed"] else 0)
    assert result["outcome"] == ("failed" if result["failed"] else "changed" if result["changed"] else "ok")
    for secret in SECRETS:
        assert secret not in out, out
    return result


class Machine:
    """One private server: ``folder`` has its files, its daemon and the state of the role."""

    def __init__(self, folder: Path, runners: Runners) -> None:
        self.folder, self.runners = folder, runners
        self.etc, self.daemon, self.state = folder / "etc", folder / "daemon", folder / "state"
        self.users, self.macs = self.etc / "users.conf", self.etc / "macs.csv"
        self.etc.mkdir()
        self.daemon.mkdir()
        self.users.write_bytes(USERS)
        self.macs.write_bytes(MACS)
        for path in (self.users, self.macs):
            path.chmod(0o640)
        self.notify = folder / "notify"
        self.notify.write_text(NOTIFY.format(folder=self.daemon))
        self.notify.chmod(0o755)

    def misbehave(self, lines: str) -> None:
        """Let the daemon's program do this, in shell, once it has kept the event."""
        (self.daemon / "misbehave").write_text(lines)

    def behave(self) -> None:
        (self.daemon / "misbehave").unlink(missing_ok=True)

    def events(self) -> list[dict[str, str]]:
        """What the daemon was told, oldest first."""
        path = self.daemon / "events"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def believes(self, extension: str = "3010", first: str = OLD) -> str:
        """The MAC that a daemon has which did all that it was told, and had the `first` one before."""
        told = [event["mac_after"] for event in self.events() if event["extension"] == extension]
        return told[-1] if told else first

    def files(self) -> dict[str, bytes]:
        """Every file below etc, to see what changed: name -> content."""
        return {
            str(path.relative_to(self.etc)): path.read_bytes()
            for path in self.etc.rglob("*")
            if path.is_file()
        }

    def kept(self) -> list[str]:
        """The transactions that have a backup, oldest first."""
        folder = self.state / "backups"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def specs(self) -> list[dict[str, object]]:
        lines = {"format": "lines", "pattern": PATTERN, "line": "{extension};{mac};"}
        return [
            {"path": str(self.users), "format": "ini", "key": "macaddress"},
            {"path": str(self.macs), **lines},
        ]

    def arguments(self, before: object = OLD, after: object = NEW, **more: object) -> dict[str, object]:
        """The module's arguments, as the role passes them."""
        return {
            "extension": "3010",
            "mac_before": before,
            "mac_after": after,
            "host": "gv2p",
            "confirmed": True,
            "files": self.specs(),
            "notify": {"type": "command", "command": [str(self.notify)]},
            "state_dir": str(self.state),
            **more,
        }

    def popen(self, *changes: object, python: str = DEFAULT, **more: object) -> subprocess.Popen[bytes]:
        """Start the module as Ansible does with pipelining: by its source on standard input."""
        source = MODULE.read_text().replace(MARK, json.dumps(self.arguments(*changes, **more)))
        process = subprocess.Popen(
            [PYTHONS[python], "-B", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(source.encode())
        process.stdin.close()
        process.stdin = None
        return process

    @staticmethod
    def result(process: subprocess.Popen[bytes]) -> dict:
        """Wait for a run's end and return its result."""
        out, err = process.communicate(timeout=120)
        return checked(process.returncode, out.decode(), err.decode())

    def module(
        self,
        *changes: object,
        python: str = DEFAULT,
        environment: dict[str, str] | None = None,
        **more: object,
    ) -> dict:
        """Run the module and return its result."""
        return checked(**self.runners.run(python, self.arguments(*changes, **more), environment))

    def killed(self, step: int, *changes: object, python: str = DEFAULT, **more: object) -> bool:
        """Run the module and kill it before its n-th step; False when it came to its end before."""
        answer = self.runners.run(python, self.arguments(*changes, **more), kill_at=step)
        assert answer["err"] == "", answer["err"]
        assert answer["status"] in (0, 1, -signal.SIGKILL), answer
        return answer["status"] == -signal.SIGKILL

    def check(self, *changes: object, **more: object) -> dict:
        """Run the module in check mode and return its result; nothing is touched."""
        before = self.tree()
        result = self.module(*changes, _ansible_check_mode=True, **more)
        assert before == self.tree()
        return result

    def undo(self, transaction: str, **more: object) -> dict:
        return self.module("", "", state="undone", transaction=transaction, extension="", **more)

    def tree(self) -> dict[str, tuple]:
        """Everything below the folder with metadata, to see that nothing was touched, read times aside."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            about = path.lstat()
            content = path.read_bytes() if path.is_file() else None
            found[str(path)] = (about.st_ino, about.st_mode, about.st_mtime_ns, content)
        return found


@contextmanager
def disk(folder, options):
    """A small disk of its own at a folder; the files that are there move onto it."""
    kept = {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "athome-test", folder], check=True)
    try:
        for name, content in kept.items():
            (folder / name).write_bytes(content)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def wait_for(condition, seconds: float = 20.0) -> None:
    """Wait until the condition holds; the time is for slow machines, no measure."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def marks(version: str, short: tuple[str, ...]) -> list[pytest.MarkDecorator]:
    """What marks a test on this Python: skipped where there is none, long unless it is of the short."""
    missing = f"no Python {version} on this machine"
    found = [pytest.mark.skipif(not PYTHONS[version], reason=missing)]
    return found if version in short else [*found, pytest.mark.long]


def on_pythons(*short: str) -> pytest.MarkDecorator:
    """Run a test on every Python: on these always, on the others in the long tests alone."""
    cases = [pytest.param(version, marks=marks(version, short)) for version in VERSIONS]
    return pytest.mark.parametrize("python", cases)


every_python = on_pythons(*VERSIONS)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, or gives files to others")


def notices(result: dict) -> dict[str, dict]:
    """The notices of a result: code -> data."""
    return {notice["code"].removeprefix("mac_binding."): notice["data"] for notice in result["notices"]}
