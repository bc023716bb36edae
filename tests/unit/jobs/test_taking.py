"""What a mail uses up when it is taken: each of it once, whoever else tries at the same time."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from dispatcher.errors import OutrunError
from dispatcher.jobs import schema
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Order, State
from dispatcher.jobs.marks import REPEATS
from dispatcher.jobs.store import Delivery, Store
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.proof import Failure, Pending, Proof
from dispatcher.mail.senders import Senders
from dispatcher.mail.tokens import Tokens
from dispatcher.replies.compose import Reply

ANA = "ana@example.com"
PEPPER = b"invented for tests only"
RIVALS = 6


@pytest.fixture
def url(database):
    return database


@pytest.fixture
def store(url):
    made = Store(connect(url))
    Senders(made.engine).add(ANA)
    yield made
    made.engine.dispose()


def order(number: int) -> Order:
    return Order(
        keyword="CHECKIP", subject="CHECKIP=203.0.113.7", arguments={"checkip": "203.0.113.7"},
        servers=("gv1p",), locks=("gv1p",), check=False, language="pt_BR", sender=ANA,
        message_id=f"<{number}@example.com>",
    )  # fmt: skip


def delivery(uid: int, number: int | None = None, verdict: str = "admitted") -> Delivery:
    return Delivery(
        folder="INBOX", uidvalidity=1, uid=uid, sender=ANA,
        message_id=f"<{uid if number is None else number}@example.com>",
        subject="CHECKIP=203.0.113.7", verdict=verdict, rule="token", reason="why",
    )  # fmt: skip


def reply(cause: str, recipient: str = ANA) -> Reply:
    return Reply(kind="result", recipient=recipient, message_id=f"<{cause}@lab.example>", mime=b"Subject: x")


def rows(store, table, *columns):
    with store.engine.begin() as connection:
        return [tuple(row) for row in connection.execute(select(*(table.c[name] for name in columns)))]


def one_time_token(store) -> int:
    tokens = Tokens(store.engine, PEPPER)
    assert tokens.complete(tokens.enrol(ANA, "test")[0], "telefone")
    return tokens.all(ANA)[-1].id


def awaiting(store, number: int = 1, lasts: float = 60) -> tuple[int, int]:
    """Return a job that waits for its sender's answer, and the confirmation."""
    _code, digest = Confirmations(store.engine, PEPPER).new(ANA)
    pending = Pending(digest=digest, expires_at=time.time() + lasts)
    job_id = store.take(delivery(number), order=order(number), pending=(pending,))
    return job_id, rows(store, schema.confirmations, "id")[-1][0]


def took(url, uid, number, proof, ordered) -> bool:
    """Take a mail with a store of one's own; return whether nobody was faster."""
    try:
        Store(connect(url)).take(delivery(uid, number), order=ordered, proof=proof)
    except OutrunError:
        return False
    return True


@pytest.fixture(scope="module", params=["threads", "processes"])
def rivals(request):
    pool = (
        ThreadPoolExecutor(RIVALS)
        if request.param == "threads"
        else ProcessPoolExecutor(RIVALS, mp_context=multiprocessing.get_context("spawn"))
    )
    with pool:
        yield pool


def test_of_many_deliveries_of_a_mail_one_is_taken(url, store, rivals):
    """Six at the same time make one job: the others find the claim, and are judged again."""
    tries = [rivals.submit(took, url, uid, 1, None, order(1)) for uid in range(1, RIVALS + 1)]
    assert [False] * (RIVALS - 1) + [True] == sorted(one.result() for one in tries)
    assert 1 == len(store.recent(9)) == len(rows(store, schema.messages, "id"))


def test_of_many_mails_with_a_one_time_code_one_is_taken(url, store, rivals):
    """A step of a one-time token opens one command, however many mails hold its code."""
    proof = Proof(kind="totp", token_id=one_time_token(store), step=59_000_000)
    tries = [rivals.submit(took, url, uid, uid, proof, order(uid)) for uid in range(1, RIVALS + 1)]
    assert [False] * (RIVALS - 1) + [True] == sorted(one.result() for one in tries)
    assert 1 == len(store.recent(9)) == len(rows(store, schema.claims, "sender"))


def test_of_many_answers_to_a_confirmation_one_is_taken(url, store, rivals):
    """A job that waits starts once."""
    job_id, confirmation = awaiting(store, number=99)
    proof = Proof(kind="confirmation", confirmation=confirmation)
    tries = [rivals.submit(took, url, uid, uid, proof, None) for uid in range(1, RIVALS + 1)]
    assert [False] * (RIVALS - 1) + [True] == sorted(one.result() for one in tries)
    assert job_id == store.claim().id
    assert store.claim() is None


def test_a_job_that_waits_for_its_sender_holds_nobody_up(store):
    """It is not started, jobs on its servers pass it by, and the answer puts it into the queue."""
    job_id, confirmation = awaiting(store)
    assert State.AWAITING_CONFIRMATION is store.job(job_id).state
    other = store.take(delivery(2), order=order(2))
    assert other == store.claim().id
    proof = Proof(kind="confirmation", confirmation=confirmation)
    assert job_id == store.take(delivery(3), proof=proof)
    assert State.QUEUED is store.job(job_id).state
    assert (3, job_id) == rows(store, schema.messages, "uid", "job_id")[-1]


@pytest.mark.parametrize("state", ["used", "expired", "of another sender"])
def test_a_confirmation_that_does_not_count_starts_nothing(store, state):
    """One that was used, is too late, or is another sender's is seen again when the mail is taken."""
    job_id, confirmation = awaiting(store, lasts=-1 if state == "expired" else 60)
    proof = Proof(kind="confirmation", confirmation=confirmation)
    answer = delivery(2)
    if state == "used":
        store.take(delivery(3), proof=proof)
    if state == "of another sender":
        answer = replace(answer, sender="eva@example.com")
    with pytest.raises(OutrunError):
        store.take(answer, proof=proof)
    assert (State.QUEUED if state == "used" else State.AWAITING_CONFIRMATION) is store.job(job_id).state
    assert 2 not in [uid for (uid,) in rows(store, schema.messages, "uid")]


def test_a_job_that_nobody_confirms_expires_with_its_mail(store):
    """It ends once, its sender hears of it once, and the code starts it no more."""
    job_id, confirmation = awaiting(store, lasts=60)
    assert [] == store.overdue(time.time())
    (late,) = store.overdue(time.time() + 61)
    assert job_id == late.id
    assert store.expire(late, reply("expired"))
    assert not store.expire(late, reply("expired-again"))
    assert (State.EXPIRED, True) == (store.job(job_id).state, store.job(job_id).finished_at is not None)
    assert [("<expired@lab.example>", "<1@example.com>")] == rows(store, schema.outbox, "message_id", "about")
    with pytest.raises(OutrunError):
        store.take(delivery(2), proof=Proof(kind="confirmation", confirmation=confirmation))


def test_a_confirmed_job_does_not_expire(store):
    """The answer came first: being late no longer matters."""
    job_id, confirmation = awaiting(store)
    (late,) = store.overdue(time.time() + 61)
    store.take(delivery(2), proof=Proof(kind="confirmation", confirmation=confirmation))
    assert not store.expire(late, reply("expired"))
    assert State.QUEUED is store.job(job_id).state


def test_a_mail_that_comes_again_gets_its_answer_again(store):
    """The stored answer, no new one and nobody else's, three times at the most; the audit says which."""
    store.take(delivery(1), order=order(1), replies=[reply("told", "admin@example.com"), reply("first")])
    store.take(delivery(2), claim=True, replies=[reply("of-another-mail")])
    sent = update(schema.outbox).values(state="sent", attempts=1, sent_at=time.time())
    for uid in range(10, 10 + REPEATS + 1):
        with store.engine.begin() as connection:
            connection.execute(sent)
        store.take(delivery(uid, 1, "repeated"))
        again = ["<first@lab.example>"] if uid < 10 + REPEATS else []
        states = rows(store, schema.outbox, "message_id", "state")
        assert again == [message_id for message_id, state in states if state == "waiting"]
    verdicts = [row for row in rows(store, schema.messages, "uid", "verdict") if row[0] >= 10]
    assert [(10 + number, "repeated") for number in range(REPEATS)] + [(13, "silent")] == verdicts
    assert 3 == len(rows(store, schema.outbox, "id"))


def test_a_mail_that_is_not_proved_claims_nothing(store):
    """What strangers send in her name does not keep her own mail of that Message-ID from being taken."""
    store.take(replace(delivery(1, 7, "silent"), rule="authentication"))
    assert not store.seen(ANA, "<7@example.com>")
    assert store.take(delivery(2, 7), order=order(7))


def test_a_refused_mail_is_claimed_too(store):
    """Its second delivery is not judged anew, when perhaps its token counts again."""
    store.take(delivery(1, 7, "refused"), claim=True)
    assert store.seen(ANA, "<7@example.com>")


def test_wrong_tokens_are_counted_one_by_one(store):
    """Two that were judged by the same count cannot both be the first; the right token sets it to none."""
    first = Failure(number=1, after=None)
    store.take(delivery(1, verdict="refused"), failure=first)
    with pytest.raises(OutrunError):
        store.take(delivery(2, verdict="refused"), failure=first)
    ((failures, failed_at, locked),) = rows(store, schema.senders, "failures", "failed_at", "locked_until")
    assert (1, None) == (failures, locked)
    store.take(delivery(3, verdict="refused"), failure=Failure(number=2, after=failed_at, locked_until=9e9))
    assert [(2, 9e9)] == rows(store, schema.senders, "failures", "locked_until")
    tokens = Tokens(store.engine, PEPPER)
    tokens.issue(ANA, "telefone")
    token_id = tokens.all(ANA)[0].id
    store.take(delivery(4), order=order(4), proof=Proof(kind="static", token_id=token_id))
    assert [(None, None)] == rows(store, schema.senders, "failures", "locked_until")
    assert tokens.one(token_id).used_at > tokens.one(token_id).issued_at


@pytest.mark.parametrize("gone", ["disabled", "revoked", "its sender"])
def test_a_token_that_was_taken_away_meanwhile_opens_nothing(store, gone):
    """Between the verdict and the job too, an administrator's word counts."""
    tokens = Tokens(store.engine, PEPPER)
    tokens.issue(ANA, "telefone")
    (token,) = tokens.all(ANA)
    if gone == "disabled":
        tokens.enable(token.id, enabled=False)
    elif gone == "revoked":
        tokens.revoke(token.id)
    else:
        Senders(store.engine).remove(ANA)
    with pytest.raises(OutrunError):
        store.take(delivery(1), order=order(1), proof=Proof(kind="static", token_id=token.id))
    assert [] == store.recent(1)
