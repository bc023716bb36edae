"""A mail that comes again, however it comes: it runs once, and its answer is all that is sent again."""

from __future__ import annotations

import signal

import pytest

from tests.hostile.corpus import DISPATCHER, OPERATOR, OUTSIDER, SENDERS, filler, message_id
from tests.hostile.post import Smtp
from tests.hostile.signing import Signature
from tests.road import Mailbox, waited

MAIL = (
    b"From: Operador <{{SENDER}}>\nTo: athome@lab.example\nSubject: {{SUBJECT}}\nDate: {{DATE}}\n"
    b"Message-ID: {{ID}}\n\n\n"
)
MISTAKE, COMMAND = "CHECKIP=3.3.3", "CHECKIP=203.0.113.8"
WRONG = f"[00000000] {COMMAND}"
REPEATS = 3  # so often an answer goes out again


@pytest.fixture(scope="module")
def serving(target):
    target.start()
    return target


def genuine(subject: str, identifier: str, sender: str = OPERATOR) -> bytes:
    """Return a mail of the staff as it leaves their mail server."""
    values = {"SENDER": sender, "SUBJECT": subject}
    return Signature().over(filler(values, identifier)(MAIL))


def hand_in(raw: bytes, source: str = "staff", times: int = 1, envelope: str = "") -> None:
    sender = envelope or SENDERS[source]["envelope"]
    with Smtp(source, sender.rpartition("@")[2]) as smtp:
        for _ in range(times):
            smtp.hand_in(raw, sender, DISPATCHER)


def goes_on(dispatcher) -> None:
    """An honest mail is answered: all that came before it has been answered too, if it ever is."""
    dispatcher.ask(MISTAKE)


def test_a_captured_mail_is_handed_in_again_by_somebody_else(serving, lab):
    """Six more deliveries, from elsewhere, under another envelope: one job; the answer three times again."""
    identifier = message_id()
    raw = genuine(f"[{serving.token}] {COMMAND}", identifier)
    jobs = serving.last("jobs")
    hand_in(raw)
    operator, attacker = Mailbox(lab, OPERATOR), Mailbox(lab, OUTSIDER)
    operator.answer(identifier)
    hand_in(raw, "attacker", times=REPEATS + 3, envelope=OUTSIDER)
    verdicts = [verdict for verdict, _rule in serving.verdicts(identifier, deliveries=REPEATS + 4)]
    assert ["admitted", *["repeated"] * REPEATS, *["silent"] * 3] == verdicts
    goes_on(serving)
    assert jobs + 1 == serving.last("jobs")
    assert 1 < len(operator.answers(identifier)) <= 1 + REPEATS
    assert [] == attacker.answers(identifier)


def test_who_used_the_message_id_before_does_not_matter(serving):
    """A forger who knows a Message-ID in advance cannot make the genuine mail look like its repetition."""
    identifier = message_id()
    forged = genuine(WRONG, identifier)
    hand_in(forged.replace(b"Subject: ", b"Subject: x"), "attacker")
    hand_in(genuine(WRONG, identifier, sender=OUTSIDER), "outsider")
    serving.verdicts(identifier, deliveries=2)
    hand_in(genuine(f"[{serving.token}] {MISTAKE}", identifier))
    assert ("refused", "grammar") == serving.verdicts(identifier, deliveries=3)[-1]


def test_two_senders_may_have_one_message_id(serving):
    """A Message-ID is one sender's own: that of another sender's mail is another mail."""
    identifier = message_id()
    hand_in(genuine(f"[{serving.token}] {MISTAKE}", identifier))
    hand_in(
        genuine(f"[{serving.admin_token}] {MISTAKE}", identifier, sender="admin@lab.example"),
        envelope="admin@lab.example",
    )
    assert [("refused", "grammar")] * 2 == serving.verdicts(identifier, deliveries=2)


def test_a_wrong_token_counts_once_however_often_it_is_delivered(serving):
    """Who replays a genuine mail with a wrong token does not lock its sender out."""
    identifier = message_id()
    hand_in(genuine(WRONG, identifier))
    hand_in(genuine(WRONG, identifier), "attacker", times=12)
    serving.verdicts(identifier, deliveries=1 + 12)
    assert [(1,)] == serving.rows("SELECT failures FROM senders WHERE address = ?", OPERATOR)
    goes_on(serving)


def test_copies_that_are_there_when_the_service_is_killed(target, lab):
    """Ten copies of one mail, a service killed among them and started again: one job and one command."""
    if target.process and target.process.poll() is None:
        target.stop()
    identifier, jobs = message_id(), target.last("jobs")
    hand_in(genuine(f"[{target.token}] {COMMAND}", identifier), times=10)
    target.start()
    target.verdicts(identifier)
    target.stop(signal.SIGKILL)
    target.start()
    verdicts = target.verdicts(identifier, deliveries=10)
    assert ["admitted"] == [verdict for verdict, _rule in verdicts if verdict == "admitted"]
    waited(
        lambda: target.rows("SELECT 1 FROM jobs WHERE state NOT IN ('queued', 'running') AND id > ?", jobs),
        "the job did not end",
    )
    goes_on(target)
    assert jobs + 1 == target.last("jobs")
    assert len(Mailbox(lab, OPERATOR).answers(identifier)) <= 1 + REPEATS
