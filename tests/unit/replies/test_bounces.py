"""A bounce is read on bytes, and believed only when it names what nobody can guess."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from dispatcher.jobs.database import connect
from dispatcher.jobs.schema import outbox
from dispatcher.replies.bounces import MAX_BYTES, Bounces, read
from dispatcher.replies.identity import derived_key, guessable, message_id

KEY = derived_key(b"an invented pepper of the tests")
OURS = message_id(KEY, "result", "ana@example.com", "<command@example.com>", "example.com")

POSTFIX = """\
Return-Path: <>
Date: Mon, 23 Nov 2026 11:00:00 +0000 (UTC)
From: MAILER-DAEMON@mail.example.com (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: athome@example.com
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="7E57.1795431600/mail.example.com"
Message-Id: <20261123110000.7E57@mail.example.com>

This is a MIME-encapsulated message.

--7E57.1795431600/mail.example.com
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--7E57.1795431600/mail.example.com
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com
X-Postfix-Queue-ID: 7E57
Arrival-Date: Mon, 23 Nov 2026 11:00:00 +0000 (UTC)

Final-Recipient: rfc822; ana@example.com
Original-Recipient: rfc822;ana@example.com
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.com
Diagnostic-Code: smtp; 550 5.1.1 <ana@example.com>: Recipient address
    rejected: User unknown

--7E57.1795431600/mail.example.com
Content-Description: Undelivered Message
Content-Type: message/rfc822

From: ATHome <athome@example.com>
To: ana@example.com
Subject: CHECKIP 203.0.113.7
Message-ID: %s

Hello

--7E57.1795431600/mail.example.com--
"""


def report(message_id=OURS, *changes: tuple[str, str]) -> bytes:
    text = POSTFIX % message_id
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.replace("\n", "\r\n").encode()


REASON = "5.1.1 550 5.1.1 <ana@example.com>: Recipient address rejected: User unknown"
# Gmail returns the header alone, and closes the boundary in quotes without a folded line.
HEADERS_ONLY = (("Content-Type: message/rfc822", "Content-Type: text/rfc822-headers"), ("Hello\n", "\n"))


@pytest.mark.parametrize(
    "changes",
    [
        (),
        HEADERS_ONLY,
        (("Action: failed", "ACTION: Failed (relayed to nobody)"),),
        (("message/delivery-status", "Message/Delivery-Status; charset=us-ascii"),),
        (("Subject: CHECKIP 203.0.113.7", "Subject: x\nMIME-Version: 1.0"),),
    ],
)
def test_a_report_of_a_failure_is_read(changes):
    """Which mail failed, and why, in one line, however the server writes it."""
    found = read(report(OURS, *changes))
    assert (OURS, REASON) == (found.message_id, found.reason)


def test_line_ends_do_not_matter():
    """A server that hands out bare LF is read too."""
    assert read(report().replace(b"\r\n", b"\n")) == read(report())


def test_parts_in_base64_are_read():
    """An internationalised report (RFC 6533) may come encoded."""
    text = POSTFIX % OURS
    start = text.index("Reporting-MTA")
    end = text.index("\n--7E57", start)
    plain = text[start:end]
    encoded = base64.encodebytes(plain.encode()).decode()
    text = text.replace(plain, encoded).replace(
        "Content-Type: message/delivery-status",
        "Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: base64",
    )
    assert REASON == read(text.encode()).reason


@pytest.mark.parametrize(
    "changes",
    [
        (("Action: failed", "Action: delayed"),),
        (("Action: failed", "Action: delivered"),),
        (("multipart/report", "multipart/mixed"),),
        (("multipart/report", "multipart/reported"),),
        (("message/delivery-status", "text/plain"),),
        (("message/rfc822", "text/plain"),),
        ((f"Message-ID: {OURS}\n", ""),),
        ((f"Message-ID: {OURS}", "Message-ID: nothing"),),
        (("; report-type=delivery-status;\n\tboundary=", "; report-type=delivery-status;\n\tlimit="),),
    ],
)
def test_what_reports_no_failure_is_no_bounce(changes):
    """A delay, a delivery, or a mail that only looks like a report says nothing."""
    assert read(report(OURS, *changes)) is None


@given(st.binary(max_size=2000))
def test_no_bytes_break_it(raw):
    """Whatever somebody sends, in the header or behind it, there is an answer."""
    read(raw)
    head, _, tail = report().partition(b"Reporting-MTA")
    read(head + raw + tail)
    read(raw + b"\r\n" + tail)


def test_a_bomb_costs_little():
    """Endless or repeated parts, lines and groups are read up to a bound, each byte a few times at most."""
    mark = b"--7E57.1795431600/mail.example.com\r\n"
    head = report().partition(mark)[0]
    for bomb in (mark * 100_000, b"x: " + b" " * 10**7, b"\r\n" * 10**6, b"a:b\r\n\r\n" * 10**6):
        assert read(head + mark + b"Content-Type: message/delivery-status\r\n\r\n" + bomb) is None
        assert read(head.replace(b"boundary", b"boundary=" + b" " * 10**5 + b"; boundary") + bomb) is None
    assert read(report() + b"x" * MAX_BYTES) == read(report())


@pytest.fixture
def engine(tmp_path):
    return connect(f"sqlite:///{tmp_path}/athome.db")


def post(engine, name, state="sent", about="<command@example.com>"):
    with engine.begin() as connection:
        return connection.execute(
            insert(outbox)
            .values(
                message_id=name, recipient="ana@example.com", about=about, message=b"x", state=state,
                not_before=0.0, created_at=0.0,
            )
            .returning(outbox.c.id)
        ).scalar_one()  # fmt: skip


def states(engine):
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(select(outbox.c.state, outbox.c.error))]


@pytest.mark.parametrize("state", ["sent", "sending"])
def test_a_bounce_marks_its_mail(engine, state, caplog):
    """Its row is bounced with the reason, once, and an error is logged; that it was taken is proved too."""
    number = post(engine, OURS, state)
    bounces = Bounces(engine)
    assert number == bounces.mark(report())
    assert number == bounces.mark(report())
    assert [("bounced", REASON)] == states(engine)
    assert 1 == sum("has bounced" in record.message for record in caplog.records)


@pytest.mark.parametrize("state", ["waiting", "dead", "dropped"])
def test_what_was_not_taken_cannot_bounce(engine, state):
    """A report about it is known as one, and changes nothing."""
    number = post(engine, OURS, state)
    assert number == Bounces(engine).mark(report())
    assert [(state, None)] == states(engine)


def test_a_report_about_anothers_mail_is_none_of_ours(engine):
    """A Message-ID that we never sent: the mail goes the way of all others."""
    post(engine, OURS)
    assert Bounces(engine).mark(report("<result.00000000000000000000000000000000@example.com>")) is None
    assert [("sent", None)] == states(engine)


def test_a_name_that_can_be_guessed_proves_nothing(engine):
    """Rows of the first version have Message-IDs that whoever has seen the command can make."""
    digest = hashlib.sha256(b"result ana@example.com <command@example.com>").hexdigest()[:32]
    old = f"<result.{digest}@example.com>"
    post(engine, old)
    assert Bounces(engine).mark(report(old)) is None
    assert [("sent", None)] == states(engine)


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_same_cause_has_one_name(cause, other):
    """Deterministic under one key; another cause or key has another name, and none can be guessed."""
    names = [message_id(KEY, "result", "ana@example.com", cause, "example.com") for _ in range(2)]
    assert names[0] == names[1]
    assert (names[0] == message_id(KEY, "result", "ana@example.com", other, "example.com")) == (
        cause == other
    )
    stranger = derived_key(b"another pepper of 16 bytes")
    assert names[0] != message_id(stranger, "result", "ana@example.com", cause, "example.com")
    assert not guessable(names[0], "ana@example.com", cause)
