"""The promises of the queue, on a real SQLite file and on a real PostgreSQL."""

import os
import random
import stat
import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import select, text, update

from dispatcher.errors import NotFoundError, OutrunError, SettingsError, StoreError
from dispatcher.jobs import migrations, schema
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import PAYLOAD, Order, Owner, State
from dispatcher.jobs.store import Delivery, Store
from dispatcher.replies.compose import Reply
from dispatcher.runs.report import HostResult, Report


@pytest.fixture
def store(database):
    made = Store(connect(database))
    yield made
    made.engine.dispose()


def order(*servers: str, locks=None, sender="ana@example.com", message_id="<1@example.com>") -> Order:
    return Order(
        keyword="CHECKIP", subject="CHECKIP=203.0.113.7", arguments={"checkip": "203.0.113.7"},
        servers=servers, locks=servers if locks is None else locks, check=False,
        language="pt_BR", sender=sender, message_id=message_id,
    )  # fmt: skip


def delivery(uid: int, number: int = 1) -> Delivery:
    return Delivery(
        folder="INBOX", uidvalidity=4_294_967_295, uid=uid,
        sender="ana@example.com", message_id=f"<{number}@example.com>",
        subject="CHECKIP=203.0.113.7", verdict="admitted", rule="token", reason="valid",
    )  # fmt: skip


def queue(store: Store, number: int, *servers: str, locks=None) -> int:
    one = order(*servers, locks=locks, message_id=f"<{number}@example.com>")
    job_id = store.take(delivery(number, number), order=one)
    assert job_id
    return job_id


def reply(cause: str) -> Reply:
    return Reply(
        kind="result", recipient="ana@example.com", message_id=f"<{cause}@lab.example>", mime=b"Subject: x"
    )


DONE = Report(status="successful", hosts=(HostResult(host="gv1p", outcome="ok", code="fail2ban.not_banned"),))


def outbox(store: Store) -> list[str]:
    with store.engine.begin() as connection:
        return list(connection.execute(select(schema.outbox.c.message_id)).scalars())


def verdicts(store: Store) -> list[tuple[str, str]]:
    with store.engine.begin() as connection:
        rows = connection.execute(select(schema.messages.c.verdict, schema.messages.c.rule))
        return [tuple(row) for row in rows]


def test_the_database_is_private_and_durable(tmp_path):
    """Nobody else on the machine can read it, and a commit is on the disk."""
    store = Store(connect(f"sqlite:///{tmp_path}/athome.db"))
    assert 0o600 == stat.S_IMODE((tmp_path / "athome.db").stat().st_mode)
    with store.engine.begin() as connection:
        assert ("wal", 2) == tuple(
            connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")
        )


def test_a_mail_that_is_taken_twice_makes_one_job(store):
    """A crash between the commit and the move of the mail does not run the command again."""
    assert store.take(delivery(1), order=order("gv1p"))
    assert store.take(delivery(1), order=order("gv1p")) is None
    assert 1 == len(store.recent(10))


def test_a_redelivered_message_makes_one_job_and_leaves_an_audit_row(store):
    """The same Message-ID of the same sender under another UID is no second command."""
    store.take(delivery(1), order=order("gv1p"))
    with pytest.raises(OutrunError):
        store.take(delivery(2), order=order("gv1p"))
    assert store.seen("ana@example.com", "<1@example.com>")
    assert store.take(replace(delivery(2), verdict="repeated", rule="replay")) is None
    assert [("admitted", "token"), ("repeated", "replay")] == verdicts(store)
    assert 1 == len(store.recent(10))


def test_another_sender_cannot_squat_a_message_id(store):
    """The claim is on sender and Message-ID together."""
    store.take(delivery(1), order=order("gv1p"))
    assert store.take(
        replace(delivery(2), sender="eva@example.com"), order=order("gv1p", sender="eva@example.com")
    )


def test_a_rejection_is_posted_once(store):
    """The answer to a bad mail is in the transaction of its audit row, once."""
    store.take(delivery(1), replies=[reply("rejected-1")])
    store.take(delivery(1), replies=[reply("rejected-1")])
    store.take(delivery(2), replies=[reply("rejected-1")])
    assert ["<rejected-1@lab.example>"] == outbox(store)


def test_jobs_on_the_same_server_wait_in_order(store):
    """First in, first out for each server, whatever else the job touches."""
    first, second = queue(store, 1, "gv1p", "gv2p"), queue(store, 2, "gv2p", "gv3p")
    third = queue(store, 3, "gv3p")
    running = store.claim()
    assert first == running.id
    assert store.claim() is None  # second waits for gv2p, and third waits behind second for gv3p
    assert store.finish(running, DONE, reply("1"))
    running = store.claim()
    assert second == running.id
    assert store.claim() is None
    store.finish(running, DONE, reply("2"))
    assert third == store.claim().id


def test_jobs_on_different_servers_run_side_by_side(store):
    """A slow server holds nobody else up."""
    first, second = queue(store, 1, "gv1p"), queue(store, 2, "gv2p")
    assert [first, second] == [store.claim().id, store.claim().id]


def test_what_a_job_locks_is_not_always_where_it_runs(store):
    """Two that share a collector take turns; who works on one of their servers itself need not wait."""
    first = queue(store, 1, "gv1p", locks=("audio",))
    second = queue(store, 2, "gv2p", locks=("audio",))
    other = queue(store, 3, "gv1p")
    running = store.claim()
    assert (first, ("gv1p",), ("audio",)) == (running.id, running.order.servers, running.order.locks)
    assert other == store.claim().id
    assert store.claim() is None
    store.finish(running, DONE, reply("1"))
    assert second == store.claim().id


def test_many_claimers_never_share_a_server(store):
    """Eight workers at once: each job is claimed once and no server is worked on twice at a time."""
    for number in range(24):
        queue(store, number + 1, f"gv{number % 3}")
    at_work, clashes, done = set(), [], []

    def work() -> None:
        idle = 0
        while idle < 40:
            job = store.claim()
            if job is None:
                idle += 1
                time.sleep(0.005)
                continue
            idle = 0
            server = job.order.servers[0]
            if server in at_work:
                clashes.append(job.id)
            at_work.add(server)
            time.sleep(0.002)
            at_work.discard(server)
            store.finish(job, DONE, reply(str(job.id)))
            done.append(job.id)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == clashes
    assert list(range(1, 25)) == sorted(done)
    assert 24 == len(outbox(store))


def test_result_reply_and_locks_are_one(store):
    """When a job is finished its result is there, its reply is posted, and its servers are free."""
    job_id = queue(store, 1, "gv1p")
    store.finish(store.claim(), DONE, reply("1"))
    job = store.job(job_id)
    assert (State.SUCCESSFUL, DONE) == (job.state, job.report)
    assert ["<1@lab.example>"] == outbox(store)
    queue(store, 2, "gv1p")
    assert store.claim()


def test_a_worker_that_lost_its_job_cannot_finish_it(store):
    """After a restart the old claim is worth nothing: one terminal reply."""
    queue(store, 1, "gv1p")
    old = store.claim()
    assert [old.id] == store.requeue()
    new = store.claim()
    assert not store.finish(old, DONE, reply("old"))
    assert store.finish(new, DONE, reply("new"))
    assert ["<new@lab.example>"] == outbox(store)
    assert 2 == store.job(new.id).attempts


def test_a_shells_job_is_run_by_nobody_else(store):
    """The workers leave it, and it keeps its place in the queue of its servers."""
    shell = store.submit(order("gv1p", sender=None, message_id=None))
    queue(store, 2, "gv1p")
    assert store.claim() is None
    claimed = store.claim(own=shell)
    assert (Owner.SHELL, State.RUNNING) == (claimed.owner, claimed.state)
    assert not store.renew(shell)  # the claim has changed hands
    assert store.renew(claimed)
    assert store.claim() is None


def test_a_shell_that_was_killed_does_not_hold_its_servers(store):
    """Without a sign of life its job is canceled and the next one starts."""
    shell = store.claim(own=store.submit(order("gv1p", sender=None, message_id=None)))
    waiting = queue(store, 2, "gv1p")
    with store.engine.begin() as connection:
        connection.execute(
            update(schema.jobs).where(schema.jobs.c.id == shell.id).values(lease_until=time.time() - 1)
        )
    # A server that has just been started gives everybody a lease's time again: let it be short.
    assert waiting == Store(store.engine, lease=0.01).claim().id
    assert State.CANCELED == store.job(shell.id).state
    assert not store.finish(shell, DONE, None)


def test_a_shared_job_that_nobody_keeps_is_started_again(postgres):
    """Its attempts are counted, and whoever had it before can neither keep nor finish it."""
    with postgres.database() as url:
        store = Store(connect(url), lease=0.3)
        queue(store, 1, "gv1p")
        first = store.claim()
        assert store.leased(first)
        kept_until = time.monotonic() + 1
        while time.monotonic() < kept_until:
            assert store.renew(first)
            assert store.claim() is None
            time.sleep(0.05)
        time.sleep(0.4)
        second = store.claim()
        assert (first.id, 2) == (second.id, second.attempts)
        assert first.claim != second.claim
        assert not store.renew(first)
        assert not store.give_back(first, 0)
        assert not store.finish(first, DONE, reply("first"))
        assert store.finish(second, DONE, reply("second"))
        assert ["<second@lab.example>"] == outbox(store)
        store.engine.dispose()


def test_after_a_start_of_the_database_nobody_is_given_up_at_once(postgres):
    """While it was away nobody could renew: a lease's time has to pass from its start."""
    with postgres.database() as url:
        store = Store(connect(url), lease=100_000)
        queue(store, 1, "gv1p")
        job = store.claim()
        with store.engine.begin() as connection:
            connection.execute(update(schema.jobs).values(lease_until=1.0))
        assert store.claim() is None
        assert store.renew(job)
        store.engine.dispose()


def test_a_job_that_is_given_back_keeps_its_place(store):
    """It starts again after a while, and what is behind it on its servers waits for it."""
    first, second = queue(store, 1, "gv1p"), queue(store, 2, "gv1p")
    assert store.give_back(store.claim(), after=60)
    assert State.QUEUED is store.job(first).state
    assert store.claim() is None
    with store.engine.begin() as connection:
        connection.execute(update(schema.jobs).where(schema.jobs.c.id == first).values(not_before=1.0))
    again = store.claim()
    assert (first, 2) == (again.id, again.attempts)
    store.finish(again, DONE, reply("1"))
    assert second == store.claim().id


def test_a_job_of_a_newer_version_stays_in_the_queue(store):
    """Nobody misreads it; its servers wait for a program that can read it, and others do not."""
    first, second = queue(store, 1, "gv1p"), queue(store, 2, "gv1p")
    other = queue(store, 3, "gv2p")
    with store.engine.begin() as connection:
        connection.execute(update(schema.jobs).where(schema.jobs.c.id == first).values(payload=PAYLOAD + 1))
    assert other == store.claim().id
    assert store.claim() is None
    assert (True, False) == (store.job(first).too_new, store.job(second).too_new)


def test_jobs_that_lock_nothing_wait_for_nobody(store):
    """A hundred of them that are not due keep no other one from starting."""
    for number in range(1, 103):
        queue(store, number)
    with store.engine.begin() as connection:
        connection.execute(update(schema.jobs).where(schema.jobs.c.id < 102).values(not_before=9e9))
    assert 102 == store.claim().id


@pytest.mark.parametrize("seed", range(4))
def test_the_claim_is_the_oldest_job_that_nobody_is_before(database, seed):
    """Whatever was queued, claimed, finished and given back: as a plain reading of the rule says."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    store = Store(connect(database))
    waiting, running = {}, {}
    for number in range(1, 80):
        action = chance.choice(("queue", "claim", "claim", "finish", "back"))
        if action == "queue":
            names = chance.sample(["gv1p", "gv2p", "gv3p", "audio"], chance.randint(0, 3))
            waiting[queue(store, number, *names)] = set(names)
        elif action == "claim":
            held = set().union(*(names for _job, names in running.values()))
            expected = next(
                (
                    each
                    for each, names in sorted(waiting.items())
                    if not names & held.union(*(other for older, other in waiting.items() if older < each))
                ),
                None,
            )
            job = store.claim()
            assert expected == (job and job.id)
            if job:
                running[job.id] = job, waiting.pop(job.id)
        elif running:
            job, names = running.pop(chance.choice(sorted(running)))
            if action == "finish":
                assert store.finish(job, DONE, reply(str(job.id)))
            else:
                assert store.give_back(job, after=-1)
                waiting[job.id] = names
    store.engine.dispose()


def test_two_jobs_of_the_shell_are_no_replay_of_each_other(store):
    """Jobs without a mail are told apart by nothing but their number."""
    one, two = (store.submit(order("gv1p", sender=None, message_id=None)) for _ in range(2))
    assert one.id != two.id


def test_an_unknown_job_is_a_sentence(store):
    """A wrong number gets words and a way out."""
    with pytest.raises(NotFoundError, match="job 99 não existe"):
        store.job(99)


def test_a_database_of_another_version_is_refused(tmp_path):
    """An older program does not write into a newer database."""
    url = f"sqlite:///{tmp_path}/athome.db"
    with connect(url).begin() as connection:
        connection.execute(update(schema.schema_version).values(version=99))
    with pytest.raises(StoreError, match="versão 99"):
        connect(url)


def test_a_database_of_the_first_version_is_brought_up_to_date(database):
    """Its jobs keep their servers, which were what they locked, and their place; new ones are added."""
    url = database
    store = Store(connect(url))
    old = queue(store, 1, "gv1p", "gv2p")
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM claims")
        for index in (
            "outbox_by_recipient",
            "jobs_by_server",
            "jobs_by_lease",
            "jobs_by_names",
            "jobs_by_end",
            "one_retry_per_job",
            "one_job_per_preview",
            "undoing_jobs",
        ):
            connection.exec_driver_sql(f"DROP INDEX {index}")
        for change in (change for changes in migrations.ADDED.values() for change in changes):
            table, column = change.split()[0], change.split()[3]
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.exec_driver_sql("CREATE INDEX jobs_by_server ON job_servers (server, job_id)")
        connection.execute(update(schema.schema_version).values(version=1))
    store = Store(connect(url))
    job = store.job(old)
    assert ("gv1p", "gv2p") == job.order.servers == job.order.locks
    new = queue(store, 2, "gv3p", locks=("audio",))
    assert (("gv3p",), ("audio",)) == (store.job(new).order.servers, store.job(new).order.locks)
    assert store.seen("ana@example.com", "<1@example.com>")
    later = queue(store, 3, "gv2p")
    assert [old, new] == [store.claim().id, store.claim().id]
    assert store.claim() is None
    assert later > new
    assert connect(url)


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/db", "oracle+nothing://x"])
def test_a_database_url_that_is_none_is_a_sentence(url):
    """A slip in the settings is no traceback."""
    with pytest.raises(SettingsError, match=r"database\.url"):
        connect(url)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_account_does_not_take_the_services_folder(tmp_path):
    """What root would create there the service could not open: the way out is sudo -u."""
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(StoreError, match="sudo -u nobody"):
        connect(f"sqlite:///{tmp_path}/athome.db")
    assert not (tmp_path / "athome.db").exists()


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    """A wrong state_dir says so, with the key to change."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="state_dir"):
        connect(f"sqlite:///{tmp_path}/file/athome.db")
