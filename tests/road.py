"""The dispatcher as a real process, and the mailboxes around it as their owners see them."""

from __future__ import annotations

import email
import email.policy
import imaplib
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatcher.settings import PROJECT
from lab.send import send

ATHOME = Path(sys.executable).parent / "athome"
OPERATOR = "operador@lab.example"
DISPATCHER = "athome@lab.example"


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

    def mails(self, folder: str = "INBOX") -> list[EmailMessage]:
        """Return everything in a folder."""
        with self._connect() as client:
            if client.select(folder, readonly=True)[0] != "OK":
                return []
            numbers = client.search(None, "ALL")[1][0].split()
            raws = [client.fetch(number.decode(), "(BODY.PEEK[])")[1][0][1] for number in numbers]
        return [email.message_from_bytes(raw, policy=email.policy.default) for raw in raws]

    def answers(self, message_id: str) -> list[EmailMessage]:
        """Return the mails that answer this one."""
        return [mail for mail in self.mails() if mail["In-Reply-To"] == message_id]

    def answer(self, message_id: str, timeout: float = 60) -> EmailMessage:
        """Wait for the mail that answers this one."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if found := self.answers(message_id):
                return found[0]
            time.sleep(0.2)
        pytest.fail(f"no answer to {message_id} in {timeout} s")


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
        start = self.log.stat().st_size if self.log.exists() else 0
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

    def write(self, subject: str, sender: str = OPERATOR, **options: object) -> str:
        """Hand a mail of the staff to the lab's mail server; return its Message-ID."""
        return send(sender, DISPATCHER, subject, **options)

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


def make(lab: Path, folder: Path) -> Dispatcher:
    """Lay out a dispatcher in a folder: settings, one operator, one token."""
    settings = yaml.safe_load((PROJECT / "lab/settings.yml").read_text())
    settings |= {"inventory": str(PROJECT / "inventory/lab"), "state_dir": str(folder / "state")}
    path = folder / "settings.yml"
    path.write_text(yaml.safe_dump(settings))
    made = Dispatcher(lab, path, folder / "state", folder / "serve.log")
    made.athome("senders", "add", OPERATOR)
    made.token = made.athome("tokens", "issue", OPERATOR, "--description", "telefone").stdout.strip()
    return made
