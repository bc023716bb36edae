"""`athome serve` as a process: what systemd, `athome health` and Prometheus see of it, also when killed.

There is no mail server: the service waits for one, which is no reason to start it anew.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from dispatcher.settings import PROJECT
from tests.road import waited

ATHOME = Path(sys.executable).parent / "athome"
SECRETS = {
    "imap-password": "correct-horse-battery",
    "smtp-password": "staple-and-some-more",
    "pepper": "0123456789abcdef0123456789abcdef",
}


class Serving:
    """One service with settings of its own, the socket that its systemd listens to, and its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.log = folder / "serve.log"
        self.process = None
        for name, secret in SECRETS.items():
            (folder / name).write_text(secret + "\n")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        away = {"host": "127.0.0.1", "port": 9, "user": "athome@example.com"}
        (folder / "settings.yml").write_text(
            yaml.safe_dump(
                {
                    "inventory": str(PROJECT / "inventory/lab"),
                    "state_dir": str(self.state),
                    "imap": away | {"password_file": "imap-password"},
                    "smtp": away | {"password_file": "smtp-password"},
                    "mail": {"address": "athome@example.com", "authserv_id": "mail.example.com"},
                    "tokens": {"pepper_file": "pepper"},
                    "metrics": {"listen": f"127.0.0.1:{self.port}", "textfile": "athome.prom", "interval": 5},
                }
            )
        )
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._systemd.bind(str(folder / "notify"))
        self._systemd.settimeout(0)
        self._told = []

    def told(self) -> list[str]:
        """Return what systemd has heard so far."""
        try:
            while True:
                self._told += self._systemd.recv(4096).decode().split("\n")
        except BlockingIOError:
            return self._told

    def start(self) -> None:
        """Start it; return when systemd would call it started."""
        self.told()
        self._told = []
        environment = {"NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": "3000000"}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [ATHOME, "--settings", self.folder / "settings.yml", "serve", "--verbose"],
                stdout=log, stderr=log, env={**os.environ, **environment},
            )  # fmt: skip
        waited(lambda: "READY=1" in self.told() or self.process.poll() is not None, "not ready")
        assert self.process.poll() is None, self.log.read_text()

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it, and return its exit code. Heard all the while: a socket holds ten words, more are lost."""
        self.told()
        self.process.send_signal(number)
        waited(lambda: self.told() is not None and self.process.poll() is not None, "it does not end")
        return self.process.returncode

    def athome(self, *arguments: object) -> subprocess.CompletedProcess:
        """Run one `athome …` to its end."""
        return subprocess.run(
            [ATHOME, "--settings", self.folder / "settings.yml", *map(str, arguments)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def health(self, *arguments: str) -> tuple[int, dict]:
        """Return the exit code and the findings of `athome health`."""
        answer = self.athome("health", "--json", *arguments)
        assert answer.stdout, answer.stderr
        found = json.loads(answer.stdout)["findings"]
        return answer.returncode, {finding["check"]: finding for finding in found}

    def lines(self) -> list[dict]:
        """Return the log, each line read as what it has to be."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def serving(tmp_path):
    made = Serving(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    made._systemd.close()


def test_a_service_without_a_mail_server_is_alive_and_not_ready(serving):
    """systemd is told that it started and is fed; health names the mailbox; its end is orderly."""
    serving.start()
    waited(lambda: serving.told().count("WATCHDOG=1") > 2, "the watchdog is not fed")
    waited(lambda: any("STATUS=mailbox waiting" in line for line in serving.told()), "no status")
    assert 0 == serving.health("--live")[0]

    def named():  # between two tries, and not in the middle of one
        code, found = serving.health()
        return "127.0.0.1:9 não atende" in found["mailbox"]["said"] and (code, found)

    code, found = waited(named, "health does not name the mailbox", pause=1)
    assert "ok" == found["process"]["status"] == found["database"]["status"]
    assert "imap" in found["mailbox"]["way_out"]
    assert {"outbox", *(f"worker-{number}" for number in range(4))} <= found.keys()
    assert code in (0, 75)  # a warning at first, a failure after five minutes
    assert 0 == serving.end()
    assert 1 == serving.told().count("STOPPING=1")
    assert 69 == serving.health()[0]


def test_a_killed_service_is_known_to_be_gone_at_once(serving):
    """Nothing could be written at its end, and its last word was that it is well."""
    serving.start()
    assert 0 == serving.health("--live")[0]
    serving.end(signal.SIGKILL)
    assert (serving.state / "serve.json").exists()
    code, found = serving.health()
    assert (69, "failing") == (code, found["process"]["status"])
    serving.start()
    assert 0 == serving.health("--live")[0]


@pytest.mark.long  # half a minute of silence; what is made of it has short tests in tests/unit/health
def test_a_frozen_service_is_not_alive_and_its_watchdog_starves(serving):
    """A process that gets no time holds its lock and does nothing; after it goes on, all is well again."""
    serving.start()
    serving.process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    before = serving.told().count("WATCHDOG=1")
    waited(lambda: serving.health("--live")[0] == 69, "believed to be alive", 90, pause=3)
    assert "não dá notícia" in serving.health("--live")[1]["process"]["said"]
    assert before == serving.told().count("WATCHDOG=1")
    serving.process.send_signal(signal.SIGCONT)
    waited(lambda: serving.health("--live")[0] == 0, "believed to be frozen")
    waited(lambda: serving.told().count("WATCHDOG=1") > before, "the watchdog is not fed again")


def test_prometheus_and_node_exporter_read_the_same(serving):
    """Over HTTP and from the file, while it runs; the file goes with the service."""
    serving.start()
    path, part = serving.folder / "athome.prom", 'athome_part_silent_seconds{part="worker-3"} 0.0'
    file = waited(lambda: path.exists() and part in (text := path.read_text()) and text, "no file with it")
    page = urllib.request.urlopen(f"http://127.0.0.1:{serving.port}/metrics", timeout=10).read().decode()
    for text in (page, file):
        assert "athome_database_up 1.0" in text
        assert 'athome_jobs{state="queued"} 0.0' in text
        assert part in text
        assert "athome_mailbox_listening 0.0" in text
    assert 0 == serving.end()
    assert not (serving.folder / "athome.prom").exists()


def test_the_log_is_json_and_shows_no_secret(serving):
    """With --verbose too, and of a start that fails: every line is an object, and no password is in any."""
    serving.start()
    waited(lambda: "mailbox: again in" in serving.log.read_text(), "the mailbox has not been tried")
    serving.end()
    assert {"time", "level", "logger", "thread", "message"} <= serving.lines()[0].keys()
    assert {"mailbox"} == {line["thread"] for line in serving.lines() if "again in" in line["message"]}
    for secret in SECRETS.values():
        assert secret not in serving.log.read_text()


@pytest.mark.long  # beside a process that writes: tests/unit/jobs/test_backup.py
def test_a_backup_of_a_running_service_is_whole_and_goes_back_when_it_rests(serving):
    """`athome backup` disturbs nobody; `athome restore` waits until the service has ended, killed or not."""
    serving.start()
    serving.athome("senders", "add", "ana@example.com")
    copy = serving.folder / "copy.db"
    made = serving.athome("backup", copy)
    assert 0 == made.returncode, made.stderr
    assert "pepper" in made.stderr
    serving.athome("senders", "remove", "ana@example.com")
    refused = serving.athome("restore", copy)
    assert 75 == refused.returncode
    assert "já usa" in refused.stderr
    serving.end(signal.SIGKILL)
    restored = serving.athome("restore", copy)
    assert 0 == restored.returncode, restored.stderr
    assert "ana@example.com" in serving.athome("senders", "list").stdout
    serving.start()
    assert "ok" == serving.health()[1]["database"]["status"]
