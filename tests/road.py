"""The dispatcher as a real process, and the mailboxes around it as their owners see them."""

from __future__ import annotations

import email
import email.policy
import imaplib
import json
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatcher.settings import PROJECT
from lab.send import send

ATHOME = Path(sys.executable).parent / "athome"
OPERATOR, ADMIN, OUTSIDER = "operador@lab.example", "admin@lab.example", "estranho@outside.example"
DISPATCHER = "athome@lab.example"


def waited(look: Callable[[], Any], otherwise: str, timeout: float = 60, pause: float = 0.1) -> Any:
    """Look until there is something to see, and return it. ``pause``: seconds between two looks."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(pause)
    pytest.fail(f"{otherwise} in {timeout} s")


@dataclass
class Mailbox:
    """A mailbox at the lab's Dovecot, as its owner's mail client sees it."""

    lab: Path
    user: str

    def _connect(self) -> imaplib.IMAP4_SSL:
        client = imaplib.IMAP4_SSL(
            "mail.lab.example", ssl_context=ssl.create_default_context(cafile=str(self.lab / "ca.pem"))
        )
        client.login(
            self.user, (self.lab / "secrets" / f"mail-{self.user.split('@')[0]}").read_text().strip()
        )
        return client

    def mails(self, folder: str = "INBOX", *criteria: str) -> list[EmailMessage]:
        """Return everything in a folder, or what IMAP's SEARCH finds by these criteria."""
        with self._connect() as client:
            if client.select(folder, readonly=True)[0] != "OK":
                return []
            numbers = client.search(None, *(criteria or ("ALL",)))[1][0].split()
            raws = [client.fetch(number.decode(), "(BODY.PEEK[])")[1][0][1] for number in numbers]
        return [email.message_from_bytes(raw, policy=email.policy.default) for raw in raws]

    def answers(self, message_id: str) -> list[EmailMessage]:
        """Return the mails that answer this one."""
        return self.mails("INBOX", "HEADER", "In-Reply-To", f'"{message_id}"')

    def answer(self, message_id: str) -> EmailMessage:
        """Wait for the mail that answers this one."""
        return waited(lambda: self.answers(message_id), f"no answer to {message_id}")[0]


@dataclass
class Dispatcher:
    """`athome` with settings of its own, and its service while that runs."""

    lab: Path
    settings: Path
    state: Path
    log: Path
    token: str = ""
    process: subprocess.Popen | None = None

    def athome(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess:
        """Run one `athome …` to its end."""
        return subprocess.run(
            [ATHOME, "--settings", self.settings, *arguments],
            capture_output=True, text=True, check=check, timeout=120, env={**os.environ, **environment},
        )  # fmt: skip

    def start(self) -> None:
        """Start `athome serve`; return when it listens to the mailbox."""
        start = len(self.log.read_text()) if self.log.exists() else 0
        self.process = subprocess.Popen(
            [ATHOME, "--settings", self.settings, "serve"],
            stdout=self.log.open("a"),
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 30
        while "listening" not in self.log.read_text()[start:]:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the service; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Ask the dispatcher's database, which stays as it is."""
        uri = f"file:{self.state / 'athome.db'}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=10)) as database:
            return database.execute(query, values).fetchall()

    def last(self, table: str) -> int:
        """Return the newest id of a table; 0 when it is empty."""
        return self.rows(f"SELECT coalesce(max(id), 0) FROM {table}")[0][0]  # noqa: S608 - the tests' own words

    def verdicts(self, message_id: str, deliveries: int = 1) -> list[tuple[str, str]]:
        """Wait until the audit has every delivery of a mail; return their verdicts and rules in its order."""
        query = "SELECT verdict, rule FROM messages WHERE message_id = ? ORDER BY id"
        return waited(
            lambda: len(found := self.rows(query, message_id)) >= deliveries and found,
            f"{message_id} was not looked at",
        )

    @contextmanager
    def nothing_runs(self) -> Iterator[None]:
        """Pass when no job has come of what was sent meanwhile, and looked at."""
        before = self.last("jobs")
        yield
        assert before == self.last("jobs")

    def write(self, subject: str, sender: str = OPERATOR, **options: object) -> str:
        """Hand a mail of the staff to the lab's mail server; return its Message-ID."""
        return send(sender, DISPATCHER, subject, **options)

    def issue(self, address: str) -> str:
        """Issue a token for somebody on the whitelist."""
        return self.athome("tokens", "issue", address, "--description", "mesa").stdout.strip()

    def ask(self, command: str) -> EmailMessage:
        """Send a command with the operator's token and return the answer."""
        message_id = self.write(f"[{self.token}] {command}")
        return Mailbox(self.lab, OPERATOR).answer(message_id)

    def jobs(self) -> list[dict]:
        """Return the jobs, newest first."""
        return self.athome_json("jobs", "list")

    def athome_json(self, *arguments: str) -> Any:
        """Run one `athome … --json` and return what it says."""
        return json.loads(self.athome(*arguments, "--json").stdout)

    def newest(self) -> dict:
        """Return the newest job."""
        return self.jobs()[0]

    def forget_connections(self) -> None:
        """Close the SSH connections that are kept for the next run."""
        for path in Path("/run/athome-lab/cp").glob("*"):
            subprocess.run(
                ["ssh", "-o", f"ControlPath={path}", "-O", "exit", "x"], capture_output=True, check=False
            )


def make(lab: Path, folder: Path, **sections: object) -> Dispatcher:
    """Lay out a dispatcher in a folder: settings, one operator, one token.

    No playbook has to be confirmed, unless ``sections`` of the settings say so.
    """
    settings = yaml.safe_load((PROJECT / "lab/settings.yml").read_text())
    settings |= {"inventory": str(PROJECT / "inventory/lab"), "state_dir": str(folder / "state")}
    settings["mail"] |= {"answers_per_hour": 100_000}  # one operator sends all that the tests send
    settings |= {"runs": {"tell_after": 0}}  # the first mail back is the answer, however late
    settings |= {"permissions": {"demands": {"MACCHANGE": "token"}}} | sections
    path = folder / "settings.yml"
    path.write_text(yaml.safe_dump(settings))
    made = Dispatcher(lab, path, folder / "state", folder / "serve.log")
    made.athome("senders", "add", OPERATOR)
    made.token = made.athome("tokens", "issue", OPERATOR, "--description", "telefone").stdout.strip()
    return made
