"""Commands without a playbook: done with their result and their mails, or not at all."""

import email
import email.policy

import pytest
from sqlalchemy import select, update

from dispatcher.commands.parser import parse
from dispatcher.inventory import InventorySource
from dispatcher.jobs import schema
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Order, State
from dispatcher.jobs.local import LocalRunner
from dispatcher.jobs.store import Delivery, Store
from dispatcher.jobs.worker import Worker
from dispatcher.mail.proof import Pending, Proof
from dispatcher.mail.senders import Senders
from dispatcher.replies import local
from dispatcher.replies.compose import Composer
from dispatcher.settings import Mail, Runs, Settings
from tests.unit.inventories import FLEET

ADMIN, CHIEF, NEW = "admin@example.com", "chefe@example.com", "nova@example.com"
SETTINGS = Settings(mail=Mail(address="athome@example.com", authserv_id="mail.example.com"))
COMPOSER = Composer(SETTINGS)


class Fleet(InventorySource):
    """The fleet of the unit tests, without asking Ansible."""

    def __init__(self):
        pass

    def read(self):
        return FLEET


@pytest.fixture
def store(tmp_path):
    made = Store(connect(f"sqlite:///{tmp_path}/athome.db"))
    for address in (ADMIN, CHIEF):
        Senders(made.engine).add(address, "administrador")
    return made


@pytest.fixture
def worker(store):
    return Worker(store, None, COMPOSER, Runs(), LocalRunner(SETTINGS, Fleet(), COMPOSER))


def take(store, subject, sender=ADMIN, number=1, **options):
    order = Order.of(
        parse(subject, FLEET), FLEET, language="pt_BR", sender=sender, message_id=f"<{number}@example.com>"
    )
    delivery = Delivery(
        folder="INBOX", uidvalidity=1, uid=number, sender=sender, message_id=order.message_id,
        subject=subject, verdict="admitted", rule="token", reason="",
    )  # fmt: skip
    return store.take(delivery, order=order, **options)


def mails(store) -> dict[str, str]:
    """Every mail that is due, by recipient and kind."""
    with store.engine.begin() as connection:
        rows = connection.execute(select(schema.outbox.c.message)).scalars()
        read = [email.message_from_bytes(row, policy=email.policy.default) for row in rows]
    return {
        f"{mail['To']} {mail['Message-ID'].partition('.')[0][1:]}": mail.get_body(("plain",)).get_content()
        for mail in read
    }


def test_a_change_tells_everybody_whom_it_concerns(store, worker):
    """The answer, the other administrator, the new one: each hears once, whoever asked by the answer."""
    take(store, f"WHITELIST ADD {NEW} ADMIN")
    report = worker.work(store.claim())
    assert ("successful", "whitelist.added") == (report.status, report.hosts[0].code)
    sent = mails(store)
    assert {f"{ADMIN} whitelist", f"{CHIEF} whitelist_told", f"{NEW} welcome"} == set(sent)
    assert "administrador" in sent[f"{NEW} welcome"]
    assert (ADMIN, "add") == ((event := Senders(store.engine).history(1)[0]).changed_by, event.action)


def test_an_administrator_who_is_removed_is_told(store, worker):
    """Whoever takes over an account cannot remove the others unnoticed."""
    take(store, f"WHITELIST REMOVE {CHIEF}")
    worker.work(store.claim())
    assert f"{CHIEF} whitelist_told" in mails(store)


def test_a_change_that_cannot_be_answered_is_not_made(store, worker, monkeypatch):
    """With a template that is broken nothing is changed, and the sender hears that it failed."""

    def broken(*_arguments):
        raise ValueError

    monkeypatch.setattr(local, "answer", broken)
    job_id = take(store, f"WHITELIST ADD {NEW}")
    worker.work(store.claim())
    assert State.FAILED is store.job(job_id).state
    assert Senders(store.engine).get(NEW) is None
    assert [f"{ADMIN} result"] == list(mails(store))


def test_a_job_that_is_no_longer_ours_changes_nothing(store, worker):
    """A worker that was given up meanwhile finds its claim gone: the other one's result stands alone."""
    take(store, f"WHITELIST ADD {NEW}")
    job = store.claim()
    with store.engine.begin() as connection:
        connection.execute(update(schema.jobs).values(claim="another"))
    worker.work(job)
    assert Senders(store.engine).get(NEW) is None
    assert {} == mails(store)


def test_what_changed_since_the_confirmation_counts(store, worker):
    """An administrator who is none any more changes nothing; one who is off the list hears nothing either."""
    take(store, f"WHITELIST ADD {NEW}")
    Senders(store.engine).change(ADMIN, role="operador")
    assert "run.not_permitted" == worker.work(store.claim()).problem.code
    assert "não pode mais usar este comando" in " ".join(mails(store)[f"{ADMIN} result"].split())
    take(store, "AJUDA", number=2)
    Senders(store.engine).remove(ADMIN)
    worker.work(store.claim())
    assert [f"{ADMIN} result"] == list(mails(store))
    assert Senders(store.engine).get(NEW) is None


def test_help_is_for_its_sender(store, worker):
    """The same command shows an operator less, and nobody what this fleet does not have."""
    Senders(store.engine).add(NEW, commands=["CHECKIP"])
    take(store, "AJUDA", NEW)
    take(store, "AJUDA", ADMIN, 2)
    for _ in range(2):
        worker.work(store.claim())
    sent = mails(store)
    assert "CHECKIP" in sent[f"{NEW} help"]
    assert "MACCHANGE" not in sent[f"{NEW} help"]
    assert "WHITELIST LIST" in sent[f"{ADMIN} help"]


def test_changes_of_the_list_wait_for_each_other_and_reading_it_for_nobody(store, worker):
    """Two changes are made in their order; LIST is answered while one of them is at work."""
    first = take(store, f"WHITELIST ADD {NEW}")
    second = take(store, f"WHITELIST REMOVE {NEW}", number=2)
    third = take(store, "WHITELIST LIST", number=3)
    one = store.claim()
    assert (first, third) == (one.id, store.claim().id)
    assert store.claim() is None
    worker.work(one)
    other = store.claim()
    assert second == other.id
    worker.work(other)
    assert Senders(store.engine).get(NEW) is None


def test_what_nobody_confirms_expires_and_is_answered_once(store, worker):
    """The worker ends it on its own, with one mail; its confirmation no longer starts it."""
    job_id = take(store, f"WHITELIST ADD {NEW}", pending=Pending(digest="0" * 64, expires_at=1.0))
    worker._expire()
    worker._expire()
    assert State.EXPIRED is store.job(job_id).state
    assert [f"{ADMIN} unconfirmed"] == list(mails(store))
    assert store.claim() is None


def test_a_preview_changes_nothing(store, worker):
    """Nobody else hears of it, and the history stays."""
    take(store, f"WHITELIST REMOVE {CHIEF} SIMULAR")
    assert worker.work(store.claim()).check
    assert [f"{ADMIN} whitelist"] == list(mails(store))
    assert Senders(store.engine).get(CHIEF)
    assert 2 == len(Senders(store.engine).history(9))


def test_a_confirmed_change_starts_once(store, worker):
    """The confirmation puts the job into the queue; until then it is not claimed."""
    job_id = take(store, f"WHITELIST ADD {NEW}", pending=Pending(digest="0" * 64, expires_at=9e9))
    assert store.claim() is None
    answer = Delivery(
        folder="INBOX", uidvalidity=1, uid=2, sender=ADMIN, message_id="<2@example.com>",
        subject="", verdict="admitted", rule="confirmation", reason="",
    )  # fmt: skip
    assert (
        job_id == store.waiting(1).id == store.take(answer, proof=Proof(kind="confirmation", confirmation=1))
    )
    worker.work(store.claim())
    assert Senders(store.engine).get(NEW)
