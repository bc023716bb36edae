"""Whoever sent a command by mail that waits for its turn hears so once, on SQLite and on PostgreSQL."""

import email
import email.policy
import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from dispatcher.jobs import schema
from dispatcher.jobs.database import connect
from dispatcher.jobs.pauses import Pauses
from dispatcher.jobs.store import Store
from dispatcher.jobs.waiting import Waiting
from dispatcher.mail.lockout import Lockout
from dispatcher.mail.proof import Pending, Proof
from dispatcher.replies.compose import Composer
from dispatcher.settings import Mail, Settings, Tokens
from tests.unit.jobs.test_store import DONE, delivery, order, queue, reply

MAIL = Mail(address="athome@lab.example", authserv_id="mail.lab.example", answers_per_hour=3)
COMPOSER = Composer(Settings(mail=MAIL))
LONG = 100.0


@pytest.fixture
def store(database):
    made = Store(connect(database))
    yield made
    made.engine.dispose()


@pytest.fixture
def waiting(store):
    return Waiting(store.engine, COMPOSER, 30, lambda: None)


def age(store, *job_ids, seconds=LONG):
    """Let jobs have been sent so long ago."""
    aged = update(schema.jobs).where(schema.jobs.c.id.in_(job_ids))
    with store.engine.begin() as connection:
        connection.execute(aged.values(created_at=schema.jobs.c.created_at - seconds))


def mails(store):
    with store.engine.begin() as connection:
        rows = connection.execute(select(schema.outbox.c.message).order_by(schema.outbox.c.id)).scalars()
        return [email.message_from_bytes(row, policy=email.policy.default) for row in rows]


def text(mail):
    return mail.get_body(("plain",)).get_content()


def test_it_says_place_reason_and_how_to_cancel_once(store, waiting):
    """The mail answers the command's own, in its sender's language; another look finds nobody to tell."""
    first = queue(store, 1, "gv1p")
    asked = replace(order("gv1p", "gv2p", message_id="<2@example.com>"), language="en", check=True)
    second = store.take(delivery(2, 2), order=asked)
    Pauses(store.engine).pause("gv2p", "shell:ana", "troca do disco")
    age(store, second)
    assert 1 == waiting.tell()
    assert 0 == waiting.tell()
    (mail,) = mails(store)
    assert mail["Message-ID"].startswith("<accepted.")
    assert "<2@example.com>" == mail["In-Reply-To"]
    assert "Re: CHECKIP=203.0.113.7 SIMULAR — in the queue: place 2" == mail["Subject"]
    for words in (
        f"comes after these jobs: {first}.", "gv2p is paused: troca do disco", f"[TOKEN] CANCELAR {second}",
        "no need to send the command again",
    ):  # fmt: skip
        assert words in text(mail)


def test_who_has_not_waited_for_long_is_told_nothing(store, waiting):
    """Nor is anybody when it is turned off."""
    queue(store, 1, "gv1p")
    assert 0 == waiting.tell()
    age(store, queue(store, 2, "gv1p"))
    assert 0 == Waiting(store.engine, COMPOSER, 0, lambda: None).tell()
    assert [] == mails(store)


def test_what_does_not_wait_is_told_nothing(store, waiting):
    """Not what runs, has ended, or ran before a crash; not what its sender has yet to confirm."""
    ended, running = queue(store, 1, "gv1p"), queue(store, 2, "gv2p")
    store.finish(store.claim(), DONE, reply("result-1"))
    store.claim()
    pending = Pending(digest="d" * 64, expires_at=4e9)
    unconfirmed = store.take(
        delivery(3, 3), order=order("gv3p", message_id="<3@example.com>"), pending=(pending,)
    )
    age(store, ended, running, unconfirmed)
    assert 0 == waiting.tell()
    with store.engine.begin() as connection:  # as a worker's death leaves it
        connection.execute(update(schema.jobs).where(schema.jobs.c.id == running).values(state="queued"))
    assert 0 == waiting.tell()


def test_the_wait_begins_with_the_confirmation(store, waiting):
    """Whoever confirmed a minute after the command has not waited for a minute."""
    pending = Pending(digest="d" * 64, expires_at=4e9)
    job_id = store.take(delivery(1), order=order("gv1p"), pending=(pending,))
    age(store, job_id)
    store.take(delivery(2, 2), proof=Proof(kind="confirmation", confirmation=1))
    assert 0 == waiting.tell()
    with store.engine.begin() as connection:
        connection.execute(update(schema.confirmations).values(used_at=time.time() - LONG))
    assert 1 == waiting.tell()


def test_nobody_is_written_to_about_commands_of_the_shell_or_those_that_never_wait(store, waiting):
    """STATUS has a worker to itself, and who waits at the shell sees it there."""
    shell = store.submit(replace(order("gv1p"), sender=None, message_id=None))
    asked = replace(order(message_id="<2@example.com>"), keyword="STATUS", subject="STATUS", arguments={})
    age(store, shell.id, store.take(delivery(2, 2), order=asked))
    assert 0 == waiting.tell()


def test_two_machines_tell_once(store):
    """Both look at the same time: each job has one mail."""
    jobs = [queue(store, number, "gv1p") for number in range(1, 13)]
    age(store, *jobs)
    start, told = threading.Barrier(2), []

    def tell():
        start.wait()
        told.append(Waiting(store.engine, COMPOSER, 30, lambda: None).tell())

    threads = [threading.Thread(target=tell) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(jobs) == sum(told) == len(mails(store))


def test_a_mail_that_cannot_be_made_is_not_tried_for_ever(store, monkeypatch, caplog):
    """The job waits and runs all the same."""
    job_id = queue(store, 1, "gv1p")
    age(store, job_id)
    composer = Composer(Settings(mail=MAIL))
    monkeypatch.setattr(composer, "compose", lambda *_values: 1 / 0)
    broken = Waiting(store.engine, composer, 30, lambda: None)
    assert [0, 0] == [broken.tell(), broken.tell()]
    assert 1 == caplog.text.count("cannot be told")
    assert job_id == store.claim().id


def test_it_costs_its_sender_no_command(store, waiting):
    """An hour's commands are as many as without: what waits is counted, and what says so is not."""
    lockout = Lockout(store.engine, MAIL, Tokens(pepper_file="/nonexistent"))
    age(store, queue(store, 1, "gv1p"), queue(store, 2, "gv1p"))
    assert 2 == waiting.tell()
    assert lockout.too_many("ana@example.com") is None
    queue(store, 3, "gv1p")
    assert "first" == lockout.too_many("ana@example.com")
