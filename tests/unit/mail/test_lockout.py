"""Guessing, flooding, confirming, repeating: mails judged and taken as the service does it."""

import email
import time
from dataclasses import replace
from email.policy import default

import pytest
from sqlalchemy import select, update

from dispatcher.jobs import schema
from dispatcher.jobs.job import Order, State
from dispatcher.jobs.store import Delivery, Store
from dispatcher.mail.admission import Admission
from dispatcher.mail.proof import Pending
from dispatcher.replies.compose import Composer
from dispatcher.replies.notices import Notices
from dispatcher.settings import Settings
from tests.unit.mail.conftest import MAIL, PEPPER, TOKENS
from tests.unit.mail.mails import on_the_wire, raw_message

OPERATOR, ADMIN = "operador@lab.example", "admin@lab.example"
RIGHT, WRONG = "[7E57C0DE] CHECKIP=203.0.113.7", "[7E57BAD0] CHECKIP=203.0.113.7"
RESULTS_ONLY = MAIL.model_copy(
    update={"authentication": "results_only"}
)  # signatures have tests of their own


@pytest.fixture(autouse=True)
def pepper(monkeypatch):
    """The key of the tokens, from which that of the replies' Message-IDs follows."""
    monkeypatch.setenv("ATHOME_TOKEN_PEPPER", PEPPER.decode())


class Desk:
    """The rules, the notices and the store, as the intake joins them."""

    def __init__(self, staff):
        settings = Settings(mail=RESULTS_ONLY, tokens=TOKENS)
        self.staff = staff
        self.store = Store(staff.engine)
        self.admission = Admission(
            RESULTS_ONLY, staff.senders, staff.tokens, seen=self.store.seen, resolver=None,
            confirmations=staff.confirmations, lockout=staff.lockout,
        )  # fmt: skip
        self.notices = Notices(Composer(settings), settings, staff.senders.all)
        self.uid = 0

    def judge(self, subject, sender=OPERATOR, number=None, results=None):
        """Return the verdict on a mail with this subject, the next one of its Message-ID."""
        self.uid += 1
        raw = on_the_wire("admitted-plain.eml").replace(RIGHT.encode(), subject.encode())
        raw = raw.replace(b"<1@lab.example>", f"<{number or self.uid}@lab.example>".encode())
        raw = raw.replace(b"<operador@lab.example>", f"<{sender}>".encode())
        return self.admission.judge(replace(raw_message(raw.replace(*(results or (b"", b"")))), uid=self.uid))

    def take(self, subject, sender=OPERATOR, order=None, **options):
        """Judge and take a mail; return decision, rule and the recipients and subjects of what was posted."""
        verdict, before = self.judge(subject, sender, **options), len(self.posted())
        message = verdict.message
        delivery = Delivery(
            folder="INBOX", uidvalidity=1, uid=self.uid, sender=message.sender,
            message_id=message.message_id, subject=message.subject, verdict=verdict.decision,
            rule=verdict.rule, reason=verdict.reason,
        )  # fmt: skip
        self.job = self.store.take(
            delivery, claim=verdict.sender is not None, proof=verdict.proof, failure=verdict.failure,
            order=order, replies=self.notices.of(verdict),
        )  # fmt: skip
        return (verdict.decision, verdict.rule, *self.posted()[before:])

    def posted(self):
        with self.staff.engine.begin() as connection:
            query = select(schema.outbox.c.recipient, schema.outbox.c.message).order_by(schema.outbox.c.id)
            rows = connection.execute(query).all()
        return [
            (recipient, email.message_from_bytes(mime, policy=default)["Subject"]) for recipient, mime in rows
        ]


@pytest.fixture
def desk(staff):
    staff.senders.change(ADMIN, role="administrador")
    return Desk(staff)


INVALID = (OPERATOR, "Erro - Token Inválido")


def test_the_lock_out(desk):
    """The third wrong token locks: an answer with the hour, an alarm, then silence for the right one too."""
    for _ in range(TOKENS.attempts - 1):
        assert ("refused", "token", INVALID) == desk.take(WRONG)
    decision, rule, told, alarm = desk.take(WRONG)
    assert ("refused", "token", OPERATOR, ADMIN) == (decision, rule, told[0], alarm[0])
    assert "Bloqueado até" in told[1]
    assert f"Alarme: {OPERATOR} está bloqueado" in alarm[1]
    assert ("silent", "locked") == desk.take(WRONG)
    assert ("silent", "locked") == desk.take(RIGHT)
    assert ("admitted", "token") == desk.take("[7E57AD00] CHECKIP=203.0.113.7", ADMIN)  # nobody else


def test_the_lock_out_ends(desk):
    """When its hour has come, the right token counts again, and wrong ones are counted from one."""
    for _ in range(TOKENS.attempts):
        desk.take(WRONG)
    past = time.time() - TOKENS.lockout - 1
    with desk.staff.engine.begin() as connection:
        connection.execute(update(schema.senders).values(locked_until=past, failed_at=past))
    assert 1 == desk.judge(WRONG).failure.number
    assert ("admitted", "token") == desk.take(RIGHT)


def test_the_right_token_forgives(desk):
    """Wrong tokens count in a row: a right one between them starts the count anew."""
    for _ in range(2):
        desk.take(WRONG)
        desk.take(WRONG)
        assert ("admitted", "token") == desk.take(RIGHT)


def test_a_forger_locks_nobody_out(desk):
    """Mails that are not proved to be hers are counted nowhere, however many."""
    forged = (b"dmarc=pass", b"dmarc=fail")
    for _ in range(3 * TOKENS.attempts):
        assert ("silent", "authentication") == desk.take(WRONG, results=forged)
    assert ("admitted", "token") == desk.take(RIGHT)


@pytest.mark.parametrize("subject", ["CHECKIP=203.0.113.7", "Re: " + RIGHT, "[7E57C0D] CHECKIP=203.0.113.7"])
def test_a_slip_of_the_pen_is_no_guess(desk, subject):
    """Without eight digits in brackets nothing was guessed: it is answered, and not counted."""
    assert ("refused", "token", INVALID) == desk.take(subject)
    assert desk.judge(subject).failure is None


def test_a_locked_mail_is_not_run_later(desk):
    """What came during the lock-out stays undone when it is delivered again after it."""
    for _ in range(TOKENS.attempts):
        desk.take(WRONG)
    desk.take(RIGHT, number=77)
    with desk.staff.engine.begin() as connection:
        connection.execute(update(schema.senders).values(locked_until=None))
    assert ("repeated", "replay") == desk.take(RIGHT, number=77)


def test_wrong_tokens_from_many_are_an_alarm(desk):
    """When five senders fail at about the same time, administrators hear of it, once."""
    for name in ("ana", "bia", "caio", "davi", "eva", "fabio"):
        desk.staff.senders.add(f"{name}@lab.example")
    alarms = [
        recipient_and_subject
        for name in ("ana", "bia", "caio", "davi", "eva", "fabio")
        for recipient_and_subject in desk.take(WRONG, f"{name}@lab.example")[2:]
        if recipient_and_subject[0] == ADMIN
    ]
    assert [(ADMIN, "Alarme: tokens errados de 5 remetentes ao mesmo tempo")] == alarms


def test_the_rate(desk):
    """After five mails within an hour a command is not run: one notice says so, then silence."""
    for _ in range(MAIL.answers_per_hour):
        desk.take("CHECKIP=203.0.113.7")
    notice = (OPERATOR, "Comandos demais em uma hora: este não foi executado")
    assert ("refused", "rate", notice) == desk.take(RIGHT)
    assert ("silent", "rate") == desk.take(RIGHT)
    assert ("silent", "rate") == desk.take("CHECKIP=203.0.113.7")
    with desk.staff.engine.begin() as connection:
        connection.execute(update(schema.outbox).values(created_at=time.time() - 3601))
    assert ("admitted", "token") == desk.take(RIGHT)


def order(number):
    return Order(
        keyword="CHECKIP", subject="CHECKIP=203.0.113.7", arguments={"checkip": "203.0.113.7"},
        servers=("gv1p",), locks=("gv1p",), check=False, language="pt_BR", sender=OPERATOR,
        message_id=f"<{number}@lab.example>",
    )  # fmt: skip


def test_the_rate_counts_what_jobs_are_going_to_say(desk):
    """Five commands sent at once use up the hour, before any of them is answered."""
    for number in range(101, 101 + MAIL.answers_per_hour):
        assert ("admitted", "token") == desk.take(RIGHT, number=number, order=order(number))
    assert ("refused", "rate") == desk.take(RIGHT)[:2]


def test_an_answer_that_confirms(desk):
    """The sender's own code, answered to with Re:, is a proof; used again it is refused, and no guess."""
    code, digest = desk.staff.confirmations.new(OPERATOR)
    job = desk.store.take(
        Delivery(folder="INBOX", uidvalidity=9, uid=1, sender=OPERATOR, message_id="<9@lab.example>",
                 subject="", verdict="admitted", rule="token", reason=""),
        order=order(9), pending=(Pending(digest=digest, expires_at=time.time() + 60),),
    )  # fmt: skip
    subject = f"Re: CONFIRMAR {code.lower()}: MACCHANGE"
    assert ("refused", "token") == desk.take(subject, ADMIN)[:2]  # another's code is a wrong one
    verdict = desk.judge(subject)
    assert ("admitted", "confirmation", "") == (verdict.decision, verdict.proof.kind, verdict.subject)
    assert code.lower() not in repr(verdict)
    assert ("admitted", "token") == desk.take(subject)
    assert (job, State.QUEUED) == (desk.job, desk.store.job(job).state)
    verdict = desk.judge(subject)
    assert ("refused", "confirmation", "used", None) == (
        verdict.decision, verdict.rule, verdict.cause, verdict.failure,
    )  # fmt: skip


def test_a_guessed_code_counts_like_a_wrong_token(desk):
    """Nobody tries codes for long."""
    for _ in range(TOKENS.attempts):
        assert ("refused", "token") == desk.take("CONFIRMAR 2345-6789-ABCD")[:2]
    assert ("silent", "locked") == desk.take("CONFIRMAR 2345-6789-ABCD")


def test_the_audit_has_neither_token_nor_code(desk):
    """Of everything that came in, whatever became of it, no secret is in any row."""
    code, _digest = desk.staff.confirmations.new(OPERATOR)
    desk.take(RIGHT)
    desk.take(WRONG)
    desk.take(f"Res: CONFIRMAR {code}: x")
    desk.take(f"CONFIRMAR {code}", results=(b"dmarc=pass", b"dmarc=fail"))
    with desk.staff.engine.begin() as connection:
        kept = repr(connection.execute(select(schema.messages)).all()).upper()
    assert 4 == kept.count("INBOX")
    for secret in ("7E57C0DE", "7E57BAD0", code, code.replace("-", "")):
        assert secret not in kept
