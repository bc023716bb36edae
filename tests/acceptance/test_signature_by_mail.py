"""Mails whose signature cannot be checked now, or is not to be checked."""

import json

import pytest
import yaml

from lab import send
from tests.road import OPERATOR, Mailbox

pytestmark = pytest.mark.lab
NO_NAME_SERVER = "192.0.2.21"  # voip1
ANSWERED = "CHECKIP=203.0.113.77 SIMULAR"


@pytest.fixture
def stopped(dispatcher):
    """The dispatcher of all tests, not serving; it goes on afterwards as it was."""
    settings = dispatcher.settings.read_text()
    assert 0 == dispatcher.stop()
    yield dispatcher
    if dispatcher.process.poll() is None:
        dispatcher.stop()
    dispatcher.settings.write_text(settings)
    dispatcher.start()


def settle(dispatcher, **keys):
    """Change keys of the section mail; None takes one out."""
    settings = yaml.safe_load(dispatcher.settings.read_text())
    mail = settings["mail"] | keys
    settings["mail"] = {name: value for name, value in mail.items() if value is not None}
    dispatcher.settings.write_text(yaml.safe_dump(settings))


def unsigned(subject):
    """Hand in an unsigned mail of the operator; DMARC passes by SPF alone. Return its Message-ID."""
    message = send.build(OPERATOR, "athome@lab.example", subject)
    send.hand_in(message.as_bytes(), OPERATOR, "athome@lab.example")
    return str(message["Message-ID"])


@pytest.mark.long  # without a mail server: tests/unit/test_intake.py
def test_a_mail_waits_while_the_dns_does_not_answer(lab, stopped):
    """It stays in the inbox without a row or an answer, and others do not wait; with a DNS it is answered."""
    settle(stopped, nameservers=[NO_NAME_SERVER], dns_timeout=0.5)
    stopped.start()
    waiting = stopped.write(f"[{stopped.token}] {ANSWERED}")
    stranger = stopped.write("CHECKIP=203.0.113.78", "estranho@outside.example")
    assert [("silent", "whitelist")] == stopped.verdicts(stranger)
    assert [] == stopped.rows("SELECT 1 FROM messages WHERE message_id = ?", waiting)
    assert "O DNS não responde por ops._domainkey.lab.example" in stopped.log.read_text()
    assert 1 == len(inbox(lab, waiting))
    assert 0 == stopped.stop()
    settle(stopped, nameservers=["192.0.2.41"], dns_timeout=None)
    stopped.start()
    assert [("admitted", "token")] == stopped.verdicts(waiting)
    assert Mailbox(lab, OPERATOR).answer(waiting)
    assert [] == inbox(lab, waiting)


def inbox(lab, message_id):
    return Mailbox(lab, "athome@lab.example").mails("INBOX", "HEADER", "Message-ID", f'"{message_id}"')


@pytest.mark.long  # its rules have short tests
def test_the_weaker_mode(lab, stopped):
    """With results_only an unsigned mail is believed when DMARC passes; every start warns of it."""
    settle(stopped, authentication="results_only")
    before = len(stopped.log.read_text())
    for start in (1, 2):
        stopped.start()
        said = stopped.log.read_text()[before:]
        assert start == said.count("mail.authentication is results_only")
        assert start == 2 or 0 == stopped.stop()
    admitted = unsigned(f"[{stopped.token}] {ANSWERED}")
    assert [("admitted", "token")] == stopped.verdicts(admitted)
    assert Mailbox(lab, OPERATOR).answer(admitted)


def test_explaining_a_mail_that_got_no_answer(lab, stopped, tmp_path):
    """A mail out of the mailbox, saved as a file, gets the verdict that the service gave, and the reason."""
    stopped.start()
    message_id = unsigned(f"[{stopped.token}] {ANSWERED}")
    assert [("silent", "signature")] == stopped.verdicts(message_id)
    assert 0 == stopped.stop()
    search = ("Processed", "HEADER", "Message-ID", f'"{message_id}"')
    (saved,) = Mailbox(lab, "athome@lab.example").mails(*search)
    (tmp_path / "mail.eml").write_bytes(saved.as_bytes())
    rows = stopped.rows("SELECT count(*) FROM messages")
    found = stopped.athome("explain", "--message", str(tmp_path / "mail.eml"), "--json", check=False)
    said = json.loads(found.stdout)
    assert (2, "signature", False) == (found.returncode, said["rule"], said["answer_due"])
    assert "no DKIM signature of the domain in From" == said["reason"]
    assert stopped.token not in found.stdout
    assert rows == stopped.rows("SELECT count(*) FROM messages")
