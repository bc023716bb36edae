"""One at a time reads the mailbox, of all that share a PostgreSQL; whoever dies or is cut off is followed."""

import multiprocessing
import os
import signal
import time
from threading import Event, Thread

import pytest

from dispatcher.jobs import lead
from dispatcher.jobs.database import connect
from dispatcher.jobs.lead import Lead, NotLeadingError

spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def url(postgres):
    with postgres.database() as made:
        yield made


def leading(url, told):
    """Lead whenever it may, and say so."""

    def work(over):
        told.put(os.getpid())
        over.wait()

    Lead(connect(url), "mailbox").run(work, Event(), lambda: None)


def test_when_the_one_is_killed_another_one_follows(url):
    """Of three processes one leads at a time, whoever is killed without a word."""
    told = spawn.Queue()
    processes = [spawn.Process(target=leading, args=(url, told)) for _ in range(3)]
    for process in processes:
        process.start()
    try:
        seen = []
        for _ in processes:
            pid = told.get(timeout=60)
            time.sleep(0.3)
            assert told.empty(), "two lead at once"
            assert pid not in seen
            seen.append(pid)
            os.kill(pid, signal.SIGKILL)
    finally:
        for process in processes:
            process.kill()
            process.join()


def test_who_is_cut_off_stops_and_takes_no_mail(url, postgres, monkeypatch):
    """The session's end is noticed: the work is told to end, and what it had begun is refused."""
    monkeypatch.setattr(lead, "_ASK", 0.1)
    first, stop, terms, refused = Lead(connect(url), "mailbox"), Event(), [], Event()

    def work(over):
        first.sure()
        terms.append(over)
        if len(terms) > 1:
            over.wait()
            return
        ended = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_locks"
            " WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = '{}')"
        )
        postgres.sql(ended.format(first._engine.url.database))
        with pytest.raises(NotLeadingError):
            first.sure()
        assert over.wait(30)
        refused.set()

    thread = Thread(target=lambda: first.run(work, stop, lambda: None))
    thread.start()
    assert refused.wait(60)
    until = time.monotonic() + 60
    while len(terms) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    stop.set()
    thread.join()
    assert 2 == len(terms)  # and it has come back
    with pytest.raises(NotLeadingError):
        first.sure()
    first._engine.dispose()


def test_on_sqlite_nobody_is_asked(tmp_path):
    """The one service of the machine has its lock file."""
    stop, worked = Event(), []
    alone = Lead(connect(f"sqlite:///{tmp_path}/athome.db"), "mailbox")
    alone.run(worked.append, stop, lambda: None)
    alone.sure()
    assert [stop] == worked
