"""A reader of a mailbox at the lab's Dovecot, and another client beside it."""

from __future__ import annotations

import imaplib
import secrets
import ssl
import threading
import time

import pytest

from dispatcher.mail.mailbox import Disposition, Mailbox
from dispatcher.settings import Imap

USER = "admin@lab.example"  # nobody else's tests read here
PATIENCE = 30  # seconds


def password_file(lab):
    return lab / "secrets" / "mail-admin"


class Client:
    """Somebody's mail program, looking at the same folder."""

    def __init__(self, lab, folder):
        self.folder = folder
        context = ssl.create_default_context(cafile=lab / "ca.pem")
        self.imap = imaplib.IMAP4_SSL("mail.lab.example", ssl_context=context)
        self.imap.login(USER, password_file(lab).read_text().strip())

    def put(self, number, folder=None, arrived=None):
        """Deliver a mail with this number into the folder, or another one; ``arrived``: INTERNALDATE."""
        raw = f"Subject: {number}\r\nMessage-ID: <{number}@lab.example>\r\n\r\nbody\r\n".encode()
        status, answer = self.imap.append(f'"{folder or self.folder}"', None, arrived, raw)
        assert status == "OK", answer

    def numbers(self, folder):
        """Return the numbers of the mails in a folder."""
        if self.imap.select(f'"{folder}"', readonly=True)[0] != "OK":
            return []
        found = self.imap.search(None, "ALL")[1][0].split()
        heads = [
            self.imap.fetch(at.decode(), "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1] for at in found
        ]
        return [int(head.decode().split()[1]) for head in heads]

    def unread(self, folder):
        self.imap.select(f'"{folder}"', readonly=True)
        return len(self.imap.search(None, "UNSEEN")[1][0].split())


class Reading:
    """The dispatcher's mailbox, read in a thread."""

    def __init__(self, settings, handle=None):
        self.raws = []
        self.states = []
        self.stop = threading.Event()
        self._handle = handle or (lambda _raw: Disposition.PROCESSED)
        self._thread = threading.Thread(
            target=Mailbox(settings).run, args=(self._take, self.stop, self.states.append)
        )

    def _take(self, raw):
        self.raws.append(raw)
        return self._handle(raw)

    @property
    def handled(self):
        return {int(raw.raw.split()[1]) for raw in self.raws}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self.stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def wait_for(condition):
    """Wait until it holds; the test fails when it does not come to."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.02)


@pytest.fixture
def imap(lab):
    """Settings for a folder of this test's own."""
    name = f"intake-{secrets.token_hex(4)}"
    settings = Imap(
        host="mail.lab.example", user=USER, password_file=password_file(lab), ca_file=lab / "ca.pem",
        inbox=name, processed=f"{name}-done", parked=f"{name}-parked",
    )  # fmt: skip
    status, answer = Client(lab, name).imap.create(name)
    assert status == "OK", answer
    return settings


@pytest.fixture
def client(lab, imap):
    return Client(lab, imap.inbox)
