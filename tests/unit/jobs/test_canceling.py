"""Ended, tried again, held back: what people do to jobs, on SQLite and on PostgreSQL."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import insert, select, update

from dispatcher.errors import NotFoundError, NotNowError
from dispatcher.jobs import schema
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Owner, State
from dispatcher.jobs.listening import listening
from dispatcher.jobs.pauses import Pauses
from dispatcher.jobs.store import Store
from dispatcher.jobs.worker import Worker
from dispatcher.mail.proof import Pending
from dispatcher.replies.compose import Composer
from dispatcher.runs.report import HostResult, Report, from_results
from dispatcher.settings import Mail, Runs, Settings
from tests.unit.jobs.test_store import DONE, delivery, order, outbox, queue, reply

ADMIN = "admin@example.com"
FAILED = Report(status="failed", hosts=(HostResult(host="gv1p", outcome="failed", code="run.no_result"),))


@pytest.fixture
def store(database):
    made = Store(connect(database))
    yield made
    made.engine.dispose()


def told(job, report):
    return reply(f"result-{job.id}-{report.problem.code}")


def test_a_queued_job_ends_at_once_with_its_reply_and_lets_the_next_one_start(store):
    """Canceled, it is in nobody's way, and its sender hears who it was, once however often it is canceled."""
    first, second = queue(store, 1, "gv1p"), queue(store, 2, "gv1p")
    job = store.cancel(first, ADMIN, told)
    assert (State.CANCELED, ADMIN, "run.canceled_by") == (
        job.state, job.canceled_by, job.report.problem.code
    )  # fmt: skip
    assert job.finished_at
    assert State.CANCELED is store.cancel(first, "ana@example.com", told).state
    assert [f"<result-{first}-run.canceled_by@lab.example>"] == outbox(store)
    with store.engine.begin() as connection:
        row = connection.execute(select(schema.outbox)).one()
    assert (first, "<1@example.com>") == (row.job_id, row.about)
    assert second == store.claim().id
    assert store.claim() is None


def test_a_job_that_waits_for_its_confirmation_ends_and_its_code_counts_no_more(store):
    """The code of a canceled job is judged as one that is too old, not as one to be tried for ever."""
    pending = Pending(digest="d" * 64, expires_at=4e9)
    job_id = store.take(delivery(1), order=order("gv1p"), pending=(pending,))
    assert State.CANCELED is store.cancel(job_id, "ana@example.com", told).state
    with store.engine.begin() as connection:
        expires_at = connection.execute(select(schema.confirmations.c.expires_at)).scalar_one()
    assert expires_at < 4e9
    with pytest.raises(NotNowError):
        store.retry(job_id)


def test_a_running_job_is_marked_and_ends_by_its_worker(store):
    """Who runs it hears so from the database, and its own result is the only one."""
    job_id = queue(store, 1, "gv1p")
    job = store.claim()
    assert not store.canceled(job)
    with listening(Store(store.engine), job) as asked:
        assert not asked.is_set()
        assert State.RUNNING is store.cancel(job_id, ADMIN, told).state
        assert asked.wait(10)
    assert [] == outbox(store)
    store.cancel(job_id, "eva@example.com", told)
    assert ADMIN == store.job(job_id).canceled_by
    assert store.finish(job, Report(status="canceled"), reply("result-1"))
    assert ["<result-1@lab.example>"] == outbox(store)


def test_a_job_that_has_ended_stays_as_it_is(store):
    """To cancel it is no second end, and sends nothing."""
    job_id = queue(store, 1, "gv1p")
    store.finish(store.claim(), DONE, reply("result-1"))
    job = store.cancel(job_id, ADMIN, told)
    assert (State.SUCCESSFUL, None) == (job.state, job.canceled_by)
    assert 1 == len(outbox(store))
    with pytest.raises(NotFoundError):
        store.cancel(99, ADMIN, told)


def test_a_job_of_the_shell_is_canceled_without_a_mail(store):
    """Whoever waits at the shell finds the job gone; nobody is written to."""
    job = store.submit(replace(order("gv1p"), sender=None, message_id=None))
    assert State.CANCELED is store.cancel(job.id, "shell:ana", told).state
    assert not store.renew(job)
    assert [] == outbox(store)


def test_claim_and_cancel_at_once_give_one_end(store):
    """Of a worker that starts a job and a person who cancels it, the later one finds what the other did."""
    for number in range(1, 21):
        job_id = queue(store, number, "gv1p")
        start, claimed = threading.Barrier(2), []

        def work(start=start, claimed=claimed):
            start.wait()
            claimed.append(Store(store.engine).claim())

        thread = threading.Thread(target=work)
        thread.start()
        start.wait()
        state = store.cancel(job_id, ADMIN, told).state
        thread.join()
        assert (claimed == [None]) == (state is State.CANCELED)
        if claimed[0]:
            assert ADMIN == store.job(job_id).canceled_by
            assert store.finish(claimed[0], Report(status="canceled"), told(claimed[0], canceled_report()))
    assert 20 == len(outbox(store)) == len(set(outbox(store)))


def canceled_report():
    return Report(status="canceled", problem={"code": "run.canceled_by"})


def test_a_failed_job_is_tried_again_once(store):
    """The new job names the old one and its thread; a second try of the same job is refused, with the way."""
    old = queue(store, 1, "gv1p")
    with pytest.raises(NotNowError, match="queued"):
        store.retry(old)
    store.finish(store.claim(), FAILED, reply("result-1"))
    new = store.retry(old)
    assert (State.QUEUED, old, None, "<1@example.com>") == (
        new.state, new.order.retry_of, new.order.message_id, new.order.references
    )  # fmt: skip
    assert (Owner.SERVE, ("gv1p",), "ana@example.com") == (new.owner, new.order.locks, new.order.sender)
    with pytest.raises(NotNowError, match=f"jobs show {new.id}"):
        store.retry(old)
    assert new.id == store.claim().id


def test_a_job_that_went_well_is_not_tried_again(store):
    """What is done is not done twice by a slip of the finger."""
    job_id = queue(store, 1, "gv1p")
    store.finish(store.claim(), DONE, reply("result-1"))
    with pytest.raises(NotNowError, match="successful"):
        store.retry(job_id)


def test_a_paused_server_holds_its_jobs_and_no_others(store):
    """What locks it waits in its place, what does not goes on, and resumed it starts."""
    pauses = Pauses(store.engine)
    both, other = queue(store, 1, "gv1p", "gv2p"), queue(store, 2, "gv3p")
    behind = queue(store, 3, "gv2p")
    assert pauses.pause("gv1p", "shell:ana", "troca do disco")
    assert not pauses.pause("gv1p", "shell:eva", "")
    assert [("gv1p", "shell:ana", "troca do disco")] == [
        (one.server, one.by, one.reason) for one in pauses.all()
    ]
    assert other == store.claim().id
    assert store.claim() is None
    assert pauses.resume("gv1p")
    assert not pauses.resume("gv1p")
    job = store.claim()
    assert both == job.id
    store.finish(job, DONE, reply("result-1"))
    assert behind == store.claim().id


def test_some_commands_can_be_chosen_among_many_that_lock_nothing(store):
    """Who answers STATUS finds it behind any number of collections."""
    lockless = [queue(store, number, "audio", locks=()) for number in range(1, 151)]
    with store.engine.begin() as connection:
        connection.execute(
            update(schema.jobs).where(schema.jobs.c.id == lockless[-1]).values(keyword="STATUS")
        )
    assert lockless[-1] == store.claim(only=("STATUS",)).id
    assert store.claim(only=("STATUS",)) is None
    assert lockless[0] == store.claim().id


def test_a_pause_lasts_whatever_is_restarted(store):
    """It is in the database: another process finds it."""
    with store.engine.begin() as connection:
        connection.execute(
            insert(schema.paused).values(server="gv1p", paused_at=0.0, paused_by="shell:ana", reason="")
        )
    queue(store, 1, "gv1p")
    assert Store(store.engine).claim() is None


class Held:
    """Stands for the runner: its run ends when it is told to, or goes well before it hears."""

    def __init__(self, *, heeds: bool):
        self.heeds = heeds
        self.begun = threading.Event()

    def run(self, _command, servers, *, canceled, **_options):
        self.begun.set()
        waited = threading.Event()
        while not canceled():
            waited.wait(0.05)
        return from_results("canceled", {}, servers, check=False, seconds=1.0) if self.heeds else DONE


@pytest.mark.parametrize("heeds", [True, False])
def test_a_run_that_is_canceled_from_elsewhere_has_one_reply(store, database, heeds):
    """It says who it was that canceled it; what went well all the same is answered as that."""
    job_id = queue(store, 1, "gv1p")
    composer = Composer(Settings(mail=Mail(address="athome@lab.example", authserv_id="mail.lab.example")))
    run = Held(heeds=heeds)
    worker = Worker(store, run, composer, Runs(), None)
    thread = threading.Thread(target=lambda: worker.work(store.claim()))
    thread.start()
    assert run.begun.wait(30)
    elsewhere = Store(connect(database))
    assert State.RUNNING is elsewhere.cancel(job_id, ADMIN, composer.result).state
    elsewhere.engine.dispose()
    thread.join(30)
    job = store.job(job_id)
    assert (State.CANCELED if heeds else State.SUCCESSFUL) is job.state
    assert 1 == len(outbox(store))
    if heeds:
        assert ("run.canceled_by", {"by": ADMIN}) == (job.report.problem.code, job.report.problem.data)
