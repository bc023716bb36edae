"""A dispatcher that meets the corpus: an operator and an administrator, and caps that no corpus fills."""

from __future__ import annotations

import imaplib
import re
import ssl
from pathlib import Path

import pytest
import yaml

from tests.road import DISPATCHER, Dispatcher, Mailbox, make

HERE = Path(__file__).parent
ADMIN, OPERATOR, OUTSIDER = "admin@lab.example", "operador@lab.example", "estranho@outside.example"


def settle(made: Dispatcher, **sections: dict) -> None:
    """Change sections of a dispatcher's settings."""
    settings = yaml.safe_load(made.settings.read_text())
    for section, values in sections.items():
        settings[section] = settings.get(section, {}) | values
    made.settings.write_text(yaml.safe_dump(settings))


class Inbox:
    """The dispatcher's own mailbox, seen by whoever looks after it."""

    def __init__(self, lab) -> None:
        context = ssl.create_default_context(cafile=str(lab / "ca.pem"))
        self._client = imaplib.IMAP4_SSL("mail.lab.example", ssl_context=context)
        self._client.login(DISPATCHER, (lab / "secrets" / "mail-athome").read_text().strip())

    def uidvalidity(self) -> int:
        self._client.select("INBOX", readonly=True)
        return int(self._client.response("UIDVALIDITY")[1][0])

    def mails(self) -> dict[int, bytes]:
        """Return every mail of the inbox by its UID: the first 80 kB, which is more than any header taken."""
        self._client.select("INBOX", readonly=True)
        uids = self._client.uid("SEARCH", "ALL")[1][0].split()
        mails = {}
        for at in range(0, len(uids), 50):
            chunk = b",".join(uids[at : at + 50]).decode()
            for answer in self._client.uid("FETCH", chunk, "(UID BODY.PEEK[]<0.80000>)")[1]:
                if isinstance(answer, tuple):
                    uid = int(answer[0].split(b"UID ")[1].split()[0])
                    mails[uid] = answer[1]
        return mails

    def find(self, queue_id: str) -> bytes:
        """Return a mail that has been put away."""
        for folder in ("Processed", "Parked"):
            self._client.select(folder, readonly=True)
            if uids := self._client.uid("SEARCH", "TEXT", f'"id {queue_id}"')[1][0].decode().split():
                return self._client.uid("FETCH", uids[0], "(BODY.PEEK[])")[1][0][1]
        raise LookupError(queue_id)

    def empty(self) -> None:
        """Delete what an earlier test left unread: it would be answered now."""
        self._client.select("INBOX")
        self._client.uid("STORE", "1:*", "+FLAGS", r"(\Deleted)")
        self._client.expunge()

    def append(self, raw: bytes) -> None:
        """Put a mail in as it is: imaplib would mend its line ends."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(imaplib, "MapCRLF", re.compile(rb"(?!)"))
            status, answer = self._client.append("INBOX", None, None, raw)
        assert status == "OK", answer

    def close(self) -> None:
        self._client.logout()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Go first: the dispatcher of the acceptance tests serves until the end, and reads the same mailbox."""
    items.sort(key=lambda item: HERE not in item.path.parents)


@pytest.fixture(scope="module")
def inbox(lab):
    made = Inbox(lab)
    made.empty()
    yield made
    made.close()


@pytest.fixture
def victims(lab) -> list[Mailbox]:
    """Everybody who could get an answer that was not due."""
    return [Mailbox(lab, address) for address in (OPERATOR, ADMIN, OUTSIDER)]


@pytest.fixture(scope="module")
def target(lab, inbox, tmp_path_factory):
    """A dispatcher that is not yet serving."""
    made = make(lab, tmp_path_factory.mktemp("hostile"))
    settle(made, tokens={"attempts": 100_000}, mail={"answers_per_hour": 100_000})
    made.athome("senders", "add", ADMIN, "--role", "administrador")
    made.admin_token = made.athome("tokens", "issue", ADMIN, "--description", "mesa").stdout.strip()
    made.told = made.last("outbox")  # administrators hear of each other
    yield made
    if made.process and made.process.poll() is None:
        assert made.stop() == 0
