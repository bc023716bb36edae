"""Whatever goes wrong with a run, its job ends, and its sender gets exactly one answer."""

import email
import email.policy

import pytest
from sqlalchemy import insert, select, update

from dispatcher.errors import StoreError
from dispatcher.jobs import schema, worker
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Order, State
from dispatcher.jobs.store import Delivery, Store
from dispatcher.jobs.worker import Worker
from dispatcher.replies.compose import Composer
from dispatcher.runs.report import HostResult, Report
from dispatcher.settings import Mail, Runs, Settings

DONE = Report(
    status="successful", hosts=(HostResult(host="gv1p", outcome="ok", code="fail2ban.already_whitelisted"),)
)


class Run:
    """Stands for the runner: remembers what it was asked, and answers as told."""

    def __init__(self, answer=DONE):
        self.answer = answer
        self.asked = []

    def run(self, command, servers, **options):
        self.asked.append((command.subject(), servers, options["ident"], options["check"]))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def store(tmp_path):
    return Store(connect(f"sqlite:///{tmp_path}/athome.db"))


@pytest.fixture
def composer():
    return Composer(Settings(mail=Mail(address="athome@lab.example", authserv_id="mail.lab.example")))


def queue(store, **changes):
    order = Order(
        **{
            "keyword": "CHECKIP", "subject": "CHECKIP=203.0.113.7", "arguments": {"checkip": "203.0.113.7"},
            "servers": ("gv1p",), "locks": ("gv1p",), "check": False, "language": "pt_BR",
            "sender": "ana@example.com", "message_id": "<1@example.com>",
        } | changes
    )  # fmt: skip
    delivery = Delivery(
        folder="INBOX", uidvalidity=1, uid=1, sender=order.sender, message_id=order.message_id,
        subject=order.subject, verdict="admitted", rule="token", reason="",
    )  # fmt: skip
    return store.take(delivery, order=order)


def answers(store):
    with store.engine.begin() as connection:
        rows = connection.execute(select(schema.outbox.c.message)).scalars()
        return [email.message_from_bytes(row, policy=email.policy.default) for row in rows]


def test_a_job_is_run_with_its_own_command_and_answered(store, composer):
    """Command, servers, number and mode reach the runner; result and one answer are stored."""
    job_id = queue(store, check=True)
    run = Run()
    Worker(store, run, composer, Runs(), None).work(store.claim())
    assert [("CHECKIP=203.0.113.7", ("gv1p",), str(job_id), True)] == run.asked
    assert (State.SUCCESSFUL, DONE) == (store.job(job_id).state, store.job(job_id).report)
    (answer,) = answers(store)
    assert ("ana@example.com", "<1@example.com>") == (answer["To"], answer["In-Reply-To"])


@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), KeyError("x"), RuntimeError("boom")]
)
def test_a_run_that_cannot_even_start_is_answered(store, composer, failure):
    """The sender hears that it failed, and nothing of the exception's text, which may be anything."""
    job_id = queue(store)
    Worker(store, Run(failure), composer, Runs(), None).work(store.claim())
    assert State.FAILED == store.job(job_id).state
    assert "run.error" == store.job(job_id).report.problem.code
    (answer,) = answers(store)
    assert "No space" not in answer.as_string()


def test_a_stored_command_that_is_no_longer_valid_is_answered(store, composer):
    """A job from another version of the program does not stop the queue."""
    job_id = queue(store, arguments={"other": 1})
    run = Run()
    Worker(store, run, composer, Runs(), None).work(store.claim())
    assert State.FAILED == store.job(job_id).state
    assert [] == run.asked
    assert 1 == len(answers(store))


def test_a_job_that_kills_its_worker_again_and_again_is_given_up(store, composer):
    """After the last attempt it is not run once more: it fails with an answer, and frees its servers."""
    job_id = queue(store)
    run = Run()
    for _ in range(3):
        assert store.claim()
        assert [job_id] == store.requeue()
    Worker(store, run, composer, Runs(attempts=3), None).work(store.claim())
    assert [] == run.asked
    assert "run.crashed" == store.job(job_id).report.problem.code
    assert 1 == len(answers(store))


def test_a_result_waits_for_a_database_that_is_away(store, composer, monkeypatch):
    """What has been done on the servers is not forgotten because the disk was full for a moment."""
    job_id = queue(store)
    finish, failures = store.finish, [StoreError("cheio", "espere"), StoreError("cheio", "espere")]

    def sometimes(*arguments):
        if failures:
            raise failures.pop()
        return finish(*arguments)

    monkeypatch.setattr(store, "finish", sometimes)
    monkeypatch.setattr(worker, "_RETRY", 0.01)
    Worker(store, Run(), composer, Runs(), None).work(store.claim())
    assert State.SUCCESSFUL == store.job(job_id).state
    assert 1 == len(answers(store))


def test_a_report_that_cannot_be_shown_is_answered_all_the_same(store, composer, monkeypatch):
    """A fault in the templates costs the details, not the answer, and not the worker."""
    job_id = queue(store)
    result = composer.result

    def faulty(job, report, **options):
        if report.hosts:
            raise KeyError("a template")
        return result(job, report, **options)

    monkeypatch.setattr(composer, "result", faulty)
    Worker(store, Run(), composer, Runs(), None).work(store.claim())
    assert DONE == store.job(job_id).report
    assert 1 == len(answers(store))


def test_a_composer_that_always_fails_ends_the_job_all_the_same(store, composer, monkeypatch, caplog):
    """The run is not repeated for want of an answer; the log calls for a person."""
    job_id = queue(store)
    monkeypatch.setattr(composer, "result", lambda _job, _report, **_options: 1 / 0)
    Worker(store, Run(), composer, Runs(), None).work(store.claim())
    assert DONE == store.job(job_id).report
    assert "CRITICAL" in [record.levelname for record in caplog.records]


def test_a_job_that_is_no_longer_ours_is_not_answered_twice(store, composer):
    """Who lost the claim writes neither result nor answer."""
    queue(store)
    job = store.claim()
    with store.engine.begin() as connection:
        connection.execute(update(schema.jobs).values(claim="somebody else's"))
    Worker(store, Run(), composer, Runs(), None).work(job)
    assert [] == answers(store)


@pytest.mark.parametrize(
    ("role", "told"), [("operador", False), ("administrador", True), (None, False), ("other", False)]
)
def test_what_is_confidential_is_for_whoever_is_an_administrator_now(store, composer, role, told):
    """A wrong guess tells an operator nothing, nor somebody who is on the list no more."""
    mismatch = HostResult(
        host="gv2p", outcome="failed", code="mac_binding.mismatch", data={"present": "00005e0053aa"}
    )
    if role:
        with store.engine.begin() as connection:
            connection.execute(
                insert(schema.senders).values(
                    address="ana@example.com", role=role, language="pt_BR", added_at=0
                )
            )
    queue(store)
    Worker(store, Run(Report(status="failed", hosts=(mismatch,))), composer, Runs(), None).work(store.claim())
    (answer,) = answers(store)
    assert told == ("00:00:5e:00:53:aa" in answer.get_body(("plain",)).get_content())
    assert "00005e0053aa" == store.job(1).report.hosts[0].data["present"]  # the shell shows it


def test_the_link_to_an_archive_is_in_no_log(store, composer, caplog):
    """Whoever reads the service's log cannot listen to the recordings; the sender gets the link once."""
    caplog.set_level("DEBUG")
    link = "https://s3.example.com/audios/a.zip?X-Amz-Signature=7e57c0de"
    data = {"link": link, "files": 1, "bytes": 2, "per_extension": []}
    made = HostResult(host="voip3", outcome="changed", code="audio.collected", data=data)
    queue(store)
    Worker(store, Run(Report(status="successful", hosts=(made,))), composer, Runs(), None).work(store.claim())
    (answer,) = answers(store)
    assert link in answer.get_body(("plain",)).get_content()
    assert caplog.records
    assert "7e57c0de" not in caplog.text
