"""A PostgreSQL that goes away and comes back: who works goes on, and what was done is not lost."""

import threading
from threading import Event

import pytest

from dispatcher.errors import StoreError
from dispatcher.jobs import worker
from dispatcher.jobs.database import connect, transaction
from dispatcher.jobs.job import Order, State
from dispatcher.jobs.store import Delivery, Store
from dispatcher.jobs.worker import Worker
from dispatcher.replies.compose import Composer
from dispatcher.runs.report import HostResult, Report
from dispatcher.settings import Mail, Runs, Settings
from tests.postgres import cluster

DONE = Report(
    status="successful", hosts=(HostResult(host="gv1p", outcome="ok", code="fail2ban.already_whitelisted"),)
)


class Run:
    """Stands for the runner: the database crashes meanwhile."""

    def __init__(self, server):
        self.server = server
        self.runs = 0
        self.crashed = Event()

    def run(self, *_what, **_how):
        self.runs += 1
        if self.runs == 1:
            self.server.stop("immediate")
            self.crashed.set()
        return DONE


@pytest.fixture
def server():
    with cluster() as running:
        yield running


def queue(store, number):
    order = Order(
        keyword="CHECKIP", subject="CHECKIP=203.0.113.7", arguments={"checkip": "203.0.113.7"},
        servers=("gv1p",), locks=("gv1p",), check=False, language="pt_BR", sender="ana@example.com",
        message_id=f"<{number}@example.com>",
    )  # fmt: skip
    delivery = Delivery(
        folder="INBOX", uidvalidity=1, uid=number, sender=order.sender, message_id=order.message_id,
        subject=order.subject, verdict="admitted", rule="token", reason="",
    )  # fmt: skip
    return store.take(delivery, order=order)


def test_a_crash_of_the_database_during_a_run_costs_nothing(server, monkeypatch):
    """The result is written when it is back, once; the worker then takes the next job."""
    monkeypatch.setattr(worker, "_RETRY", 0.1)
    store = Store(connect(f"postgresql+psycopg://athome@/postgres?host={server.folder}&port={server.port}"))
    first, second = queue(store, 1), queue(store, 2)
    run, stop = Run(server), Event()
    composer = Composer(Settings(mail=Mail(address="athome@lab.example", authserv_id="mail.lab.example")))
    working = Worker(store, run, composer, Runs(), None)
    thread = threading.Thread(target=working.run, args=(stop,))
    thread.start()
    assert run.crashed.wait(60)
    with pytest.raises(StoreError, match="não respondeu"), transaction(store.engine):
        pass
    server.start()
    for _ in range(600):
        if all(store.job(number).state.terminal for number in (first, second)):
            break
        stop.wait(0.1)
    stop.set()
    thread.join()
    assert [(State.SUCCESSFUL, 1)] * 2 == [
        (job.state, job.attempts) for job in map(store.job, (first, second))
    ]
    assert 2 == run.runs
    store.engine.dispose()
