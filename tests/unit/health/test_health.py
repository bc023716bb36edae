"""`athome health` says what is not well, and what to do about it, by sentence and by exit code."""

import fcntl
import json
import os
import shutil
import threading
import time
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from dispatcher.cli import athome
from dispatcher.health.checks import _long
from dispatcher.health.pulse import Pulse
from dispatcher.health.watch import Watch
from dispatcher.jobs.database import connect
from dispatcher.jobs.schema import job_servers, jobs, outbox
from dispatcher.runs.guard import now

HOUR = 3600.0


@pytest.fixture
def engine(database):
    made = connect(database)
    yield made
    made.dispose()


@pytest.fixture
def serving(tmp_path, engine, monkeypatch):
    """A state folder as a service leaves it that is there, listens and has one idle worker."""
    file = os.open(tmp_path / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    pulse = Pulse()

    def say(name, quiet=120.0, state=None, since=None):
        thread = threading.Thread(target=lambda: pulse.beat(quiet, state), name=name)
        thread.start()
        thread.join()

    def told(*, ago=0.0, stopping=False):
        monkeypatch.setattr("dispatcher.health.pulse.now", lambda: now() - ago)
        Watch(pulse, tmp_path).look(stopping=stopping)
        monkeypatch.undo()

    say("mailbox", state="listening")
    say("outbox")
    say("worker-0", state="")
    told()
    yield SimpleNamespace(say=say, told=told, pulse=pulse)
    os.close(file)


@pytest.fixture
def health(tmp_path, engine, database):
    """Run `athome health`; return its exit code, and its findings by what was looked at."""
    settings = tmp_path / "settings.yml"
    settings.write_text(json.dumps({"state_dir": str(tmp_path), "database": {"url": database}}))

    def run(*arguments):
        answer = CliRunner().invoke(athome, ["--settings", str(settings), "health", "--json", *arguments])
        found = json.loads(answer.output)
        assert found["live"] == (answer.exit_code != 69)
        assert found["ready"] in (None, answer.exit_code == 0)
        return answer.exit_code, {finding["check"]: finding for finding in found["findings"]}

    run.text = lambda: CliRunner().invoke(athome, ["--settings", str(settings), "health"]).output
    return run


def queued(engine, age, state="queued", not_before=None):
    with engine.begin() as connection:
        number = connection.execute(
            insert(jobs)
            .values(
                thread="", keyword="CHECKIP", subject="CHECKIP=203.0.113.7", arguments={}, check=False,
                language="pt_BR", state=state, attempts=0, owner="serve", created_at=time.time() - age,
                not_before=not_before,
            )
            .returning(jobs.c.id)
        ).scalar_one()  # fmt: skip
        connection.execute(insert(job_servers).values(job_id=number, server="gv1p"))


def posted(engine, age, state="waiting"):
    with engine.begin() as connection:
        connection.execute(
            insert(outbox).values(
                message_id=f"<{age}@example.com>", recipient="ana@example.com", message=b"text", state=state,
                attempts=0, not_before=0.0, created_at=time.time() - age,
            )
        )  # fmt: skip


def test_a_service_that_is_well_passes(serving, health):
    """Exit code 0; every finding is ok, and each part of the service is named."""
    code, found = health()
    assert 0 == code
    assert {"ok"} == {finding["status"] for finding in found.values()}
    assert set(found) == {
        "process",
        "mailbox",
        "outbox",
        "worker-0",
        "database",
        "disk",
        "queue",
        "pauses",
        "replies",
    }
    assert "✗" not in health.text()


def test_a_service_that_is_not_there_is_not_alive(health):
    """Also where it was killed and its state file still says that all is well: the lock is free."""
    code, found = health()
    assert 69 == code
    assert "não está rodando" in found["process"]["said"]
    assert "systemctl start athome" in found["process"]["way_out"]
    assert 69 == health("--live")[0]
    assert "→ Inicie-o" in health.text()


def test_the_file_of_a_killed_service_is_not_believed(serving, health, tmp_path):
    """The kernel has freed the lock; what the file says was true a moment before."""
    (tmp_path / "serve.lock").unlink()
    (tmp_path / "serve.lock").touch()
    assert 69 == health()[0]


def test_a_process_without_news_is_not_alive(serving, health):
    """It holds the lock, and does not run: suspended, or stuck as a whole."""
    serving.told(ago=90)
    code, found = health("--live")
    assert (69, ["process"]) == (code, list(found))
    assert "não dá notícia há 1 min 30 s" in found["process"]["said"]


def test_a_part_that_hangs_is_named(serving, health):
    """The others are well; the service is not."""
    serving.say("worker-0", quiet=-61)
    serving.told()
    code, found = health("--live")
    assert 69 == code
    assert "failing" == found["worker-0"]["status"]
    assert "worker-0 não avança" in found["worker-0"]["said"]
    assert "ok" == found["outbox"]["status"]


def test_a_service_on_its_way_out_is_alive(serving, health):
    """It finishes what runs, which may take its time."""
    serving.told(stopping=True)
    code, found = health("--live")
    assert 0 == code
    assert "terminando" in found["process"]["said"]


def test_a_mailbox_that_is_away_is_a_warning_and_then_a_failure(serving, health, monkeypatch):
    """With the server's own words; at once nobody need be called."""
    serving.say("mailbox", state="waiting: O servidor imap.example.com não atende.")
    serving.told()
    code, found = health()
    assert (0, "warning") == (code, found["mailbox"]["status"])
    monkeypatch.setattr("dispatcher.health.checks.now", lambda: now() + 301)
    monkeypatch.setattr("dispatcher.health.checks._SILENT", 1000)
    code, found = health()
    assert (75, "failing") == (code, found["mailbox"]["status"])
    assert "imap.example.com não atende" in found["mailbox"]["said"]
    assert 0 == health("--live")[0]


@pytest.mark.parametrize(("age", "code"), [(HOUR, 0), (4 * HOUR, 75)])
def test_a_job_that_waits_for_hours_is_a_failure(serving, health, engine, age, code):
    """It is named with its age; one that waits for confirmation, or for its time, is not waiting for us."""
    queued(engine, 100 * HOUR, "awaiting_confirmation")
    queued(engine, 100 * HOUR, not_before=time.time() + HOUR)
    queued(engine, age)
    found = health()
    assert code == found[0]
    assert f"job 3 espera há {_long(age)}" in found[1]["queue"]["said"]
    assert "2 na fila" in found[1]["queue"]["said"]


@pytest.mark.parametrize(
    ("state", "age", "code"), [("waiting", 60, 0), ("waiting", 1000, 75), ("sending", 1000, 75)]
)
def test_replies_that_do_not_leave_are_a_failure(serving, health, engine, *, state, age, code):
    """The outbox is stuck when its oldest mail is; one of a moment ago is on its way."""
    posted(engine, age, state)
    posted(engine, 10_000, "sent")
    found = health()
    assert code == found[0]
    assert "1 resposta espera o envio" in found[1]["outbox"]["said"]


@pytest.mark.parametrize("state", ["dead", "bounced"])
def test_a_refused_reply_is_a_warning(serving, health, engine, state):
    """A person has to look, and the service works."""
    posted(engine, 60, state)
    code, found = health()
    assert (0, "warning") == (code, found["replies"]["status"])
    assert "athome outbox list" in found["replies"]["way_out"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_database_that_takes_nothing_is_a_failure(serving, health, tmp_path):
    """And what cannot be known without it is said not to be known, not to be well."""
    for name in ("athome.db-wal", "athome.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "athome.db").write_bytes(b"no database at all" * 100)
    code, found = health()
    assert 75 == code
    assert ["failing"] * 4 == [found[name]["status"] for name in ("database", "outbox", "replies", "queue")]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_asking_makes_no_database(tmp_path, health):
    """A state folder that is not the service's own gets no empty database in it."""
    for file in tmp_path.glob("athome.db*"):
        file.unlink()
    assert "não existe" in health()[1]["database"]["said"]
    assert [] == list(tmp_path.glob("athome.db*"))


def test_a_postgresql_that_is_away_is_a_failure(serving, tmp_path):
    """With its address and without its password, and the service itself is alive."""
    settings = tmp_path / "settings.yml"
    settings.write_text(
        json.dumps(
            {
                "state_dir": str(tmp_path),
                "database": {
                    "url": "postgresql+psycopg://athome@127.0.0.1:9/athome",
                    "password_file": "secret",
                },
            }
        )
    )
    (tmp_path / "secret").write_text("swordfish")
    answer = CliRunner().invoke(athome, ["--settings", str(settings), "health", "--json"])
    found = {finding["check"]: finding for finding in json.loads(answer.output)["findings"]}
    assert (75, "failing", "ok") == (
        answer.exit_code,
        found["database"]["status"],
        found["process"]["status"],
    )
    assert "127.0.0.1:9" in found["database"]["said"]
    assert "swordfish" not in answer.output


def test_a_full_disk_is_a_failure(serving, health, monkeypatch):
    """Before it is full to the last byte."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=150 * 10**6))
    code, found = health()
    assert (75, "failing") == (code, found["disk"]["status"])
    assert "150 MB" in found["disk"]["said"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (90_000, "1 d 1 h"), (-5, "0 s")],
)
def test_durations_are_short(seconds, expected):
    """Two units at the most."""
    assert expected == _long(seconds)
