"""Our own DKIM check on what went through Postfix and its milters, with the keys that the lab's DNS has."""

import re
import smtplib
import ssl
from email.policy import SMTP

import dkim
import pytest

from dispatcher.mail import authentication, signature
from dispatcher.mail.dns import LookupLaterError, Resolver
from dispatcher.mail.message import parse
from dispatcher.settings import Imap
from lab import send
from lab.keys import DKIM_SELECTOR
from tests.integration.mail.conftest import USER, Reading, password_file, wait_for

pytestmark = pytest.mark.lab
OPERATOR = "operador@lab.example"
OWN = "mail.lab.example"


@pytest.fixture
def arrived(lab):
    """Give a function that returns the mail of a Message-ID once it is in the real inbox."""
    inbox = Imap(host=OWN, user=USER, password_file=password_file(lab), ca_file=lab / "ca.pem")
    with Reading(inbox) as reading:

        def found(message_id):
            def raws():
                return [raw for raw in reading.raws if message_id.encode() in raw.raw]

            wait_for(raws)
            return raws()[0]

        yield found


def verdicts(raw, resolver):
    """Return what our mail server's word comes to, and what our own check says."""
    message = parse(raw)
    own = signature.judge(message, raw.raw, raw.internaldate, resolver)
    return authentication.judge(message, OWN), own


def signed(lab, raw, **options):
    """Sign as lab.example, in whatever way."""
    key = (lab / "dkim" / "lab.example.pem").read_bytes()
    options = {"include_headers": list(send.SIGNED), "canonicalize": (b"relaxed", b"simple"), **options}
    return dkim.sign(raw, DKIM_SELECTOR.encode(), b"lab.example", key, **options) + raw


def build():
    message = send.build(OPERATOR, USER, "[7E57C0DE] CHECKIP=203.0.113.7", "Corpo.\n")
    return message["Message-ID"], message.as_bytes(policy=SMTP)


@pytest.mark.parametrize(
    "options",
    [{}, {"canonicalize": (b"simple", b"simple")}, {"canonicalize": (b"relaxed", b"relaxed")}],
)
def test_signatures_that_hold(lab, arrived, options):
    """A signature survives the way through Postfix, and its key is found in the DNS and remembered."""
    message_id, raw = build()
    send.hand_in(signed(lab, raw, **options), OPERATOR, USER)
    resolver = Resolver()
    assert (None, None) == verdicts(arrived(message_id), resolver)
    assert list(resolver._known) == ["ops._domainkey.lab.example"]


def test_what_opendkim_signs(lab, arrived):
    """A mail handed to the submission port is signed by opendkim, Message-ID included where it is told so."""
    message_id, raw = build()
    context = ssl.create_default_context(cafile=str(lab / "ca.pem"))
    with smtplib.SMTP(OWN, 587, timeout=30) as smtp:
        smtp.starttls(context=context)
        smtp.login(OPERATOR, (lab / "secrets" / "mail-operador").read_text().strip())
        smtp.sendmail(OPERATOR, [USER], raw)
    mail = arrived(message_id)
    assert b"a=rsa-sha256" in mail.raw
    assert signature.judge(parse(mail), mail.raw, mail.internaldate, Resolver()) is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (None, "no DKIM signature of the domain in From"),
        ({"include_headers": [b"from", b"to", b"date", b"message-id"]}, "h= does not cover subject"),
        ({"length": True}, "l= leaves a part of the mail unsigned"),
        ({"signature_algorithm": b"rsa-sha1"}, "a= is neither rsa-sha256 nor ed25519-sha256"),
    ],
)
def test_what_dmarc_alone_lets_pass(lab, arrived, options, reason):
    """Our mail server says dmarc=pass by SPF, or by a signature that leaves the subject out; we do not."""
    message_id, raw = build()
    send.hand_in(raw if options is None else signed(lab, raw, **options), OPERATOR, USER)
    assert (None, reason) == verdicts(arrived(message_id), Resolver())


def test_a_subject_that_was_changed_on_the_way(lab, arrived):
    """A signed mail with another subject passes DMARC by SPF, and is not what was signed."""
    message_id, raw = build()
    changed = re.sub(rb"(?m)^Subject: .*$", b"Subject: [7E57C0DE] CHECKIP=198.51.100.9\r", signed(lab, raw))
    send.hand_in(changed, OPERATOR, USER)
    assert (None, "the header is not what was signed") == verdicts(arrived(message_id), Resolver())


def test_a_key_that_is_not_in_the_dns(lab, arrived):
    """A selector that the domain does not have is no signature: the DNS says so, and nobody has to wait."""
    message_id, raw = build()
    key = (lab / "dkim" / "lab.example.pem").read_bytes()
    field = dkim.sign(raw, b"missing", b"lab.example", key, include_headers=list(send.SIGNED))
    send.hand_in(field + raw, OPERATOR, USER)
    assert (None, "0 keys in the DNS instead of one") == verdicts(arrived(message_id), Resolver())


def test_name_servers_of_the_settings(lab, arrived):
    """The name servers that are named are asked; where there is none, the mail has to wait."""
    message_id, raw = build()
    send.hand_in(signed(lab, raw), OPERATOR, USER)
    mail = arrived(message_id)
    assert (None, None) == verdicts(mail, Resolver(["2001:db8:77::41"], 5))
    with pytest.raises(LookupLaterError):
        verdicts(mail, Resolver(["192.0.2.21"], 0.5))
