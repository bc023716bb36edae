"""The mail host treats honest and forged mail as a large provider would."""

import smtplib
import ssl
from email.policy import SMTP

import pytest

from lab import send, state

pytestmark = pytest.mark.lab
STAFF, DISPATCHER, OUTSIDER = "operador@lab.example", "athome@lab.example", "estranho@outside.example"


def results(message):
    """All Authentication-Results of a message, in one line each."""
    return [" ".join(value.split()) for value in message.get_all("Authentication-Results", [])]


def test_signed_mail_passes(mailbox):
    """A mail of lab.example, signed and from an allowed address, arrives with dkim=pass and dmarc=pass."""
    message = mailbox(DISPATCHER, send.send(STAFF, DISPATCHER, "olá"))
    assert message["Subject"] == "olá"
    text = "\n".join(results(message))
    assert "dkim=pass" in text
    assert "dmarc=pass" in text
    assert all(line.startswith("mail.lab.example;") for line in results(message))


def test_mail_from_outside_passes_for_its_own_domain(mailbox):
    """An honest mail of outside.example passes as well: it is authenticated, if not authorised."""
    text = "\n".join(results(mailbox(STAFF, send.send(OUTSIDER, STAFF, "bom dia"))))
    assert "dmarc=pass" in text
    assert "header.from=outside.example" in text


def test_spoofed_sender_fails(mailbox):
    """A From of lab.example in a mail that outside.example signed and sent arrives with dmarc=fail."""
    message = send.build(STAFF, DISPATCHER, "forjado")
    send.hand_in(send.sign(message.as_bytes(policy=SMTP), "outside.example"), OUTSIDER, DISPATCHER)
    text = "\n".join(results(mailbox(DISPATCHER, message["Message-ID"])))
    assert "dmarc=fail" in text
    assert "dmarc=pass" not in text


@pytest.mark.parametrize(
    "forged",
    [
        "mail.lab.example; dmarc=pass header.from=lab.example",
        "MAIL.lab.example; dkim=pass header.d=lab.example; dmarc=pass header.from=lab.example",
        "\r\n mail.lab.example; dmarc=pass header.from=lab.example",
        "(x) mail.lab.example 1; dmarc=pass header.from=lab.example",
    ],
)
def test_forged_results_are_dropped(mailbox, forged):
    """Authentication-Results that arrive under the mail host's own name are dropped, and do not count."""
    message = send.build(STAFF, DISPATCHER, "resultado forjado")
    raw = b"Authentication-Results: " + forged.encode() + b"\r\n" + message.as_bytes(policy=SMTP)
    send.hand_in(raw, OUTSIDER, DISPATCHER)
    text = "\n".join(results(mailbox(DISPATCHER, message["Message-ID"])))
    assert "dmarc=fail" in text
    assert "dmarc=pass" not in text


def submit(user, message, sender):
    context = ssl.create_default_context(cafile=state.INSIDE / "ca.pem")
    with smtplib.SMTP("mail.lab.example", 587, timeout=30) as smtp:
        smtp.starttls(context=context)
        smtp.login(user, (state.INSIDE / "secrets" / f"mail-{user.partition('@')[0]}").read_text())
        smtp.send_message(message, sender)


def test_submitted_mail_is_signed(mailbox):
    """What the dispatcher hands in on the submission port carries lab.example's DKIM signature."""
    message = send.build(DISPATCHER, STAFF, "resposta")
    submit(DISPATCHER, message, DISPATCHER)
    assert "d=lab.example" in mailbox(STAFF, message["Message-ID"])["DKIM-Signature"]


def test_nobody_submits_under_another_name():
    """A user who has logged in cannot send as somebody else."""
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        submit(STAFF, send.build(DISPATCHER, STAFF, "outro"), DISPATCHER)


def test_submission_needs_tls_and_the_password():
    """The submission port lets nobody log in without TLS, or with a wrong password."""
    with smtplib.SMTP("mail.lab.example", 587, timeout=30) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("auth")
        smtp.starttls(context=ssl.create_default_context(cafile=state.INSIDE / "ca.pem"))
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login(STAFF, "errada")


def test_no_relay_and_no_unknown_mailbox():
    """Port 25 takes mail for the lab's mailboxes and for nobody else."""
    for recipient in ("ninguem@lab.example", "somebody@example.com"):
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send.send(STAFF, recipient, "x")
