"""The intake from a real Dovecot: whatever happens around it, every mail is handled and moved."""

import imaplib
import multiprocessing
import subprocess
import sys
import threading
import time

import pytest

from dispatcher.errors import MailboxError, StoreError
from dispatcher.mail.mailbox import Disposition, Mailbox
from tests.integration.mail.conftest import Client, Reading, wait_for

pytestmark = pytest.mark.lab
PAUSES = (0, 0, 0.01, 0.1, 0.3, 0.6, 0)  # seconds between mails: within one sync of Dovecot, and over it


def on_mail_host(*command):
    """Run a command on the lab's mail host."""
    subprocess.run(
        [sys.executable, "-m", "lab", "sh", "mail", "--", *command], check=True, capture_output=True
    )


def test_a_storm_beside_a_person(lab, imap, client):
    """Mails that come at any moment, while a person marks them as read, are each handled, in order."""
    ended = threading.Event()

    def person():
        other = Client(lab, imap.inbox).imap
        while not ended.is_set():
            other.select(imap.inbox)
            if found := other.search(None, "UNSEEN")[1][0].split():
                other.store(found[-1].decode(), "+FLAGS", r"\Seen")

    beside = threading.Thread(target=person)
    beside.start()
    try:
        client.put(0)
        with Reading(imap) as reading:
            for number in range(1, 60):
                client.put(number)
                time.sleep(PAUSES[number % len(PAUSES)])
            wait_for(lambda: sorted(client.numbers(imap.processed)) == list(range(60)))
    finally:
        ended.set()
        beside.join()
    assert [] == client.numbers(imap.inbox)
    assert [raw.uid for raw in reading.raws] == sorted(
        {raw.uid for raw in reading.raws}
    )  # in order, once each
    assert not any(state.startswith("waiting") for state in reading.states)


def test_reading_leaves_mails_unread(imap, client):
    """Handled mails stay unread: who opens the mailbox sees what is new to a person."""
    client.put(1)
    with Reading(imap):
        wait_for(lambda: client.numbers(imap.processed) == [1])
    assert client.unread(imap.processed) == 1


@pytest.mark.parametrize(
    "accident",
    [("doveadm", "kick", "admin@lab.example"),
     ("sh", "-c", "systemctl restart dovecot || { doveadm stop; sleep 1; dovecot; }")],
    ids=["connection cut", "server restarted"],
)  # fmt: skip
def test_accidents(lab, imap, client, accident):
    """Mails from before, during and after a cut connection or a restart of the server are all handled."""
    client.put(1)
    with Reading(imap) as reading:
        wait_for(lambda: reading.handled == {1})
        on_mail_host(*accident)
        wait_for(lambda: any(state.startswith("waiting") for state in reading.states))
        again = Client(lab, imap.inbox)
        again.put(2)
        wait_for(lambda: reading.handled == {1, 2})
        again.put(3)
        wait_for(lambda: sorted(again.numbers(imap.processed)) == [1, 2, 3])
    assert [] == again.numbers(imap.inbox)


def test_a_mail_expunged_meanwhile(lab, imap, client):
    """Mails that a person deletes while they are being handled hold no other mail up."""
    for number in range(10):
        client.put(number)
    other = Client(lab, imap.inbox).imap
    other.select(imap.inbox)

    def handle(raw):
        if raw.uid in {1, 4}:  # this one itself, and one that was found but not yet fetched
            other.uid("STORE", f"{raw.uid},{raw.uid + 1}", "+FLAGS.SILENT", r"\Deleted")
            other.expunge()
        return Disposition.PROCESSED

    with Reading(imap, handle) as reading:
        wait_for(lambda: sorted(client.numbers(imap.processed)) == [2, 5, 6, 7, 8, 9])
    assert {0, 2, 3, 5, 6, 7, 8, 9} == reading.handled
    assert [] == client.numbers(imap.inbox)


def test_parked_mails_and_a_store_that_recovers(imap, client):
    """A mail whose handling fails is parked; one that the store cannot take waits in the inbox."""
    failures = [StoreError("cheio", "espere")] * 3

    def handle(raw):
        number = int(raw.raw.split()[1])
        if number == 2 and failures:
            raise failures.pop()
        if number == 1:
            raise RuntimeError
        return Disposition.PROCESSED

    for number in (1, 2, 3):
        client.put(number)
    with Reading(imap, handle) as reading:
        wait_for(lambda: sorted(client.numbers(imap.processed)) == [2, 3])
    assert [1] == client.numbers(imap.parked)
    assert [1, 2, 2, 2, 2, 3] == [raw.uid for raw in reading.raws]


def test_what_was_put_away_is_deleted_in_the_end(imap, client):
    """Processed and parked mails go so many days after they came; newer ones stay, and the next is taken."""
    with Reading(imap) as reading:  # makes the folders
        wait_for(lambda: "listening" in reading.states)
    long_ago = imaplib.Time2Internaldate(time.time() - (imap.keep_days + 2) * 86400)
    lately = imaplib.Time2Internaldate(time.time() - (imap.keep_days - 2) * 86400)
    for number, folder in enumerate((imap.processed, imap.parked)):
        client.put(10 + number, folder, long_ago)
        client.put(20 + number, folder, lately)
    client.put(30, arrived=long_ago)
    with Reading(imap) as reading:
        wait_for(lambda: 30 in reading.handled and client.numbers(imap.processed) == [20])
        assert [21] == client.numbers(imap.parked)
        client.put(40)
        wait_for(lambda: 40 in client.numbers(imap.processed))


def test_two_mails_of_one_moment_during_idle(imap, client):
    """Of two mails that come at once in IDLE, the second does not wait for the window's end."""
    with Reading(imap) as reading:
        wait_for(lambda: "listening" in reading.states)
        for number in range(0, 20, 2):
            client.put(number)
            client.put(number + 1)
            time.sleep(0.7)
        wait_for(lambda: len(reading.handled) == 20)


def test_killed_at_any_moment(imap, client, tmp_path):
    """Killed ten times at any moment of its work, the reader loses no mail: each is handled at least once."""
    noted = tmp_path / "handled"

    def handle(raw):
        with noted.open("ab") as file:
            file.write(raw.raw.split()[1] + b"\n")
        return Disposition.PROCESSED

    for number in range(60):
        client.put(number)
    for killed in range(10):
        reader = multiprocessing.get_context("fork").Process(
            target=Mailbox(imap).run, args=(handle, threading.Event())
        )
        reader.start()
        time.sleep(0.05 + 0.04 * killed)
        reader.kill()
        reader.join()
    with Reading(imap, handle):
        wait_for(lambda: not client.numbers(imap.inbox))
    assert list(range(60)) == sorted({int(number) for number in noted.read_text().split()})
    assert list(range(60)) == sorted(set(client.numbers(imap.processed)))


def test_starttls_and_wrong_settings(lab, imap, tmp_path):
    """The check passes with TLS and with STARTTLS, and names what is wrong: password, CA, host name."""
    Mailbox(imap).check()
    Mailbox(imap.model_copy(update={"port": 143, "security": "starttls"})).check()
    wrong = tmp_path / "password"
    wrong.write_text("errada")
    for change, way_out in (
        ({"password_file": wrong}, "imap.user"),
        ({"ca_file": None}, "imap.ca_file"),
        ({"host": "192.0.2.41"}, "imap.host"),
        ({"port": 143}, "imap.security"),
    ):
        with pytest.raises(MailboxError) as raised:
            Mailbox(imap.model_copy(update=change)).check()
        assert way_out in raised.value.way_out
