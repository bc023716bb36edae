"""Which rule decides over which mail: one file a case, hostile and honest."""

import dataclasses
from datetime import timedelta

import pytest
from sqlalchemy import text

from dispatcher.errors import StoreError
from dispatcher.mail.admission import RULES, Admission
from dispatcher.mail.senders import Sender
from dispatcher.settings import Mail
from tests.unit.mail.mails import ARRIVED, DATA, TOKEN, on_the_wire, raw_message
from tests.unit.mail.signing import Zone, signed

SETTINGS = Mail(address="athome@lab.example", authserv_id="mail.lab.example")
OPERATOR = Sender("operador@lab.example", "operador", "pt_BR")
FILES = sorted(path.name for path in DATA.glob("*.eml"))


SEEN = {("operador@lab.example", "<seen@lab.example>")}


def admission_of(staff):
    return Admission(
        SETTINGS, staff.senders, staff.tokens, seen=lambda *key: key in SEEN, resolver=Zone(),
        confirmations=staff.confirmations, lockout=staff.lockout,
    )  # fmt: skip


def mail(name):
    """Return a file's mail, signed by its domain's own server where its header can be signed at all."""
    raw = on_the_wire(name)
    return raw_message(raw if name.startswith(("headers-", "automatic-", "whitelist-")) else signed(raw))


@pytest.fixture(scope="module")
def admission(lasting_staff):
    return admission_of(lasting_staff)


@pytest.mark.parametrize("name", FILES)
def test_the_rule_that_decides(admission, name):
    """The rule that a file is named after decides it: with silence before the token, with a refusal there."""
    rule = name.partition("-")[0]
    verdict = admission.judge(mail(name))
    decision = {"admitted": "admitted", "token": "refused", "replay-seen.eml": "repeated"}.get(
        name if name == "replay-seen.eml" else rule, "silent"
    )
    assert (decision, rule if rule != "admitted" else "token") == (verdict.decision, verdict.rule)
    assert (OPERATOR if decision in ("admitted", "refused") else None) == verdict.sender
    passed = [(step.rule, step.passed) for step in verdict.trace]
    known = [row.name for row in RULES]
    assert passed == [(row, row != rule) for row in known[: len(passed)]]


@pytest.mark.parametrize("name", FILES)
def test_no_token_in_a_verdict(admission, name):
    """The token of a mail is in no field of its verdict, in no case and in no coding."""
    verdict = repr(admission.judge(mail(name))).lower()
    for trace_of_it in (TOKEN, "7E57C0D", "７E57C0DE", "WzdFNTdDMERFXSA", "7E57AD00", "7E57D15A"):
        assert trace_of_it.lower() not in verdict


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("admitted")])
def test_what_is_left_for_the_parser(admission, name):
    """An admitted mail yields its command without the token, and a message whose subject marks its place."""
    verdict = admission.judge(mail(name))
    expected = {
        "admitted-token-alone.eml": "",
        "admitted-cyrillic-for-the-command-parser.eml": "\u0421HECKIP=203.0.113.7",
    }.get(name, "CHECKIP=203.0.113.7")
    assert expected == verdict.subject
    assert f"[········] {expected}" == verdict.message.subject
    assert verdict.message.message_id == "<1@lab.example>"


def test_size_is_asked_first(admission):
    """A mail over the limit is not read at all: the header may be anything."""
    verdict = admission.judge(raw_message(b"\0", size=SETTINGS.max_bytes + 1))
    assert ("silent", "size", None) == (verdict.decision, verdict.rule, verdict.message)


@pytest.mark.parametrize(
    ("age", "rule"),
    [(timedelta(hours=24), "token"), (timedelta(hours=24, seconds=1), "replay"),
     (timedelta(minutes=-10), "token"), (timedelta(minutes=-10, seconds=-1), "replay")],
)  # fmt: skip
def test_freshness(admission, age, rule):
    """Date may lie from 24 hours before to 10 minutes after the arrival, to the second."""
    raw = mail("admitted-plain.eml")
    arrived = ARRIVED - timedelta(seconds=30) + age
    assert rule == admission.judge(dataclasses.replace(raw, internaldate=arrived)).rule


def test_whitelist_changes_count_at_once(staff):
    """A sender who is taken off the list gets silence from the next mail on, and can be put back."""
    admission, raw = admission_of(staff), mail("admitted-plain.eml")
    staff.senders.remove("operador@lab.example")
    assert admission.judge(raw).rule == "whitelist"
    staff.senders.add("operador@lab.example")
    assert admission.judge(raw).decision == "refused"  # the old token went with the sender


def test_a_database_that_fails_is_no_verdict(staff):
    """When the whitelist cannot be read, the mail gets no verdict but a StoreError, so that it is kept."""
    with staff.engine.begin() as connection:
        connection.execute(text("DROP TABLE tokens"))
        connection.execute(text("DROP TABLE senders"))
    with pytest.raises(StoreError):
        admission_of(staff).judge(mail("admitted-plain.eml"))
