"""Mail as staff's own mail server would send it: built, DKIM-signed and handed to the mail host's port 25.

In the lab only. As a command: `python3 -m lab.send FROM TO` takes the subject from the first line of standard
input, so that a token in it is in no argument list, and the body from the rest; it prints the Message-ID.
"""

from __future__ import annotations

import smtplib
import sys
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime, make_msgid
from typing import TYPE_CHECKING

from lab import topology
from lab.keys import DKIM_SELECTOR
from lab.state import INSIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNED = (b"from", b"to", b"subject", b"date", b"message-id")
# SPF: from where mail of a domain may come. One that is not here is sent from the controller's first address.
SOURCES = {"outside.example": topology.address4(topology.CONTROLLER_OUTSIDE)}


def send(  # noqa: PLR0917  the parts of a mail, in their usual order
    sender: str,
    recipient: str,
    subject: str,
    body: str = "",
    message_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Send one honest mail and return its Message-ID; raises smtplib.SMTPException when it is refused.

    `headers` are added to From, To, Subject, Date and Message-ID, or replace them.
    """
    message = build(sender, recipient, subject, body, message_id, headers)
    hand_in(sign(message.as_bytes(policy=SMTP), domain_of(sender)), sender, recipient)
    return str(message["Message-ID"])


def build(  # noqa: PLR0917  as above
    sender: str,
    recipient: str,
    subject: str,
    body: str = "",
    message_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> EmailMessage:
    """Build the message, unsigned: what a test may want to change before it signs."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = subject
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = message_id or make_msgid(domain=domain_of(sender))
    for name, value in (headers or {}).items():
        del message[name]
        message[name] = value
    message.set_content(body)
    return message


def sign(raw: bytes, domain: str) -> bytes:
    """Put the domain's DKIM-Signature before a message with CRLF line ends."""
    import dkim  # noqa: PLC0415  the rest of the lab runs on the standard library alone

    key = (INSIDE / "dkim" / f"{domain}.pem").read_bytes()
    options = {"canonicalize": (b"relaxed", b"simple"), "include_headers": list(SIGNED)}
    signature: bytes = dkim.sign(raw, DKIM_SELECTOR.encode(), domain.encode(), key, **options)
    return signature + raw


def hand_in(raw: bytes, sender: str, recipient: str) -> None:
    """Deliver the bytes as they are, as the sender's domain: from an address that its SPF record allows."""
    source = SOURCES.get(domain_of(sender), topology.address4(topology.CONTROLLER))
    mail = topology.address4(topology.find_host("mail").number)
    with smtplib.SMTP(
        mail, 25, local_hostname=domain_of(sender), timeout=30, source_address=(source, 0)
    ) as smtp:
        smtp.sendmail(sender, [recipient], raw)


def domain_of(address: str) -> str:
    """Return what is right of the @."""
    return address.rpartition("@")[2]


if __name__ == "__main__":
    first, _newline, rest = sys.stdin.read().partition("\n")
    print(send(sys.argv[1], sys.argv[2], first, rest))
