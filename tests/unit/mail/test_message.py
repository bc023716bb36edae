"""The header parser against whatever may stand in a mailbox."""

import signal
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.header import Header
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.mail.message import MAX_FIELDS, MAX_HEADER, MalformedMessage, Message, parse
from dispatcher.mail.words import decode
from tests.unit.mail.mails import on_the_wire, raw_message

NAMES = (b"From", b"To", b"Subject", b"Date", b"Message-ID", b"References", b"X-Other", b"From ", b"", b" ")
PIECES = (
    b"operador@lab.example",
    b"<",
    b">",
    b'"',
    b"\\",
    b"(",
    b")",
    b",",
    b"@",
    b"=?utf-8?Q?=41?=",
    b"=?utf-8?B?QQ==?=",
    b"=?",
    b"?=",
    b"Mon, 23 Nov 2026 08:59:30 -0300",
    b"99",
    b"+9999",
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n ",
    b"\t",
    b" ",
    b"\xc3\xa3",
    b"\xff",
    "\u200b".encode(),
    b"[7E57C0DE]",
)
FIELDS = st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join))


def read_or_refused(raw):
    """Parse; whatever is no MalformedMessage fails the test."""
    try:
        message = parse(raw_message(raw))
    except MalformedMessage as error:
        assert error.args[0]  # a reason for the audit
        return None
    assert isinstance(message, Message)
    return message


@given(st.binary(max_size=2000))
def test_any_bytes(raw):
    """Arbitrary bytes are read or refused as malformed: nothing else comes out of the parser."""
    read_or_refused(raw)


@given(st.lists(FIELDS, max_size=9), st.binary(max_size=20))
def test_any_fields(fields, body):
    """Fields made of the pieces that break other parsers are read or refused as malformed."""
    read_or_refused(b"".join(name + b": " + value + b"\r\n" for name, value in fields) + b"\r\n" + body)


@given(st.data())
def test_what_is_read_is_safe(data):
    """In a message that is read, the sender is the one address and the subject a line that people can see."""
    values = {
        name: b"".join(data.draw(st.lists(st.sampled_from(PIECES), max_size=5)))
        for name in (b"From", b"Subject")
    }
    raw = on_the_wire("admitted-plain.eml").replace(b"From: Operador", b"From: " + values[b"From"])
    message = read_or_refused(raw.replace(b"Subject: ", b"Subject: " + values[b"Subject"]))
    if message:
        assert message.sender == "operador@lab.example"  # a display name alone may precede it
        assert message.subject.isprintable()


@given(st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="=")).filter(str.strip))
def test_encoded_words_of_the_standard_library(text):
    """What Python's own mail library encodes and folds, decodes to the same text."""
    assert text == decode(Header(text, "utf-8").encode(linesep="").replace("\n", ""))


@given(st.datetimes(datetime(1970, 1, 2), datetime(2099, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 - a zone is added
def test_dates(moment, minutes):
    """Dates as Python's own mail library writes them, of any zone, are read to the second."""
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    raw = on_the_wire("admitted-plain.eml").replace(
        b"Mon, 23 Nov 2026 08:59:30 -0300", format_datetime(moment).encode()
    )
    assert moment == parse(raw_message(raw)).date


@pytest.mark.parametrize(
    "date",
    ["23 Nov 2026 11:59:30 GMT", "Mon, 23 Nov 2026 11:59:30 +0000 (UTC)", "Mon,  23 Nov 2026 11:59:30 UT",
     "Mon,23 Nov 2026 11:59:30 -0000", "Mon, 23 Nov 2026\r\n 11:59:30 Z"],
)  # fmt: skip
def test_other_spellings_of_a_date(date):
    """Spellings that real mail programs use mean the same moment."""
    raw = on_the_wire("admitted-plain.eml").replace(b"Mon, 23 Nov 2026 08:59:30 -0300", date.encode())
    assert datetime(2026, 11, 23, 11, 59, 30, tzinfo=timezone.utc) == parse(raw_message(raw)).date


def test_references_thread_a_reply():
    """References keep their Message-IDs, the last twenty at most; what is none is left out."""
    ids = [f"<{number}@lab.example>" for number in range(30)]
    field = b"References: x\r\n " + "\r\n ".join(ids).encode() + b" <y>\r\n"
    assert " ".join(ids[-20:]) == parse(raw_message(field + on_the_wire("admitted-plain.eml"))).references


def test_the_body_is_not_looked_at():
    """Whatever follows the empty line, a From in it or a NUL, changes nothing."""
    honest = on_the_wire("admitted-plain.eml")
    hostile = honest + b"\0\r\n\r\nFrom: estranho@outside.example\r\n" + b"(" * 100_000
    assert parse(raw_message(honest)) == parse(raw_message(hostile))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "0 To"),
        (b"\r\n", "0 To"),
        (b"To: x\n\r\n\r\n", "bare CR or LF"),
        (b"To: x", "no end"),
        (b" To: x\r\n\r\n", "continuation"),
        (b"X: y\r\n" * (MAX_FIELDS + 1) + b"\r\n", f"{MAX_FIELDS} header fields"),
        (b"X: " + b"y" * MAX_HEADER + b"\r\n\r\n", f"{MAX_HEADER} bytes"),
    ],
)
def test_malformed_sections(raw, reason):
    """A header section that is ambiguous or too large is refused, and the reason says why."""
    with pytest.raises(MalformedMessage, match=reason):
        parse(raw_message(raw))


@contextmanager
def hang_guard():
    """End a test that hangs: anything quadratic in two megabytes would take hours."""

    def hangs(_number, _frame):
        pytest.fail("the parser hangs")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


HOSTILE = {
    "encoded words": b"Subject: " + b"=?utf-8?Q?a?= " * 150_000,
    "spaces": b"From: x" + b" " * 2_000_000 + b"y",
    "brackets": b"From: " + b"<" * 2_000_000,
    "quotes": b"From: " + b'"\\"' * 700_000,
    "at signs": b"Message-ID: <" + b"@" * 2_000_000,
    "continuations": b"To: x" + b"\r\n " * 700_000,
    "fields": b"a:\r\n" * 500_000 + b"b: c",
    "no line end": b"x" * 2_000_000,
    "line ends": b"\r\n " * 700_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("cap", [2_000_000, MAX_HEADER - 500, 990], ids=["2 MB", "64 KiB", "998 bytes"])
def test_hostile_headers_end(name, cap):
    """A field made to exhaust parsers is answered, in full length and just below each cap."""
    with hang_guard():
        read_or_refused(HOSTILE[name][:cap] + b"\r\n" + on_the_wire("admitted-plain.eml"))
