"""The raw path, from the bytes of a mail to its verdict, with real mails that have been damaged at random."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import dkim
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.commands import InvalidCommand
from dispatcher.commands.parser import parse
from dispatcher.inventory import InventorySource
from dispatcher.mail.admission import Admission
from dispatcher.mail.message import MalformedMessage
from dispatcher.mail.message import parse as read_header
from dispatcher.mail.rules import Decision
from dispatcher.settings import PROJECT, Mail
from tests.unit.mail.mails import DATA, TOKEN, on_the_wire, raw_message
from tests.unit.mail.signing import Zone, signed

SETTINGS = Mail(address="athome@lab.example", authserv_id="mail.lab.example")
HOSTILE = Path(__file__).parents[2] / "hostile" / "mails"
HONEST = ("admitted-plain.eml", "admitted-encoded-words.eml", "admitted-folded.eml")
# Headers that pass everything but the signature: damage to them must not make up for its absence.
RESULT = b"Authentication-Results: mail.lab.example; dmarc=pass header.from=lab.example\r\n"
PIECES = (
    b"", b"\0", b"\r", b"\n", b"\r\n", b"\r\n ", b"\r\n\t", b"\r\n\r\n", b" ", b"\t", b":", b";", b",",
    b"<", b">", b"@", b"(", b")", b'"', b"\\", b"=", b"=?", b"?=", b"=?utf-8?Q?", b"=?utf-8?B?QQ==?=",
    b"\xff", b"\xc3\xa3", b"\xe2\x80\x8b", b"\xe2\x80\xae", b"[", b"]", b"[7E57C0DE] ", b"7E57C0DE",
    b"CONFIRMAR ABCD-EFGH-JKMN", b"Re: ", b"From: operador@lab.example\r\n", b"from:x\r\n",
    b"Subject: [7E57C0DE] CHECKIP=203.0.113.9\r\n", b"To: athome@lab.example\r\n",
    b"Date: Mon, 23 Nov 2026 08:59:30 -0300\r\n", b"Message-ID: <2@lab.example>\r\n",
    b"DKIM-Signature: v=1; d=lab.example; s=ops\r\n", b"l=0; ", b"x=1; ", b"t=9999999999999; ", b"d=x; ",
    b"h=; ", b"c=relaxed/relaxed; ", b"a=rsa-sha1; ", b"b=; ", RESULT, b"dmarc=pass",
    b"header.from=lab.example", b"Auto-Submitted: no\r\n", b"List-Id: x\r\n", b"(" * 500, b" " * 2000,
    b"x" * 1000,
)  # fmt: skip
PLACES = st.integers(0, 2**16)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), PLACES, st.one_of(st.sampled_from(PIECES), st.binary(max_size=12))),
        st.tuples(st.just("cut"), PLACES, st.integers(1, 40)),
        st.tuples(st.just("replace"), PLACES, st.one_of(st.sampled_from(PIECES), st.binary(max_size=3))),
        st.tuples(st.just("repeat line"), PLACES, PLACES),
        st.tuples(st.just("move line"), PLACES, PLACES),
        st.tuples(st.just("fold"), PLACES, st.just(None)),
        st.tuples(st.just("case"), PLACES, st.integers(1, 20)),
        st.tuples(st.just("bit"), PLACES, st.integers(0, 7)),
    ),
    min_size=1,
    max_size=5,
)


def damaged(raw: bytes, changes: list[tuple[str, int, object]]) -> bytes:
    """Return the mail with the changes made, most of them in its header."""
    for kind, place, what in changes:
        end = max(1, raw.find(b"\r\n\r\n") + 8)
        at = place % min(end, len(raw)) if raw else 0
        if kind == "insert":
            raw = raw[:at] + what + raw[at:]
        elif kind == "cut":
            raw = raw[:at] + raw[at + what :]
        elif kind == "replace":
            raw = raw[:at] + what + raw[at + len(what) :]
        elif kind == "fold":
            raw = raw[:at] + b"\r\n " + raw[at:].lstrip(b" ")
        elif kind == "case":
            raw = raw[:at] + raw[at : at + what].swapcase() + raw[at + what :]
        elif kind == "bit":
            raw = raw[:at] + bytes(byte ^ 1 << what for byte in raw[at : at + 1]) + raw[at + 1 :]
        else:
            lines = raw.split(b"\r\n")
            line = lines[place % len(lines)]
            if kind == "move line":
                lines.remove(line)
            lines.insert(what % (len(lines) + 1), line)
            raw = b"\r\n".join(lines)
    return raw


@cache
def seeds() -> tuple[bytes, ...]:
    """Every mail that the tests have, with a token in it that counts, under a result that says pass."""
    hostile = [
        path.read_bytes().replace(b"{{TOKEN}}", TOKEN.encode()) for path in sorted(HOSTILE.glob("*.eml"))
    ]
    dated = [
        raw.replace(b"{{DATE}}", b"Mon, 23 Nov 2026 08:59:30 -0300").replace(b"{{ID}}", b"<1@lab.example>")
        for raw in hostile
    ]
    files = [on_the_wire(path.name) for path in sorted(DATA.glob("*.eml"))]
    return tuple(files + [RESULT + raw.replace(b"\n", b"\r\n") for raw in dated])


@cache
def genuine(name: str) -> bytes:
    return signed(on_the_wire(name))


def long_and_short(short: int, long: int, *strategies: st.SearchStrategy):
    """Run a property for a moment in every test run, and for minutes in the long one."""

    def both(check):
        quiet = {"deadline": None, "suppress_health_check": list(HealthCheck)}
        marked = pytest.mark.parametrize(
            "examples", [short, pytest.param(long, marks=pytest.mark.long)], ids=["short", "long"]
        )

        def run(judge, examples):
            settings(max_examples=examples, **quiet)(given(*strategies)(check))(judge)

        run.__doc__ = check.__doc__
        run.__name__ = check.__name__
        return marked(run)

    return both


@pytest.fixture(scope="module")
def judge(lasting_staff):
    """Give the rules as they are in service, with a DNS that knows the key of lab.example."""
    staff = lasting_staff
    return Admission(
        SETTINGS, staff.senders, staff.tokens, seen=lambda *_key: False, resolver=Zone(),
        confirmations=staff.confirmations, lockout=staff.lockout,
    ).judge  # fmt: skip


INVENTORY = InventorySource(PROJECT / "inventory" / "lab")


def looked_at(judge, raw: bytes) -> Decision:
    """Judge the mail, read its command if it is admitted, and see that no token is left."""
    verdict = judge(raw_message(raw))
    assert verdict.rule
    assert verdict.reason
    assert TOKEN.lower() not in repr(without_addresses(verdict)).lower().replace(f"aaaa{TOKEN.lower()}", "")
    if verdict.decision == "admitted":
        try:
            parse(verdict.subject, INVENTORY.read())
        except InvalidCommand as error:
            assert error.problems
    return verdict


def without_addresses(verdict: Decision) -> Decision:
    """Leave out what is kept as somebody wrote it: who puts a token into an address has shown it to all."""
    if verdict.message is None:
        return verdict
    message = dataclasses.replace(verdict.message, sender="", message_id="", references="")
    return dataclasses.replace(verdict, message=message)


def said(verdict) -> tuple:
    """Return what a signature covers; References may be anybody's, and thread a reply at most."""
    message = verdict.message
    return verdict.subject, verdict.sender, message.subject, message.sender, message.message_id, message.date


@long_and_short(300, 10_000, st.sampled_from(HONEST), CHANGES)
def test_damage_to_a_genuine_mail(judge, name, changes):
    """Whatever is done to a signed mail on its way, it is not obeyed or says what its sender signed."""
    before = judge(raw_message(genuine(name)))
    verdict = looked_at(judge, damaged(genuine(name), changes))
    if verdict.decision in ("admitted", "refused"):
        assert said(before) == said(verdict)


@long_and_short(300, 10_000, st.data())
def test_damage_to_any_mail(judge, data):
    """No mail without a signature of its sender's is obeyed or answered, and none raises an error."""
    raw = damaged(data.draw(st.sampled_from(seeds())), data.draw(CHANGES))
    assert "silent" == looked_at(judge, raw).decision


@long_and_short(200, 10_000, st.sampled_from(HONEST), st.data())
def test_two_mails_in_one(judge, name, data):
    """A genuine mail with the beginning, the middle or the end of another one in it says what was signed."""
    raw, other = genuine(name), data.draw(st.sampled_from(seeds()))
    at, start = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, len(other)))
    length = data.draw(st.integers(0, 400))
    before = judge(raw_message(raw))
    verdict = looked_at(judge, raw[:at] + other[start : start + length] + raw[at:])
    if verdict.decision in ("admitted", "refused"):
        assert said(before) == said(verdict)


def fields_of(raw: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields as dkimpy reads them, in our form."""
    headers, _body = dkim.rfc822_parse(raw)
    return [(name.lower(), value.replace(b"\r\n", b"").strip(b" \t")) for name, value in headers]


@long_and_short(500, 20_000, st.data())
def test_what_is_signed_is_what_is_read(judge, data):
    """Of every mail that can be read, dkimpy sees the same fields: what is signed is what is obeyed."""
    raw = damaged(data.draw(st.sampled_from((*seeds(), *map(genuine, HONEST)))), data.draw(CHANGES))
    try:
        message = read_header(raw_message(raw))
    except MalformedMessage:
        return
    assert fields_of(raw) == list(message.fields)
