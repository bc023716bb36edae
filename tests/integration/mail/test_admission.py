"""Mails that went through Postfix and its milters, judged as the dispatcher judges them."""

from email.policy import SMTP

import pytest

from dispatcher.jobs.database import connect
from dispatcher.mail.admission import Admission
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.dns import Resolver
from dispatcher.mail.lockout import Lockout
from dispatcher.mail.senders import Senders
from dispatcher.mail.tokens import Tokens
from dispatcher.settings import Imap, Mail
from dispatcher.settings import Tokens as TokenSettings
from lab import send
from tests.integration.mail.conftest import USER, Reading, password_file, wait_for

PEPPER = b"invented for tests only"
pytestmark = pytest.mark.lab
OPERATOR, STRANGER = "operador@lab.example", "estranho@outside.example"


@pytest.fixture
def inbox(lab):
    """The real inbox: what Postfix delivers."""
    return Imap(host="mail.lab.example", user=USER, password_file=password_file(lab), ca_file=lab / "ca.pem")


@pytest.fixture
def judged(inbox, tmp_path):
    """Give a function that returns the verdict on the mail of a Message-ID, once it has arrived."""
    engine = connect(f"sqlite:///{tmp_path}/athome.db")
    senders, tokens = Senders(engine), Tokens(engine, PEPPER)
    for address in (OPERATOR, STRANGER):
        senders.add(address)
    settings = Mail(address=USER, authserv_id="mail.lab.example")
    secret = TokenSettings(pepper_file=tmp_path / "unread")
    admission = Admission(
        settings, senders, tokens, seen=lambda _sender, _message_id: False, resolver=Resolver(),
        confirmations=Confirmations(engine, PEPPER), lockout=Lockout(engine, settings, secret),
    )  # fmt: skip
    with Reading(inbox) as reading:

        def verdict(message_id):
            def found():
                return [raw for raw in reading.raws if message_id.encode() in raw.raw]

            wait_for(found)
            return admission.judge(found()[0])

        yield verdict, tokens


def test_honest_mail(judged):
    """A signed mail of a sender on the list is admitted with the sender's token, and refused without it."""
    verdict, tokens = judged
    token = tokens.issue(OPERATOR, "")
    admitted = verdict(send.send(OPERATOR, USER, f"[{token}] CHECKIP=203.0.113.7"))
    assert ("admitted", "CHECKIP=203.0.113.7", OPERATOR) == (
        admitted.decision, admitted.subject, admitted.sender.address,
    )  # fmt: skip
    refused = verdict(send.send(OPERATOR, USER, "CHECKIP=203.0.113.7"))
    assert ("refused", "token") == (refused.decision, refused.rule)
    foreign = verdict(send.send(STRANGER, USER, f"[{token}] CHECKIP=203.0.113.7"))
    assert ("refused", "token") == (foreign.decision, foreign.rule)  # authentic, but another sender's token


def test_forged_mail(judged):
    """A mail that another domain sent in a sender's name gets silence, whatever token and results it has."""
    verdict, tokens = judged
    token = tokens.issue(OPERATOR, "")
    forged = b"Authentication-Results: mail.lab.example; dmarc=pass header.from=lab.example\r\n"
    for results in (
        b"",
        forged,
        forged.replace(b"mail.lab", b"(x) Mail.LAB"),
        forged.replace(b"mail", b'"mail'),
    ):
        message = send.build(OPERATOR, USER, f"[{token}] CHECKIP=203.0.113.7")
        raw = results + send.sign(message.as_bytes(policy=SMTP), "outside.example")
        send.hand_in(raw, STRANGER, USER)
        silent = verdict(str(message["Message-ID"]))
        assert ("silent", "authentication") == (silent.decision, silent.rule)


def test_injection_through_mail_from(judged):
    """Results written into MAIL FROM do not authenticate."""
    verdict, tokens = judged
    token = tokens.issue(OPERATOR, "")
    for local_part in ('"x; dmarc=pass header.from=lab.example"', '"x dmarc=pass header.from=lab.example ("'):
        message = send.build(OPERATOR, USER, f"[{token}] CHECKIP=203.0.113.7")
        send.hand_in(message.as_bytes(policy=SMTP), f"{local_part}@outside.example", USER)
        silent = verdict(str(message["Message-ID"]))
        assert ("silent", "authentication") == (silent.decision, silent.rule)
