"""What is past its days is forgotten, nothing else is, and counters never go back."""

import fcntl
import json
import os
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from click.testing import CliRunner
from sqlalchemy import func, insert, select

from dispatcher.cli import athome
from dispatcher.errors import NotFoundError
from dispatcher.jobs import totals
from dispatcher.jobs.audit import DAY
from dispatcher.jobs.database import connect
from dispatcher.jobs.housekeeping import Housekeeping, Purged
from dispatcher.jobs.schema import confirmations, job_servers, jobs, messages, outbox
from dispatcher.jobs.store import Store
from dispatcher.replies.letters import Letters, NotNowError
from dispatcher.settings import Retention, Settings

NOW = 1_800_000_000.0
LINK = "https://s3.example.com/a.zip?X-Amz-Signature=0badc0ffee"


@pytest.fixture
def engine(database):
    made = connect(database)
    yield made
    made.dispose()


@pytest.fixture
def keeping(engine, tmp_path):
    retention = Retention(jobs_days=100, replies_days=50, runs_days=10)
    return Housekeeping(engine, Settings(state_dir=tmp_path, retention=retention))


@pytest.fixture
def add(engine):
    """Add a job of so many days ago, with its mail's row and, in this state, its reply."""

    def job(number, days, state="successful", *, reply="sent", seconds=3.0, report=None, keyword="CHECKIP"):
        at = NOW - days * DAY
        over = state in totals.TERMINAL
        with engine.begin() as connection:
            connection.execute(
                insert(jobs).values(
                    id=number, sender="ana@example.com", message_id=f"<{number}@example.com>", thread="",
                    keyword=keyword, subject="CHECKIP=203.0.113.7", arguments={}, servers=["gv1p"],
                    check=False, language="pt_BR", state=state, attempts=1, owner="serve", created_at=at,
                    started_at=at if over else None, finished_at=at + seconds if over else None,
                    report=report,
                )
            )  # fmt: skip
            connection.execute(insert(job_servers).values(job_id=number, server="gv1p"))
            connection.execute(
                insert(confirmations).values(
                    job_id=number, sender="ana@example.com", digest=str(number), expires_at=at
                )
            )
            connection.execute(
                insert(messages).values(
                    folder="INBOX", uidvalidity=1, uid=number, seen_at=at, verdict="admitted", rule="token",
                    reason="", job_id=number,
                )
            )  # fmt: skip
            if reply:
                connection.execute(
                    insert(outbox).values(
                        message_id=f"<r{number}@example.com>", job_id=number, recipient="ana@example.com",
                        message=b"text", state=reply, not_before=0.0, created_at=at, sent_at=at,
                    )
                )  # fmt: skip

    return job


def numbers(engine, table=jobs):
    with engine.begin() as connection:
        return list(connection.execute(select(table.c.id).order_by(table.c.id)).scalars())


def size(engine, table):
    with engine.begin() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def counted(engine):
    with engine.begin() as connection:
        runs = {key: (count.number, round(count.seconds)) for key, count in totals.runs(connection).items()}
        return runs, dict(totals.mails(connection))


def test_a_finished_job_goes_with_all_that_belongs_to_it(engine, keeping, add):
    """After its days, with its reply's row, lock names and confirmation; the younger one stays whole."""
    add(1, 101)
    add(2, 99)
    gone = keeping.purge(NOW)
    assert (1, 0) == (gone.jobs, gone.mails)
    assert [2] == numbers(engine)
    assert [1] * 3 == [size(engine, table) for table in (outbox, job_servers, confirmations)]
    assert 2 == size(engine, messages)  # the audit has its own days


@pytest.mark.parametrize("state", ["queued", "running", "awaiting_confirmation"])
def test_what_is_not_finished_is_never_forgotten(engine, keeping, add, state):
    """However old it is."""
    add(1, 10_000, state, reply=None)
    assert 0 == keeping.purge(NOW).jobs
    assert [1] == numbers(engine)


@pytest.mark.parametrize("reply", ["waiting", "sending", "dead", "bounced"])
def test_a_job_whose_reply_needs_somebody_is_kept(engine, keeping, add, reply):
    """A reply that the server or a person has still to do with holds its job, and its own text."""
    add(1, 10_000, reply=reply)
    assert (0, 0) == ((gone := keeping.purge(NOW)).jobs, gone.texts)
    assert b"text" == Letters(engine).get(1)[1]


def test_the_text_of_a_sent_reply_goes_before_its_row(engine, keeping, add):
    """Its row still says that it was sent, and a try to send it again is refused, not sent empty."""
    add(1, 51)
    add(2, 49)
    assert 1 == keeping.purge(NOW).texts
    assert [b"", b"text"] == [Letters(engine).get(number)[1] for number in (1, 2)]
    with engine.begin() as connection:
        connection.execute(outbox.update().values(state="bounced"))
    with pytest.raises(NotNowError, match="já foi apagado"):
        Letters(engine).retry(1)
    assert "bounced" == Letters(engine).get(1)[0].state
    assert 0 == keeping.purge(NOW).texts


@pytest.mark.parametrize(("expires", "kept"), [(NOW + 1, True), (NOW - 1, False)])
def test_a_link_that_opens_nothing_any_more_goes_out_of_the_report(engine, keeping, add, expires, kept):
    """The rest of the report stays as it was, and can be read."""
    data = {"link": LINK, "expires": int(expires), "name": "a.zip"}
    host = {"host": "audio", "outcome": "changed", "code": "audio.collected", "data": data}
    add(1, 1, keyword="RAMAIS", report={"status": "successful", "check": False, "hosts": [host]})
    assert (0 if kept else 1) == keeping.due(NOW).links == keeping.purge(NOW).links
    with engine.begin() as connection:
        (result,) = connection.execute(select(jobs.c.report)).scalar_one()["hosts"]
    assert kept == ("link" in result["data"])
    assert "a.zip" == result["data"]["name"]
    assert 0 == keeping.purge(NOW).links


def test_counters_are_the_same_before_and_after(engine, keeping, add):
    """Runs by command, outcome and duration, and mails by verdict and rule, also after several purges."""
    for number in range(1, 41):
        state = ("successful", "failed", "expired")[number % 3]
        keyword = ("CHECKIP", "RAMAIS")[number % 2]
        add(number, 3 * number, state, seconds=float(number), keyword=keyword)
    before = counted(engine)
    assert 40 == sum(before[1].values()) == sum(number for number, _seconds in before[0].values())
    for later in (0, 100, 1000):
        keeping.purge(NOW + later * DAY)
        assert before == counted(engine)
    assert ([], []) == (numbers(engine), numbers(engine, messages))


def test_many_are_forgotten_in_several_transactions(engine, keeping, add):
    """More jobs than one transaction takes: all of them go."""
    for number in range(1, 512):
        add(number, 200, reply=None)
    assert 511 == keeping.purge(NOW).jobs


def test_two_machines_that_forget_at_once_count_each_job_once(engine, keeping, add):
    """On one database, however their transactions meet: nothing fails, nothing is counted twice."""
    for number in range(1, 601):
        add(number, 500, reply=None)
    before = counted(engine)
    with ThreadPoolExecutor(4) as pool:
        gone = list(pool.map(lambda _machine: keeping.purge(NOW), range(4)))
    assert (600, 600) == (sum(one.jobs for one in gone), sum(one.mails for one in gone))
    assert before == counted(engine)
    assert [] == numbers(engine)


def test_folders_of_runs_that_are_over_go(engine, keeping, add, tmp_path):
    """Not that of a young job, of one that runs, nor one that a guard still holds."""
    add(1, 11)
    add(2, 9)
    add(3, 11, "running", reply=None)
    add(4, 11)
    for name in ("1", "2", "3", "4", "99", "other"):
        (tmp_path / "runs" / name / "artifacts").mkdir(parents=True)
        os.utime(tmp_path / "runs" / name, (NOW - 11 * DAY,) * 2)
    held = os.open(tmp_path / "runs/4", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert 4 == keeping.due(NOW).runs
    assert 3 == keeping.purge(NOW).runs
    os.close(held)
    assert {"2", "3", "4"} == {folder.name for folder in (tmp_path / "runs").iterdir()}


def test_the_service_begins_with_it_and_ends_when_told_to(engine, keeping, add, caplog):
    """A purge at once, then one a day; what was forgotten is in the log."""
    add(1, 20_000)
    stop = Event()
    stop.set()
    with caplog.at_level("INFO"):
        keeping.run(stop)
    assert [] == numbers(engine)
    assert "jobs=1" in caplog.text


def test_what_cannot_be_forgotten_does_not_stop_the_service(engine, keeping, caplog):
    """A fault of it would come again at each start; the log has it."""
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE used_codes")
    stop = Event()
    stop.set()
    keeping.run(stop)
    assert "nothing is purged today" in caplog.text


def test_at_the_shell_check_tells_and_changes_nothing(engine, add, tmp_path, database):
    """`athome purge --check` counts what `athome purge` then deletes; both say it in JSON too."""
    add(1, 10_000)
    settings = tmp_path / "settings.yml"
    settings.write_text(json.dumps({"state_dir": str(tmp_path), "database": {"url": database}}))

    def shell(*arguments):
        return CliRunner().invoke(athome, ["--settings", str(settings), "purge", *arguments])

    foreseen = json.loads(shell("--check", "--json").output)
    assert (True, 1) == (foreseen["check"], foreseen["jobs"])
    assert [1] == numbers(engine)
    assert "Apagado:\n" in shell().output
    with pytest.raises(NotFoundError):
        Store(engine).job(1)
    assert {"check": False, **dict.fromkeys(Purged.__dataclass_fields__, 0)} == json.loads(
        shell("--json").output
    )
