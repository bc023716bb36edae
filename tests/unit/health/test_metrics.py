"""Prometheus finds the service's numbers, and they say what the database says, whatever was restarted."""

import socket
import threading
import time
import urllib.request
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError
from sqlalchemy import insert

from dispatcher.errors import SettingsError
from dispatcher.health import metrics as module
from dispatcher.health.metrics import exposed, registry
from dispatcher.health.pulse import Pulse
from dispatcher.jobs.database import connect
from dispatcher.jobs.housekeeping import Housekeeping
from dispatcher.jobs.schema import job_servers, jobs, messages, outbox
from dispatcher.settings import Metrics, Settings


@pytest.fixture
def engine(database):
    made = connect(database)
    yield made
    made.dispose()


@pytest.fixture
def scraped(engine, monkeypatch):
    """What a scrape of a service says that has just been started, by name and labels."""
    monkeypatch.setattr(module, "_FRESH", -1.0)

    def scrape(pulse=None, delivered=None):
        made = registry(engine, pulse or Pulse(), Counter(delivered or {}))
        return samples(module.generate_latest(made).decode())

    return scrape


def samples(text):
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def add(engine, state, *, keyword="CHECKIP", age=0.0, took=None, servers=("gv1p",)):
    now = time.time()
    with engine.begin() as connection:
        number = connection.execute(
            insert(jobs)
            .values(
                thread="", keyword=keyword, subject=keyword, arguments={}, check=False, language="pt_BR",
                state=state, attempts=1, owner="serve", created_at=now - age,
                started_at=now - age if took is not None or state == "running" else None,
                finished_at=None if state in ("queued", "running") else now - age + (took or 0.0),
            )
            .returning(jobs.c.id)
        ).scalar_one()  # fmt: skip
        for server in servers:
            connection.execute(insert(job_servers).values(job_id=number, server=server))


def test_the_queue_is_measured_by_state_and_by_server(engine, scraped):
    """Depth of each state, and how long the first waiting job of each server has waited."""
    add(engine, "queued", age=100, servers=("gv1p", "gv2p"))
    add(engine, "queued", age=50, servers=("gv2p", "gv3p"))
    add(engine, "running", age=900, keyword="RAMAIS", servers=("voip1",))
    found = scraped()
    assert (2, 1, 0) == tuple(
        found["athome_jobs", state] for state in ("queued", "running", "awaiting_confirmation")
    )
    by_server = {
        key[1]: value for key, value in found.items() if key[0] == "athome_server_oldest_waiting_job_seconds"
    }
    assert {"gv1p": 100, "gv2p": 100, "gv3p": 50} == {name: int(age) for name, age in by_server.items()}
    assert 100 == int(found["athome_oldest_waiting_job_seconds",])
    assert 900 == int(found["athome_longest_running_job_seconds", "RAMAIS"])


def test_runs_are_counted_by_command_and_outcome_with_their_durations(engine, scraped):
    """The histogram's classes add up, and a job that never ran is no duration."""
    for took in (0.5, 2.0, 7.0, 9000.0):
        add(engine, "successful", took=took, age=10_000)
    add(engine, "failed", took=3.0, age=10_000)
    add(engine, "expired", age=10_000)
    add(engine, "timeout", keyword="RAMAIS", took=7200.0, age=10_000)
    found = scraped()
    assert [4, 1, 1, 1] == [
        found[("athome_runs_total", *sorted(key))]
        for key in (
            ("CHECKIP", "successful"), ("CHECKIP", "failed"), ("CHECKIP", "expired"), ("RAMAIS", "timeout")
        )
    ]  # fmt: skip
    name = "athome_run_duration_seconds"
    classes = [
        found[(f"{name}_bucket", *sorted(("CHECKIP", at)))] for at in ("1.0", "2.5", "5.0", "10.0", "7200.0")
    ]
    assert [1, 2, 3, 4, 4] == classes
    assert 5 == found[f"{name}_bucket", "+Inf", "CHECKIP"] == found[f"{name}_count", "CHECKIP"]
    assert 9012.5 == pytest.approx(found[f"{name}_sum", "CHECKIP"])
    assert 1 == found[f"{name}_bucket", "7200.0", "RAMAIS"]


def test_mails_are_counted_by_verdict_and_rule_and_replies_by_state(engine, scraped):
    """Intake and outbox, as the database has them."""
    with engine.begin() as connection:
        for uid, (verdict, rule) in enumerate([("admitted", "token")] * 2 + [("silent", "whitelist")]):
            row = {"folder": "INBOX", "uidvalidity": 1, "uid": uid, "seen_at": 0.0, "reason": ""}
            connection.execute(insert(messages).values(**row, verdict=verdict, rule=rule))
        for number, state in enumerate(["waiting", "dead", "sent", "sent"]):
            connection.execute(
                insert(outbox).values(
                    message_id=f"<{number}@x>", recipient="ana@example.com", message=b"x", state=state,
                    not_before=0.0, created_at=time.time() - 60,
                )
            )  # fmt: skip
    found = scraped()
    assert 2 == found["athome_mails_total", "admitted", "token"]
    assert 1 == found["athome_mails_total", "silent", "whitelist"]
    assert [1, 1, 2, 0] == [
        found["athome_replies", state] for state in ("waiting", "dead", "sent", "bounced")
    ]
    assert 60 == int(found["athome_oldest_unsent_reply_seconds",])


def test_a_counter_never_goes_back(engine, scraped, tmp_path):
    """What is purged stays counted, in every class of the histogram."""
    for took in (0.5, 2.0, 9000.0):
        add(engine, "successful", took=took, age=400 * 86400)
    before = {key: value for key, value in scraped().items() if key[0].startswith("athome_run")}
    assert 3 == Housekeeping(engine, Settings(state_dir=tmp_path)).purge(time.time()).jobs
    assert before == {key: value for key, value in scraped().items() if key[0].startswith("athome_run")}


def test_a_database_that_is_away_is_said_and_nothing_is_made_up(engine, scraped, tmp_path):
    """A zero would look like an empty queue."""
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE totals")
    found = scraped(delivered={"sent": 3})
    assert 0 == found["athome_database_up",]
    assert not [key for key in found if key[0].startswith(("athome_jobs", "athome_runs", "athome_mails"))]
    assert 3 == found["athome_deliveries_total", "sent"]


def test_the_parts_of_the_process_are_measured(scraped):
    """Whether the mailbox is read, and which part is silent for too long."""
    pulse = Pulse()
    for name, quiet, state in (("mailbox", 60, "listening"), ("worker-0", -30, "")):
        thread = threading.Thread(target=pulse.beat, args=(quiet, state), name=name)
        thread.start()
        thread.join()
    found = scraped(pulse)
    assert 1 == found["athome_mailbox_listening",]
    assert 0 == found["athome_part_silent_seconds", "mailbox"]
    assert 30 <= found["athome_part_silent_seconds", "worker-0"] < 60
    assert "process_resident_memory_bytes" in {key[0] for key in found}


def test_a_scrape_holds_up_nobody_who_writes(engine, scraped):
    """While somebody has the write lock, the numbers are read all the same."""
    with engine.begin() as connection:
        connection.execute(insert(messages).values(
            folder="INBOX", uidvalidity=1, uid=1, seen_at=0.0, verdict="silent", rule="x", reason="",
        ))  # fmt: skip
        found = scraped()
    assert 1 == found["athome_database_up",]
    assert ("athome_mails_total", "silent", "x") not in found


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_prometheus_gets_them_over_http_while_the_service_runs(engine):
    """On the address that the settings name, and on none without; afterwards the port is free."""
    port = free_port()
    settings = Metrics(listen=f"127.0.0.1:{port}")
    for _turn in range(2):
        with exposed(settings, lambda: registry(engine, Pulse(), {})):
            answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
        assert 1 == samples(answer)["athome_database_up",]
    with exposed(Metrics(), lambda: pytest.fail("nobody asked for it")):
        pass


def test_an_address_that_is_taken_is_said_with_its_key(engine):
    """At the start, with the way out."""
    settings = Metrics(listen=f"127.0.0.1:{free_port()}")
    with (
        exposed(settings, lambda: registry(engine, Pulse(), {})),
        pytest.raises(SettingsError, match=r"metrics\.listen"),
        exposed(settings, lambda: registry(engine, Pulse(), {})),
    ):
        pass


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:9464", "192.0.2.1:9464", "9464", "localhost", "localhost:0", "[::]:1"]
)
def test_only_this_machine_is_listened_to(listen):
    """The page asks nobody for a password."""
    with pytest.raises(ValidationError, match="textfile"):
        Metrics(listen=listen)


def test_node_exporter_finds_a_whole_file_and_none_at_the_end(engine, tmp_path):
    """Written at once; a file of a service that is gone would be scraped for ever."""
    path = tmp_path / "athome.prom"
    with exposed(Metrics(textfile=path), lambda: registry(engine, Pulse(), {})):
        deadline = time.monotonic() + 30
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert 1 == samples(path.read_text())["athome_database_up",]
        assert 0o644 == path.stat().st_mode & 0o777
    assert [] == list(tmp_path.glob("athome.prom*"))


def test_a_file_that_cannot_be_written_stops_nothing(engine, tmp_path, caplog):
    """The log says it."""
    with exposed(Metrics(textfile=tmp_path / "missing/athome.prom"), lambda: registry(engine, Pulse(), {})):
        deadline = time.monotonic() + 30
        while "cannot be written" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "athome.prom cannot be written: No such file or directory" in caplog.text
