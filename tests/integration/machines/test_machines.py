"""Two machines work on one PostgreSQL: one is killed, one is cut off the network and comes back."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from sqlalchemy import func, select

from dispatcher.jobs import schema
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Order
from dispatcher.jobs.store import Delivery, Store
from dispatcher.settings import PROJECT, Database
from tests.fleet import on
from tests.postgres import PASSWORD, cluster

HERE = Path(__file__).parent
CONTROLLER = "192.0.2.1"  # where PostgreSQL is
SERVERS = ("gv1p", "gv2p")
LEASE = 8  # seconds; at least 60 in the settings
BOUND = 90  # seconds that nothing here takes
INVENTORY = """
all:
  hosts:
    gv1p: {{ansible_host: 192.0.2.11}}
    gv2p: {{ansible_host: 192.0.2.12}}
  vars:
    ansible_user: root
    ansible_ssh_private_key_file: /run/athome-lab/ssh/id_ed25519
    ansible_ssh_common_args: -o UserKnownHostsFile=/run/athome-lab/ssh/known_hosts -o ServerAliveInterval=2
    ansible_control_path_dir: {sockets}
    ansible_ssh_use_tty: false
"""


@dataclass
class Machine:
    """A worker in the network of one of the lab's hosts, with a disk of its own."""

    network: str
    folder: Path
    url: str
    process: subprocess.Popen | None = None

    def __post_init__(self):
        self.folder.mkdir()
        self.sockets = tempfile.mkdtemp(prefix="m-")  # a short path, as sockets need it
        (self.folder / "hosts.yml").write_text(INVENTORY.format(sockets=self.sockets))
        (self.folder / "password").write_text(PASSWORD)
        (self.folder / "pepper").write_text("invented for tests only")
        (self.folder / "settings.yml").write_text(
            yaml.safe_dump({
                "inventory": "hosts.yml", "state_dir": "state",
                "database": {"url": self.url, "password_file": "password"},
                "mail": {"address": "athome@lab.example", "authserv_id": "mail.lab.example"},
                "tokens": {"pepper_file": "pepper"},
                # So that each has one of the two long jobs, and every mail is a result.
                "runs": {"concurrency": 1, "tell_after": 0},
            })
        )  # fmt: skip

        # Else the kernel sends what an ended SSH has left behind once the network is back, of a lost run too.
        keys = ["net.ipv4.tcp_orphan_retries=1"]
        subprocess.run(["nsenter", f"--net=/run/netns/{self.network}", "sysctl", "-qw", *keys], check=True)

    def start(self):
        command = ["nsenter", f"--net=/run/netns/{self.network}", sys.executable, HERE / "worker.py",
                   self.folder / "settings.yml", str(LEASE)]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdout=(self.folder / "log").open("a"), stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )  # fmt: skip

    def link(self, state):
        subprocess.run(["ip", "-n", self.network, "link", "set", "eth0", state], check=True)

    def said(self, word):
        return (self.folder / "log").read_text().count(word)


def waited(look, otherwise):
    deadline = time.monotonic() + BOUND
    while not (seen := look()):
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)
    return seen


def queue(store, number, server, steps):
    order = Order(
        keyword="STEPS", subject=f"STEPS={number}",
        arguments={"checkip": "203.0.113.7", "job": str(number), "steps": steps},
        servers=(server,), locks=(server,), check=False, language="pt_BR",
        sender="operador@lab.example", message_id=f"<{number}@lab.example>",
    )  # fmt: skip
    delivery = Delivery(
        folder="INBOX", uidvalidity=1, uid=number, sender=order.sender, message_id=order.message_id,
        subject=order.subject, verdict="admitted", rule="token", reason="",
    )  # fmt: skip
    return store.take(delivery, order=order)


def record(server):
    """Return what the server has written down: job, run, and begins or ends."""
    return [line.split() for line in on(server, "cat", "/run/machines", check=False).splitlines()]


def overlaps(lines):
    """Return every line of a run that came after another run had begun."""
    left, now, found = set(), None, []
    for job, run, what in lines:
        if run != now:
            if now is not None:
                left.add(now)
            now = run
        if run in left:
            found.append((job, run, what))
    return found


@pytest.fixture
def machines(lab, tmp_path):
    with cluster((CONTROLLER, 5433)) as server:
        url = f"postgresql+psycopg://athome@{CONTROLLER}:{server.port}/postgres"
        (tmp_path / "password").write_text(PASSWORD)
        store = Store(connect(Database(url=url, password_file=tmp_path / "password")), lease=LEASE)
        for name in SERVERS:
            on(name, "rm", "-f", "/run/machines")
        made = [Machine(network, tmp_path / network, url) for network in ("voip3", "audio2")]
        for machine in made:
            machine.start()
        yield store, made
        for machine in made:
            machine.link("up")
            machine.process.kill()
            machine.process.wait()
            shutil.rmtree(machine.sockets, ignore_errors=True)
        store.engine.dispose()


def test_killed_and_cut_off_machines_lose_nothing_and_do_nothing_twice_at_once(machines):
    """Every job ends with one answer, in the order of its server, and no two runs meet on a server."""
    store, (killed, cut) = machines
    numbers = {
        queue(store, number, SERVERS[number % 2], 25 if number <= 2 else 3): number for number in range(1, 13)
    }

    def running_on(machine):
        return machine.said(", attempt ") > machine.said(" s\n") and any(record(name) for name in SERVERS)

    waited(lambda: running_on(killed) and running_on(cut), "both are to work")
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.wait()
    cut.link("down")
    time.sleep(LEASE + 4)  # now nobody has the two jobs
    killed.start()  # the machine has started again
    waited(lambda: killed.said("nobody has kept it") >= 1, "its lease has ended")
    time.sleep(LEASE)
    cut.link("up")

    def ended():
        done = select(func.count()).select_from(schema.jobs).where(schema.jobs.c.finished_at.is_not(None))
        with store.engine.begin() as connection:
            return connection.execute(done).scalar_one() == len(numbers)

    waited(ended, f"all jobs are to end: {[(job.id, job.state, job.attempts) for job in store.recent(20)]}")
    more = queue(store, 99, SERVERS[0], 1), queue(store, 100, SERVERS[1], 1)
    waited(lambda: all(store.job(number).state.terminal for number in more), "both machines go on")

    with store.engine.begin() as connection:
        answered = Counter(connection.execute(select(schema.outbox.c.job_id)).scalars())
    assert dict.fromkeys([*numbers, *more], 1) == dict(answered)
    for name in SERVERS:
        lines = record(name)
        assert [] == overlaps(lines)
        order = list(dict.fromkeys(int(job) for job, _run, _what in lines))
        assert sorted(order) == order
    again = [job.id for job in store.recent(20) if job.attempts > 1]
    assert 2 == len(again), again  # the killed one's and the cut one's
    assert cut.said("no longer ours")
