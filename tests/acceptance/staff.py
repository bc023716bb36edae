"""An operator and two administrators at their mail programs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

import yaml

from tests.road import DISPATCHER, Dispatcher, Mailbox, waited


def text(mail: EmailMessage) -> str:
    """Return a mail's plain text."""
    return mail.get_body(("plain",)).get_content()


@dataclass
class Person:
    """Somebody with a mailbox and a token, who writes to the dispatcher and reads its answers."""

    dispatcher: Dispatcher
    address: str
    token: str = ""
    box: Mailbox = field(init=False)

    def __post_init__(self) -> None:
        self.box = Mailbox(self.dispatcher.lab, self.address)

    def write(self, subject: str, **options: object) -> str:
        """Send a mail, and return its Message-ID."""
        return self.dispatcher.write(subject, self.address, **options)

    def send(self, command: str, token: str | None = None) -> str:
        """Send a command with a token, and return its Message-ID."""
        return self.write(f"[{token or self.token}] {command}")

    def ask(self, command: str, token: str | None = None) -> EmailMessage:
        """Send a command and return the first answer."""
        return self.box.answer(self.send(command, token))

    def result(self, message_id: str) -> EmailMessage:
        """Wait for the second answer to a mail: what became of it once it was confirmed."""
        found = waited(lambda: len(mails := self.box.answers(message_id)) > 1 and mails, "no second answer")
        return found[1]

    def confirm(self, demand: EmailMessage) -> str:
        """Answer a mail that asks for confirmation as mail programs do, and return the Message-ID."""
        assert DISPATCHER in demand["From"]
        return self.write(
            f"Re: {demand['Subject']}",
            headers={"In-Reply-To": demand["Message-ID"], "References": demand["Message-ID"]},
        )

    def told(self, since: int, words: str) -> EmailMessage:
        """Wait for a mail that answers none, has these words in its subject and came after so many others."""

        def look() -> list[EmailMessage]:
            news = self.box.mails()[since:]
            return [mail for mail in news if words in mail["Subject"] and not mail["In-Reply-To"]]

        return waited(look, f"{self.address} was not told: {words}")[0]

    def count(self) -> int:
        """Return how many mails there are."""
        return len(self.box.mails())


def code_of(demand: EmailMessage) -> str:
    """Return the code of a mail that asks for confirmation."""
    return re.match(r"CONFIRMAR ((?:[2-9A-Z]{4}-?){3}): ", demand["Subject"])[1]


def settle(dispatcher: Dispatcher, section: str, **keys: object) -> None:
    """Change keys in a section of the settings."""
    path = Path(dispatcher.settings)
    settings = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(settings | {section: settings.get(section, {}) | keys}))


def after(seconds: float, look: Callable[[], bool]) -> bool:
    """Look after a while: for what must not have happened meanwhile."""
    time.sleep(seconds)
    return look()
