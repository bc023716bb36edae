"""A backup is whole although somebody writes, and a restore loses nothing, runs nothing twice unasked."""

import email
import email.policy
import fcntl
import os
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from dispatcher.cli import athome
from dispatcher.errors import AlreadyServingError, NotFoundError
from dispatcher.jobs import backup as module
from dispatcher.jobs.backup import BackupError, back_up, examine
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Order, State
from dispatcher.jobs.schema import VERSION
from dispatcher.jobs.store import Delivery, Store
from dispatcher.runs.report import Report

DONE = Report(status="successful")


@pytest.fixture
def store(tmp_path):
    made = Store(connect(f"sqlite:///{tmp_path}/state/athome.db"))
    yield made
    made.engine.dispose()


@pytest.fixture
def shell(tmp_path):
    """Run `athome` with these arguments; a refusal is raised."""
    settings = tmp_path / "settings.yml"
    settings.write_text(f"state_dir: {tmp_path}/state\n")

    def run(*arguments):
        answer = CliRunner().invoke(athome, ["--settings", str(settings), *map(str, arguments)])
        if answer.exception and not isinstance(answer.exception, SystemExit):
            raise answer.exception
        assert 0 == answer.exit_code, answer.output
        return answer.output

    return run


def queue(store, number):
    """Take a mail with a command; return the job's number."""
    message_id = f"<{number}@example.com>"
    order = Order(
        keyword="CHECKIP", subject="CHECKIP=203.0.113.7", arguments={"checkip": "203.0.113.7"},
        servers=("gv1p",), locks=("gv1p",), check=False, language="pt_BR", sender="ana@example.com",
        message_id=message_id,
    )  # fmt: skip
    delivery = Delivery(
        folder="INBOX", uidvalidity=1, uid=number, sender="ana@example.com", message_id=message_id,
        subject="CHECKIP", verdict="admitted", rule="token", reason="",
    )  # fmt: skip
    return store.take(delivery, order=order)


def reopened(tmp_path):
    return Store(connect(f"sqlite:///{tmp_path}/state/athome.db"))


def test_a_backup_is_one_sound_file_for_its_owner_alone(store, shell, tmp_path):
    """With all that was committed, no journal beside it, and no other account can read it."""
    queue(store, 1)
    file = tmp_path / "copy.db"
    assert "1 jobs" in shell("backup", file)
    assert 0o600 == file.stat().st_mode & 0o777
    assert ["copy.db"] == [path.name for path in tmp_path.glob("copy.db*")]
    assert (VERSION, 1, 1) == ((found := examine(file)).version, found.jobs, found.unfinished)


def test_a_backup_taken_while_others_write_is_consistent(store, tmp_path):
    """Beside a process that moves a sum between two rows without pause, every copy has the whole sum."""
    database = tmp_path / "state/athome.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE sums (id INTEGER PRIMARY KEY, amount INTEGER, filler BLOB)")
        connection.executemany(
            "INSERT INTO sums VALUES (?, 50, randomblob(2000))", [(number,) for number in range(400)]
        )
    writer = subprocess.Popen(
        [
            sys.executable, "-c",
            textwrap.dedent("""
                import random, sqlite3, sys
                connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
                while True:
                    one, other = random.sample(range(400), 2)
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute("UPDATE sums SET amount = amount - 1 WHERE id = ?", (one,))
                    connection.execute("UPDATE sums SET amount = amount + 1 WHERE id = ?", (other,))
                    connection.execute("COMMIT")
                    print("written", flush=True)
            """),
            str(database),
        ],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        seen = set()
        for number in range(8):
            assert b"written\n" == writer.stdout.readline()
            back_up(database, tmp_path / f"{number}.db")
            with closing(sqlite3.connect(tmp_path / f"{number}.db")) as copy:
                assert (20_000,) == copy.execute("SELECT sum(amount) FROM sums").fetchone()
                seen.add(copy.execute("SELECT group_concat(amount) FROM sums").fetchone())
        assert len(seen) > 1
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()


def test_a_backup_overwrites_nothing(store, shell, tmp_path):
    """Neither a file that is there, nor, where it fails, leaves it half a one."""
    file = tmp_path / "copy.db"
    file.write_text("mine")
    with pytest.raises(BackupError, match="já existe"):
        shell("backup", file)
    assert "mine" == file.read_text()
    with pytest.raises(BackupError, match="No such file"):
        shell("backup", tmp_path / "missing" / "copy.db")


def test_nothing_to_copy_is_said(shell, tmp_path):
    """And no empty database is made for it."""
    with pytest.raises(NotFoundError, match="não existe"):
        shell("backup", tmp_path / "copy.db")
    assert [] == list(tmp_path.glob("**/*.db"))


def test_postgresql_is_left_to_its_own_tools(shell, tmp_path):
    """The exact command, quoted for a shell, without a password."""
    settings = tmp_path / "settings.yml"
    settings.write_text("database: {url: 'postgresql+psycopg://athome@db.example.com:5433/at home'}\n")
    for verb in ("backup", "restore"):
        with pytest.raises(BackupError) as refused:
            shell(verb, tmp_path / "a copy")
        assert "pg_dump --format=custom" in refused.value.way_out
        assert "'--dbname=postgresql://athome@db.example.com:5433/at home'" in refused.value.way_out
        assert f"'{tmp_path}/a copy'" in refused.value.way_out


def test_a_restore_brings_back_what_was_and_keeps_what_is(store, shell, tmp_path):
    """The old file stays beside the new one, with what came after the backup."""
    store.finish(claimed(store, queue(store, 1)), DONE, None)
    shell("backup", tmp_path / "copy.db")
    store.finish(claimed(store, queue(store, 2)), DONE, None)
    store.engine.dispose()
    assert "athome.db.before-restore-" in shell("restore", tmp_path / "copy.db")
    assert [1] == [job.id for job in reopened(tmp_path).recent(9)]
    (kept,) = (tmp_path / "state").glob("athome.db.before-restore-*")
    assert 2 == examine(kept).jobs
    assert 0o600 == (tmp_path / "state/athome.db").stat().st_mode & 0o777
    assert [] == list((tmp_path / "state").glob("*restoring*"))


def claimed(store, number):
    job = store.claim()
    assert number == job.id
    return job


def test_a_number_is_not_given_twice_after_a_restore(store, shell, tmp_path):
    """Jobs that the backup does not know had numbers that people have read in mails."""
    shell("backup", tmp_path / "copy.db")
    for number in (1, 2, 3):
        store.finish(claimed(store, queue(store, number)), DONE, None)
    store.engine.dispose()
    shell("restore", tmp_path / "copy.db")
    assert 4 == queue(reopened(tmp_path), 9)


@pytest.mark.parametrize("running", [False, True])
def test_what_may_have_run_since_runs_only_if_somebody_says_so(store, shell, tmp_path, running):
    """Without a word, nothing is changed; canceled jobs are answered, once; run ones wait as they did."""
    queue(store, 1)
    if running:
        claimed(store, 1)
    shell("backup", tmp_path / "copy.db")
    store.engine.dispose()
    before = (tmp_path / "state/athome.db").read_bytes()
    with pytest.raises(BackupError, match="podem ter sido executados"):
        shell("restore", tmp_path / "copy.db")
    assert before == (tmp_path / "state/athome.db").read_bytes()
    shell("restore", tmp_path / "copy.db", "--unfinished", "run")
    again = reopened(tmp_path)
    assert (State.RUNNING if running else State.QUEUED) is again.job(1).state
    again.engine.dispose()
    shell("restore", tmp_path / "copy.db", "--unfinished", "cancel")
    again = reopened(tmp_path)
    assert State.CANCELED is again.job(1).state
    with again.engine.begin() as connection:
        (answer,) = connection.exec_driver_sql("SELECT message, state FROM outbox").all()
        assert [] == connection.exec_driver_sql("SELECT * FROM locks").all()
    assert "sending" == answer.state  # it too may have been answered: looked for first
    assert (
        "<1@example.com>"
        == email.message_from_bytes(answer.message, policy=email.policy.default)["In-Reply-To"]
    )


def test_a_restore_is_refused_while_a_service_holds_the_folder(store, shell, tmp_path):
    """It would write into the file that was put aside."""
    shell("backup", tmp_path / "copy.db")
    lock = os.open(tmp_path / "state/serve.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(AlreadyServingError):
        shell("restore", tmp_path / "copy.db")
    os.close(lock)
    store.engine.dispose()
    shell("restore", tmp_path / "copy.db")


def test_a_restore_is_refused_while_anybody_has_the_database_open(store, shell, tmp_path):
    """Such as an `athome run` at the shell: its result would be lost with the old file."""
    shell("backup", tmp_path / "copy.db")
    with store.engine.begin() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM jobs").all()
        with pytest.raises(BackupError, match="Outro processo"):
            shell("restore", tmp_path / "copy.db")
    assert [] == list((tmp_path / "state").glob("*restor*"))
    assert 1 == queue(store, 1)


@pytest.mark.parametrize("damage", ["page", "cut", "text", "empty", "other", "newer"])
def test_what_is_no_sound_backup_changes_nothing(store, shell, tmp_path, damage):
    """Damaged, cut, no database, not ours, or of a newer program: said, and everything is as it was."""
    for number in range(1, 60):
        queue(store, number)
    file = tmp_path / "copy.db"
    shell("backup", file)
    content = file.read_bytes()
    if damage == "page":
        file.write_bytes(content[:8192] + b"\xff" * 16384 + content[24576:])
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        file.write_text("not a database\n" * 1000)
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        with closing(sqlite3.connect(file)) as connection, connection:
            if damage == "other":
                connection.execute("DROP TABLE schema_version")
            else:
                connection.execute("UPDATE schema_version SET version = ?", (VERSION + 1,))
    store.engine.dispose()
    before = (tmp_path / "state/athome.db").read_bytes()
    with pytest.raises(BackupError) as refused:
        shell("restore", file, "--unfinished", "run")
    assert str(file) in refused.value.problem
    assert before == (tmp_path / "state/athome.db").read_bytes()
    assert {"athome.db", "serve.lock"} == {path.name for path in (tmp_path / "state").iterdir()}


def test_a_broken_database_can_be_replaced(store, shell, tmp_path):
    """That is when somebody restores; what is left of the old journal does not get into the new file."""
    queue(store, 1)
    shell("backup", tmp_path / "copy.db")
    store.engine.dispose()
    (tmp_path / "state/athome.db").write_bytes(b"\0" * 20_000)
    (tmp_path / "state/athome.db-wal").write_bytes(b"\1" * 5000)
    shell("restore", tmp_path / "copy.db", "--unfinished", "run")
    assert [1] == [job.id for job in reopened(tmp_path).recent(9)]
    (kept,) = (tmp_path / "state").glob("athome.db.before-restore-*Z")
    assert b"\0" * 20_000 == kept.read_bytes()


def test_a_restore_where_nothing_was_makes_a_new_home(store, shell, tmp_path):
    """On a new machine there is no database yet."""
    queue(store, 1)
    shell("backup", tmp_path / "copy.db")
    store.engine.dispose()
    for file in (tmp_path / "state").iterdir():
        file.unlink()
    assert "de antes" not in shell("restore", tmp_path / "copy.db", "--unfinished", "run")
    assert [1] == [job.id for job in reopened(tmp_path).recent(9)]


def test_an_older_backup_is_brought_up_to_date(store, shell, tmp_path):
    """Before it takes the database's place, so that a failure would change nothing."""
    shell("backup", tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection, connection:
        connection.execute("DROP TABLE totals")
    store.engine.dispose()
    shell("restore", tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "state/athome.db")) as connection:
        assert (0,) == connection.execute("SELECT count(*) FROM totals").fetchone()


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", ["prepare", "examine", "link", "replace", "sync"])
def test_a_restore_that_ends_half_way_leaves_a_whole_database(store, shell, tmp_path, monkeypatch, *, at):
    """Whatever step it dies at, the service finds the old one or the new one; and it can be done again."""
    queue(store, 1)
    shell("backup", tmp_path / "copy.db")
    queue(store, 2)
    store.engine.dispose()

    def crash(*_arguments, **_options):
        raise Crash

    with monkeypatch.context() as crashing:
        if at == "link":
            crashing.setattr(os, "link", crash)
        elif at == "replace":
            crashing.setattr(Path, "replace", crash)
        elif at == "sync":
            crashing.setattr(module, "_sync", crash)
        else:
            crashing.setattr(module, at, crash)
        crashing.setattr(module, "discard", lambda _new: None)  # a killed process cleans nothing up
        with pytest.raises(Crash):
            shell("restore", tmp_path / "copy.db", "--unfinished", "run")
    again = reopened(tmp_path)
    assert ([1] if at == "sync" else [2, 1]) == [job.id for job in again.recent(9)]
    again.engine.dispose()
    shell("restore", tmp_path / "copy.db", "--unfinished", "run")
    assert [1] == [job.id for job in reopened(tmp_path).recent(9)]


def test_a_backup_leaves_out_of_a_full_disk_nothing(store, tmp_path, monkeypatch):
    """What was written so far is removed, and the reason is said."""

    def full(_source, target):
        target.write_bytes(b"x")
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(module, "_copy", full)
    with pytest.raises(BackupError, match="disk is full"):
        back_up(tmp_path / "state/athome.db", tmp_path / "copy.db")
    assert [] == list(tmp_path.glob("copy.db*"))


def test_a_folder_keeps_the_newest_backups_and_whatever_else_is_in_it(store, shell, tmp_path):
    """Each backup has its time for a name; older ones go, a person's own copy stays."""
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "before-the-move.db").write_text("a person's")
    for _ in range(3):
        shell("backup", folder, "--keep", "2")
    *kept, own = sorted(folder.iterdir())
    assert ("before-the-move.db", 2) == (own.name, len(kept))
    assert all(examine(file).version == VERSION for file in kept)
    with pytest.raises(NotFoundError, match="não é uma pasta"):
        shell("backup", tmp_path / "one.db", "--keep", "2")
