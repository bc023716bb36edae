"""Guessing tokens: by somebody in the sender's own mailbox, and by somebody who only forges the sender."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest

from dispatcher.jobs.database import connect
from dispatcher.mail.subject import CODE_ALPHABET
from dispatcher.mail.tokens import Tokens
from dispatcher.settings import read_secret
from tests.hostile.conftest import ADMIN, settle
from tests.hostile.corpus import OPERATOR, message_id
from tests.hostile.test_replay import COMMAND, MISTAKE, genuine, hand_in
from tests.road import Mailbox

ATTEMPTS = 10


@pytest.fixture(scope="module")
def serving(target):
    settle(target, tokens={"attempts": ATTEMPTS})
    target.start()
    return target


def guess(serving, number: int) -> str:
    """Send one wrong secret: a token, a one-time code or a confirmation's code; return the Message-ID."""
    subject = (
        f"[{number:08X}] {COMMAND}",
        f"[{number:08d}] {COMMAND}",
        f"RES: CONFIRMAR ABCD-EFGH-JK2{CODE_ALPHABET[number % 30]}: {COMMAND}",
    )[number % 3]
    identifier = message_id()
    hand_in(genuine(subject, identifier))
    return identifier


def failures(serving) -> int | None:
    return serving.rows("SELECT failures FROM senders WHERE address = ?", OPERATOR)[0][0]


def test_a_forger_locks_nobody_out(serving, lab):
    """Three times as many wrong tokens as lock a sender out, forged: none counts, none is answered."""
    for number in range(3 * ATTEMPTS):
        identifier = message_id()
        hand_in(
            genuine(f"[{number:08X}] {MISTAKE}", identifier).replace(b"Operador", b"Operadora"), "attacker"
        )
        last = identifier
    assert [("silent", "authentication")] == serving.verdicts(last)
    assert failures(serving) is None
    assert "CHECKIP" in serving.ask(MISTAKE).get_body(("plain",)).get_content()


def test_a_one_time_code_opens_one_mail(serving, lab):
    """A code read over somebody's shoulder is used already; an old one is a wrong token like any other."""
    pepper = read_secret(lab / "secrets" / "token-pepper", "ATHOME_TOKEN_PEPPER").encode()
    tokens = Tokens(connect(f"sqlite:///{serving.state}/athome.db"), pepper)
    enrolment, _uri = tokens.enrol(OPERATOR, "test")
    assert tokens.complete(enrolment, "")
    now = datetime.now(timezone.utc)
    code, old = enrolment.totp.at(now), enrolment.totp.at(now - timedelta(minutes=20))
    mails = [message_id() for _ in range(3)]
    for identifier, given in zip(mails, (code, code, old), strict=True):
        hand_in(genuine(f"[{given}] {MISTAKE}", identifier))
    assert [("refused", "grammar"), ("refused", "token"), ("refused", "token")] == [
        serving.verdicts(identifier)[0] for identifier in mails
    ]
    assert failures(serving) == 1
    serving.ask(MISTAKE)


def test_guessing_ends_with_a_lock_out(serving, lab):
    """The tenth wrong token locks: it is answered, administrators hear of it, and then there is silence."""
    operator, administrator = Mailbox(lab, OPERATOR), Mailbox(lab, ADMIN)
    alarms = len(administrator.mails())
    guesses = [guess(serving, number) for number in range(ATTEMPTS)]
    assert [[("refused", "token")]] * ATTEMPTS == [serving.verdicts(identifier) for identifier in guesses]
    kinds = [operator.answer(identifier)["Message-ID"][1:].partition(".")[0] for identifier in guesses]
    assert ["invalid_token"] * (ATTEMPTS - 1) + ["locked"] == kinds
    jobs, answers = serving.last("jobs"), serving.last("outbox")
    more = [serving.write(f"[{serving.token}] {COMMAND}"), guess(serving, 99), serving.write("sem token")]
    for identifier in more:
        assert [("silent", "locked")] == serving.verdicts(identifier)
    assert (jobs, answers) == (serving.last("jobs"), serving.last("outbox"))
    told = administrator.mails()[alarms:]
    assert [True] == [OPERATOR in mail.get_body(("plain",)).get_content() for mail in told]


def test_a_lock_out_ends_by_itself(serving):
    """When its time is over, the right token counts again, and the wrong ones are forgotten."""
    with closing(sqlite3.connect(serving.state / "athome.db", timeout=10)) as database, database:
        database.execute(
            "UPDATE senders SET locked_until = locked_until - 3601, failed_at = failed_at - 3601"
        )
    assert "CHECKIP" in serving.ask(MISTAKE).get_body(("plain",)).get_content()
    assert failures(serving) is None


def test_no_guess_is_kept(serving):
    """What was guessed stands in no row: it may be one digit from the token."""
    for subject, reason in serving.rows("SELECT coalesce(subject, ''), reason FROM messages"):
        assert "0000000" not in subject + reason
        assert "ABCD-EFGH" not in subject + reason
