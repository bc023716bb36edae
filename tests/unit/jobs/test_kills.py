"""Processes that take, work and answer, killed at any moment: nothing lost, nothing done twice at once."""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter

import pytest
from sqlalchemy import select

from dispatcher.jobs import schema
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Order, State
from dispatcher.jobs.store import Delivery, Store
from dispatcher.replies.compose import Reply
from dispatcher.runs.report import HostResult, Report

spawn = multiprocessing.get_context("spawn")
JOBS, KILLS, SERVERS, BOUND = 40, 8, 3, 120
LEASE = 3.0  # seconds; the work of a job takes a hundredth of it
DONE = Report(status="successful", hosts=(HostResult(host="gv1p", outcome="ok", code="fail2ban.not_banned"),))


def work(url, folder):
    """Run jobs: each leaves a line when it begins and one when it ends, in the file of its server."""
    store = Store(connect(url), lease=LEASE)
    while True:
        job = store.claim()
        if job is None:
            time.sleep(0.01)
            continue
        file = os.open(f"{folder}/{job.order.servers[0]}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for what in ("begins", "ends"):
            os.write(file, f"{job.id} {job.claim} {what}\n".encode())
            time.sleep(0.02)
        os.close(file)
        answer = Reply(kind="result", recipient="ana@example.com", message_id=f"<{job.id}.{job.claim}@lab>",
                       mime=b"Subject: x")  # fmt: skip
        store.finish(job, DONE, answer)


@pytest.fixture
def store(database):
    made = Store(connect(database), lease=LEASE)
    for number in range(1, JOBS + 1):
        server = f"gv{number % SERVERS}p"
        order = Order(
            keyword="CHECKIP", subject="CHECKIP=203.0.113.7", arguments={"checkip": "203.0.113.7"},
            servers=(server,), locks=(server,), check=False, language="pt_BR", sender="ana@example.com",
            message_id=f"<{number}@example.com>",
        )  # fmt: skip
        delivery = Delivery(
            folder="INBOX", uidvalidity=1, uid=number, sender=order.sender, message_id=order.message_id,
            subject=order.subject, verdict="admitted", rule="token", reason="",
        )  # fmt: skip
        made.take(delivery, order=order)
    yield made
    made.engine.dispose()


def test_whoever_is_killed_whenever_each_job_is_answered_once(database, store, tmp_path):
    """Each job ends once, with one answer, in the order of its server, and no two runs of a server meet."""
    shared = store.shared
    chance = random.Random(7)  # noqa: S311 - not for secrets
    start = lambda: spawn.Process(target=work, args=(database, tmp_path), daemon=True)  # noqa: E731
    workers = [start() for _ in range(3 if shared else 1)]  # on SQLite there is one service
    for worker in workers:
        worker.start()
    try:
        until, kills = time.monotonic() + BOUND, 0
        while any(not job.state.terminal for job in store.recent(JOBS)):
            assert time.monotonic() < until, [(job.id, job.state) for job in store.recent(JOBS)]
            time.sleep(chance.uniform(0.05, 0.4))
            if kills < KILLS and any((tmp_path / f"gv{number}p").exists() for number in range(SERVERS)):
                victim = chance.randrange(len(workers))
                os.kill(workers[victim].pid, signal.SIGKILL)
                workers[victim].join()
                if not shared:
                    store.requeue()  # as the service does when it starts
                workers[victim] = start()
                workers[victim].start()
                kills += 1
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    assert {State.SUCCESSFUL} == {job.state for job in store.recent(JOBS)}
    with store.engine.begin() as connection:
        answers = Counter(connection.execute(select(schema.outbox.c.job_id)).scalars())
        assert [] == list(connection.execute(select(schema.locks)))
    assert dict.fromkeys(range(1, JOBS + 1), 1) == dict(answers)
    for number in range(SERVERS):
        lines = [line.split() for line in (tmp_path / f"gv{number}p").read_text().splitlines()]
        runs = list(dict.fromkeys((int(job), claim) for job, claim, _what in lines))
        assert [job for job, _claim in runs] == sorted(job for job, _claim in runs)
        assert lines == [line for run in runs for line in lines if line[1] == run[1]]
