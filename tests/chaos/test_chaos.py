"""Hundreds of commands by mail while everything breaks: nothing is lost, nothing is done twice at once."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections import Counter, defaultdict
from contextlib import ExitStack, suppress
from threading import Event, Thread

import pytest

from dispatcher.errors import StoreError
from dispatcher.jobs.database import connect
from tests.chaos import record
from tests.chaos.machines import KINDS, SERVERS, Machine, first_settings
from tests.chaos.storm import KEEP_COPIES, KEEP_NONE, START, Outages, Staff, Storm, on_mail_host
from tests.postgres import cluster

DISK = "64m"
# A crash of PostgreSQL loses nothing that it has said to be committed; the machine itself does not crash.
DURABLE = ("fsync=off", "full_page_writes=off")
SEED = 6


def command(number: int) -> str:
    """Return a command: for all servers, for one of them, or one that is wrong."""
    if number % 10 == 9:
        return f"CHECKIP=2001:db8::zz{number}"
    if number % 3 == 0:
        return f"CHECKIP=2001:db8::{number:x}"
    server = SERVERS[number // 3 % 3]
    return f"MACCHANGE={9000 + number} MACATUAL=010203040506 MACFUTURO=010203040599 SERVER={server}"


@pytest.fixture
def copies(lab):
    others = on_mail_host("doveadm who -1 athome@lab.example").splitlines()[1:]
    assert not others, f"another dispatcher reads the same mailbox, and would answer too: {others}"
    on_mail_host(KEEP_COPIES)
    yield
    for server in START.values():
        on_mail_host(f"({server}) || true")  # it runs, unless a test has failed in between
    on_mail_host(KEEP_NONE)


@pytest.fixture
def disk(tmp_path):
    """A small disk for the state of every machine."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def waited(look, otherwise, patience):
    deadline = time.monotonic() + patience
    while not (seen := look()):
        assert time.monotonic() < deadline, otherwise()
        time.sleep(1)
    return seen


@pytest.mark.parametrize(
    ("count", "rounds", "interrupted", "pause", "patience"),
    [
        pytest.param(16, 1, 2, (0.2, 1.5), 240, id="short"),
        pytest.param(200, 6, 20, (0.5, 3.0), 900, id="long", marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_whatever_crashes_each_command_is_answered_once_and_no_two_runs_meet(
    lab, copies, disk, tmp_path, *, kind, count, rounds, interrupted, pause, patience, record_property
):
    """Every process is killed, every server restarted, the disk full: lost 0, overlaps 0, one answer each."""
    record.forget()
    with ExitStack() as closing:
        server = closing.enter_context(cluster(settings=DURABLE)) if kind == "postgresql" else None
        url = closing.enter_context(server.database()) if server else None
        verbs = ("serve", "serve", "work") if server else ("serve",)
        machines = [Machine(verb, tmp_path / f"m{at}", disk, url) for at, verb in enumerate(verbs)]
        for machine in machines:
            closing.callback(machine.clear)
        staff = Staff(first_settings(machines[0]), f"chaos-{secrets.token_hex(4)}")
        engine = connect(url or f"sqlite:///{machines[0].state}/athome.db")
        closing.callback(engine.dispose)
        outages = Outages(machines, disk, server, work=lambda: unanswered(engine))
        began = time.monotonic()
        storm = weather(machines, staff, outages, engine, lab, count=count, rounds=rounds,
                        interrupted=interrupted, pause=pause, patience=patience)  # fmt: skip
        figures = verify(lab, engine, staff, machines)
    seconds = round(time.monotonic() - began)
    figures |= {"seconds": seconds, "kills": dict(storm.kills), "noticed": outages.noticed}
    for name, figure in figures.items():
        record_property(name, figure)
    print(kind, figures)
    assert all(outages.noticed.values()), f"an outage that nobody has noticed: {outages.noticed}"


def weather(machines, staff, outages, engine, lab, *, count, rounds, interrupted, pause, patience):
    """Have all commands sent and all goes wrong that can; return when it is over and all has ended.

    More commands than ``count`` are sent until so many jobs were interrupted, each kind of process killed and
    all outages over: what hits nobody proves nothing, and without work there is nobody to hit.
    """
    over, calm = Event(), Event()

    def again():
        with suppress(StoreError):
            return sum(job.attempts > 1 for job in record.jobs(engine))
        return 0

    def enough():
        return calm.is_set() and again() >= interrupted and set(KINDS) == set(storm.kills)

    def write():
        number = 0
        while not over.is_set() and (number < count or not enough()):
            number += 1
            staff.write(number, command(number), over)
            over.wait(0.3 if number < count else 2)

    for machine in machines:
        machine.start()
    writer = Thread(target=write)
    storm = Storm(machines, SEED, pause)
    with storm.rages():
        try:
            writer.start()
            time.sleep(3)
            for _round in range(rounds):
                for happens in outages.all():
                    happens()
                    time.sleep(1)
            calm.set()
            writer.join(patience)
            assert enough(), f"{again()} jobs interrupted, killed: {storm.kills}"
            storm.calm()
            settled(staff, engine, lab, count, patience)
        finally:
            over.set()
            writer.join()
    for machine in machines:
        assert machine.end() == 0, machine.log.read_text()[-3000:]
    return storm


def unanswered(engine):
    """Whether a job has not ended: its answer is still to be sent."""
    with suppress(StoreError):
        return any(not job.finished_at for job in record.jobs(engine))
    return False


def settled(staff, engine, lab, count, patience):
    """Wait until every command has its answer, and no mail is on its way any more."""

    def left():
        on_mail_host("postqueue -f")
        answered = {answer.about for answer in record.answers(lab, staff.run)}
        return sorted(number for number, name in staff.taken.items() if name not in answered)

    def quiet():
        states = {row.state for row in record.replies(engine)}
        return not states & {"waiting", "sending"} and "is empty" in on_mail_host("postqueue -f; mailq")

    def state():
        found = [(job.id, job.state, job.attempts) for job in record.jobs(engine) if not job.finished_at]
        mails = [(row.id, row.state, row.error) for row in record.replies(engine) if row.state != "sent"]
        return f"without answer: {left()}; unfinished: {found}; mails: {mails}"

    assert len(staff.taken) >= count, "not all commands could be handed in"
    waited(lambda: not left(), state, patience)
    waited(quiet, state, patience)


def verify(lab, engine, staff, machines):
    """Compare mailbox, servers and database with what was asked for; return the figures."""
    jobs, audit = record.jobs(engine), record.messages(engine)
    by_mail = defaultdict(list)
    for answer in record.answers(lab, staff.run):
        by_mail[answer.about].append(answer)

    # Nothing lost, and one answer for each: never a second one that says something else.
    names = set(staff.taken.values())
    assert names == set(by_mail)
    several = {name: found for name, found in by_mail.items() if len({one.message_id for one in found}) != 1}
    assert {} == several
    wrong = {name for number, name in staff.taken.items() if number % 10 == 9}
    assert sorted(names - wrong) == sorted(job.message_id for job in jobs)
    assert all(job.finished_at for job in jobs)

    # Who got an answer twice got the same mail, and why is known.
    taken = sum(len({one.queue_id for one in found}) - 1 for found in by_mail.values())
    delivered = sum(len(found) - len({one.queue_id for one in found}) for found in by_mail.values())
    repeated = sum(row.verdict == "repeated" for row in audit)

    # First come, first served: in the order of the mailbox, on every server.
    arrived = [row.job_id for row in audit if row.job_id]
    assert sorted(arrived) == arrived
    uids = [row.uid for row in audit if row.job_id]
    assert sorted(uids) == uids
    ids = {record.about(job): job.id for job in jobs}
    runs = 0
    for server in SERVERS:
        lines = record.traces(server)
        assert [] == record.overlaps(lines)
        turns = [ids[about] for about, _run, _what, _when in lines]
        assert sorted(turns) == turns, f"{server}: not first in, first out"
        runs += len({run for _about, run, _what, _when in lines})
    return {
        "commands": len(names),
        "jobs": dict(Counter(job.state for job in jobs)),
        "refused": len(wrong),
        "jobs interrupted": sum(job.attempts > 1 for job in jobs),
        "most starts of a job": max(job.attempts for job in jobs),
        "runs on servers": runs,
        "starts of services": sum(machine.starts for machine in machines),
        "commands delivered again": repeated,
        "answers taken twice": taken,
        "answers delivered twice by Postfix": delivered,
        "answers sent again in doubt": sum(
            machine.log.read_text(errors="replace").count("may arrive twice") for machine in machines
        ),
    }
