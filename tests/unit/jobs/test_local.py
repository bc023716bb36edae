"""Commands without a playbook: done with their result and their mails, or not at all."""

import email
import email.policy

import pytest
from sqlalchemy import select, update

from dispatcher.commands.parser import parse
from dispatcher.inventory import InventorySource
from dispatcher.jobs import schema
from dispatcher.jobs.database import connect
from dispatcher.jobs.expiry import expire
from dispatcher.jobs.job import Order, State
from dispatcher.jobs.local import LocalRunner
from dispatcher.jobs.pauses import Pauses
from dispatcher.jobs.store import Delivery, Store
from dispatcher.jobs.worker import Worker
from dispatcher.mail.proof import Pending, Proof
from dispatcher.mail.senders import Senders
from dispatcher.replies import local
from dispatcher.replies.compose import Composer
from dispatcher.runs.report import Report
from dispatcher.settings import Mail, Runs, Settings
from tests.unit.inventories import FLEET

ADMIN, CHIEF, NEW = "admin@example.com", "chefe@example.com", "nova@example.com"
ANA, BIA = "ana@example.com", "bia@example.com"
SETTINGS = Settings(mail=Mail(address="athome@example.com", authserv_id="mail.example.com"))
COMPOSER = Composer(SETTINGS)
DONE = Report(status="successful")


class Fleet(InventorySource):
    """The fleet of the unit tests, without asking Ansible."""

    def __init__(self):
        pass

    def read(self):
        return FLEET


@pytest.fixture
def store(database):
    made = Store(connect(database))
    for address in (ADMIN, CHIEF):
        Senders(made.engine).add(address, "administrador")
    yield made
    made.engine.dispose()


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


def test_a_command_that_another_version_wrote_ends_no_worker(store, worker):
    """What cannot be read again fails with an answer, and whoever comes behind it is served."""
    job_id = take(store, f"WHITELIST ADD {NEW}")
    take(store, "WHITELIST LIST", number=2)
    with store.engine.begin() as connection:
        connection.execute(update(schema.jobs).where(schema.jobs.c.id == job_id).values(arguments={"x": 1}))
    worker.work(store.claim())
    assert State.FAILED is store.job(job_id).state
    assert [f"{ADMIN} result"] == list(mails(store))
    assert "successful" == worker.work(store.claim()).status


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


def test_what_nobody_confirms_expires_and_is_answered_once(store):
    """The worker ends it on its own, with one mail; its confirmation no longer starts it."""
    job_id = take(store, f"WHITELIST ADD {NEW}", pending=(Pending(digest="0" * 64, expires_at=1.0),))
    assert expire(store, COMPOSER)
    assert not expire(store, COMPOSER)
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
    job_id = take(store, f"WHITELIST ADD {NEW}", pending=(Pending(digest="0" * 64, expires_at=9e9),))
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


def asked(store, worker, subject, sender, number) -> tuple[str, str]:
    """Send a command, let it be carried out, and return the code and the answer's text."""
    take(store, subject, sender, number)
    report = worker.work(store.claim(only=("STATUS", "CANCELAR")))
    with store.engine.begin() as connection:
        mine = schema.outbox.c.about == f"<{number}@example.com>"
        raw = connection.execute(select(schema.outbox.c.message).where(mine)).scalar_one()
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    return report.hosts[0].code, mail.get_body(("plain",)).get_content()


@pytest.fixture
def operators(store):
    for address in (ANA, BIA):
        Senders(store.engine).add(address, "operador")


@pytest.mark.usefixtures("operators")
def test_status_shows_ones_own_jobs_and_an_administrator_everybodys(store, worker):
    """Each job with its state, its place, and what it waits for; of others only the number ahead is known."""
    first = take(store, "CHECKIP=203.0.113.7", ANA, 1)
    second = take(store, "CHECKIP=203.0.113.8", BIA, 2)
    code, said = asked(store, worker, "STATUS", BIA, 3)
    assert "status.shown" == code
    assert f"Job {second}: na fila" in said
    assert f"vem depois destes jobs: {first}" in said
    assert "Lugar na fila: 2." in said
    assert "203.0.113.7" not in said
    assert f"CANCELAR {second}" in said
    _code, said = asked(store, worker, "STATUS", ADMIN, 4)
    assert f"De {ANA}." in said
    assert f"De {BIA}." in said
    Pauses(store.engine).pause("gv1p", "shell:root", "troca do disco")
    assert "A fila de gv1p está em pausa: troca do disco" in asked(store, worker, "STATUS 1", ANA, 5)[1]
    assert "job.unknown" == asked(store, worker, "STATUS 1", BIA, 6)[0]
    assert "job.unknown" == asked(store, worker, "STATUS 999", BIA, 7)[0]


@pytest.mark.usefixtures("operators")
def test_a_cancel_ends_what_waits_and_tells_its_sender_in_its_thread(store, worker):
    """The canceler hears the outcome, the job's sender the one terminal reply, which says who it was."""
    job_id = take(store, "CHECKIP=203.0.113.7", ANA, 1)
    assert "job.unknown" == asked(store, worker, f"CANCELAR {job_id}", BIA, 2)[0]
    assert "cancel.done" == asked(store, worker, f"CANCELAR {job_id} SIMULAR", ADMIN, 3)[0]
    assert State.QUEUED is store.job(job_id).state
    assert "cancel.done" == asked(store, worker, f"CANCELAR {job_id}", ADMIN, 4)[0]
    assert State.CANCELED is store.job(job_id).state
    with store.engine.begin() as connection:
        mine = schema.outbox.c.job_id == job_id
        (row,) = connection.execute(select(schema.outbox).where(mine)).all()
    mail = email.message_from_bytes(row.message, policy=email.policy.default)
    assert (ANA, "<1@example.com>") == (row.recipient, mail["In-Reply-To"])
    assert f"Cancelado por {ADMIN}." in mail.get_body(("plain",)).get_content()
    assert "cancel.ended" == asked(store, worker, f"CANCELAR {job_id}", ANA, 5)[0]
    again = store.retry(job_id)
    result = COMPOSER.result(again, DONE)
    assert row.message_id != result.message_id
    assert b"In-Reply-To: <1@example.com>" in result.mime


@pytest.mark.usefixtures("operators")
def test_a_running_job_is_asked_to_end(store, worker):
    """Its worker ends it; to ask twice, or to cancel the request itself, is answered as what it is."""
    job_id = take(store, "CHECKIP=203.0.113.7", ANA, 1)
    job = store.claim()
    assert "cancel.stopping" == asked(store, worker, f"CANCELAR {job_id}", ANA, 2)[0]
    assert store.canceled(job)
    code, said = asked(store, worker, f"CANCELAR {job_id}", ADMIN, 3)
    assert ("cancel.already", True) == (code, f"a pedido de {ANA}" in said)
    assert "cancel.itself" == asked(store, worker, "CANCELAR 4", ANA, 4)[0]
    assert "sendo interrompido" in asked(store, worker, "STATUS", ANA, 5)[1]


@pytest.mark.usefixtures("operators")
def test_a_job_whose_worker_died_after_it_was_canceled_is_not_run_again(store, worker):
    """Queued again, it ends with the reply that says who canceled it, and no playbook starts."""
    job_id = take(store, "CHECKIP=203.0.113.7", ANA, 1)
    store.claim()
    store.cancel(job_id, ANA, COMPOSER.result)
    assert [job_id] == store.requeue()
    assert "canceled" == worker.work(store.claim()).status
    assert "Cancelado a seu pedido." in mails(store)[f"{ANA} result"]
