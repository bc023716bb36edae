"""Whoever asked for something long hears once that it is being worked on."""

import email
import email.policy

import pytest
from sqlalchemy import select

from dispatcher.errors import StoreError
from dispatcher.jobs import schema
from dispatcher.jobs.announcement import Announcement
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Order
from dispatcher.jobs.store import Delivery, Store
from dispatcher.jobs.worker import Worker
from dispatcher.replies.compose import Composer
from dispatcher.runs.report import HostResult, Progress, Report
from dispatcher.settings import Mail, Runs, Settings

MB = 1_000_000
PLAN = Progress(files=0, of=812, bytes=0, of_bytes=410 * MB)
BEGUN = Progress(files=12, of=812, bytes=6 * MB, of_bytes=410 * MB)
SMALL = Progress(files=2, of=300, bytes=6 * MB, of_bytes=200 * MB)
RUNS = Runs()


@pytest.fixture
def store(tmp_path):
    return Store(connect(f"sqlite:///{tmp_path}/athome.db"))


@pytest.fixture
def composer():
    return Composer(Settings(mail=Mail(address="athome@lab.example", authserv_id="mail.lab.example")))


@pytest.fixture
def job(store):
    """A collection that is being worked on."""
    order = Order(
        keyword="RAMAIS", subject="RAMAIS=1121 SERVER=voip3 INICIO=01/11/2025 00:00 FIM=05/11/2025 23:59",
        arguments={
            "ramais": ["1121"], "server": "voip3",
            "inicio": "2025-11-01T00:00:00", "fim": "2025-11-05T23:59:00",
        },
        servers=("voip3",), locks=("audios:voip3",), check=False, language="pt_BR",
        sender="ana@example.com", message_id="<1@example.com>",
    )  # fmt: skip
    delivery = Delivery(
        folder="INBOX", uidvalidity=1, uid=1, sender=order.sender, message_id=order.message_id,
        subject=order.subject, verdict="admitted", rule="token", reason="",
    )  # fmt: skip
    store.take(delivery, order=order)
    return store.claim()


def mails(store):
    with store.engine.begin() as connection:
        rows = connection.execute(select(schema.outbox.c.message).order_by(schema.outbox.c.id)).scalars()
        return [email.message_from_bytes(row, policy=email.policy.default) for row in rows]


def tell(store, composer, job, *steps, runs=RUNS):
    """Announce as a worker does, and return how often the outbox was woken."""
    woken = []
    announcement = Announcement(store, composer, job, runs, lambda: woken.append(1))
    for step in steps:
        announcement.tell(step)
    return len(woken)


def test_much_work_is_announced_once_when_it_has_begun(store, composer, job):
    """A plan alone announces nothing, since the same archive may be there already."""
    assert 0 == tell(store, composer, job, PLAN)
    assert [] == mails(store)
    assert 1 == tell(store, composer, job, PLAN, BEGUN, BEGUN)
    (mail,) = mails(store)
    assert ("ana@example.com", "<1@example.com>") == (mail["To"], mail["In-Reply-To"])
    assert "812 gravações encontradas (410 MB)" in mail["Subject"]
    assert "outro e-mail" in mail.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    ("runs", "announced"),
    [
        (RUNS, 0),
        (Runs(tell_above_files=299), 1),
        (Runs(tell_above_bytes="199 MB"), 1),
        (Runs(tell_above_files=299, tell_above_bytes=0), 1),
    ],
)
def test_what_is_much_is_a_setting(store, composer, job, runs, announced):
    """Above either number it is announced; at it, or below, the result comes soon enough."""
    assert announced == tell(store, composer, job, SMALL, runs=runs) == len(mails(store))


def test_after_a_crash_it_is_not_announced_again(store, composer, job):
    """A second worker composes the same mail, which the outbox already has."""
    tell(store, composer, job, BEGUN)
    assert [job.id] == store.requeue()
    tell(store, composer, store.claim(), BEGUN)
    assert 1 == len(mails(store))


def test_a_job_that_is_no_longer_ours_is_not_announced(store, composer, job):
    """Who was overtaken, or finished already, says nothing more."""
    assert [job.id] == store.requeue()
    again = store.claim()
    tell(store, composer, job, BEGUN)
    assert [] == mails(store)
    store.finish(again, Report(status="failed"), None)
    tell(store, composer, again, BEGUN)
    assert [] == mails(store)


def test_a_database_that_is_away_stops_neither_the_work_nor_the_announcement(
    store, composer, job, monkeypatch
):
    """It is announced at the next step instead."""
    post, failures = store.post, [StoreError("cheio", "espere")]
    monkeypatch.setattr(store, "post", lambda *args: (failures and _raise(failures.pop())) or post(*args))
    assert 1 == tell(store, composer, job, BEGUN, BEGUN)
    assert 1 == len(mails(store))


def test_a_fault_in_the_template_stops_nothing(store, composer, job, monkeypatch):
    """The run goes on, and its result is what counts."""
    monkeypatch.setattr(composer, "collecting", lambda _job, _progress: 1 / 0)
    tell(store, composer, job, BEGUN, BEGUN)
    assert [] == mails(store)


def test_the_announcement_comes_before_the_result(store, composer, job):
    """A worker tells of the progress and then of the end: two mails, both in the sender's thread."""
    done = Report(
        status="successful", hosts=(HostResult(host="voip3", outcome="ok", code="audio.nothing_found"),)
    )

    class Run:
        def run(self, _command, _servers, *, on_progress, **_options):
            on_progress(PLAN)
            on_progress(BEGUN)
            return done

    seen = []
    Worker(store, Run(), composer, RUNS, None).work(job, on_progress=seen.append)
    assert [PLAN, BEGUN] == seen
    assert [True, False] == ["encontradas (" in mail["Subject"] for mail in mails(store)]
    assert ["<1@example.com>"] * 2 == [mail["In-Reply-To"] for mail in mails(store)]


def _raise(error):
    raise error
