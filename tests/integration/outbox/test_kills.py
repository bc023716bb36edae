"""Killed at any moment, the outbox loses nothing; without kept copies, what comes twice is the same mail."""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from email import message_from_bytes
from threading import Event, Thread, Timer

import pytest
from sqlalchemy import insert, select

from dispatcher.jobs.database import connect
from dispatcher.jobs.schema import outbox as rows
from dispatcher.replies.outbox import Outbox
from dispatcher.settings import Smtp
from tests.integration.outbox.scripted import ScriptedServer, certificate

PATIENCE = 60  # seconds


def serve_until_killed(url, smtp):
    engine = connect(url)
    stop, wake = Event(), Event()

    def watch():
        while True:
            with engine.begin() as connection:
                if not {"waiting", "sending"} & set(connection.execute(select(rows.c.state)).scalars()):
                    break
            time.sleep(0.05)
            wake.set()
        stop.set()
        wake.set()

    Thread(target=watch, daemon=True).start()
    Outbox(engine, smtp).run(stop, wake)


def kill(child):
    with suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)


@pytest.mark.parametrize("count", [40, pytest.param(300, marks=pytest.mark.long)])
def test_killed_around_the_servers_answer_nothing_is_lost_and_doubles_are_the_same_mail(
    tmp_path, record_property, count
):
    """SIGKILL within 4 ms of the server's 250, for each mail once: all arrive, and no mail has two names."""
    pem = certificate(tmp_path)
    url = f"sqlite:///{tmp_path}/athome.db"
    engine = connect(url)
    names = [f"<{number}@example.com>" for number in range(count)]
    with engine.begin() as connection:
        for name in names:
            mail = f"From: athome@example.com\r\nMessage-ID: {name}\r\n\r\nx\r\n".encode()
            connection.execute(
                insert(rows).values(
                    message_id=name, recipient="ana@example.com", state="waiting", not_before=0.0,
                    created_at=0.0, message=mail,
                )
            )  # fmt: skip
    engine.dispose()
    chance = random.Random(6)  # noqa: S311 - moments, not secrets
    shots = 0
    child = None

    def kill_around(line, _taken):
        nonlocal shots
        if line == "end of data" and shots < count:
            shots += 1
            Timer(chance.uniform(0, 0.004), kill, (child,)).start()

    server = ScriptedServer(pem, script=kill_around)
    secret = tmp_path / "password"
    secret.write_text("invented")
    smtp = Smtp(
        host="localhost", port=server.port, security="tls", user="account", timeout=5, password_file=secret,
        ca_file=pem,
    )  # fmt: skip
    fork = multiprocessing.get_context("fork")
    kills = 0
    while child is None or child.exitcode != 0:
        child = fork.Process(target=serve_until_killed, args=(url, smtp))
        child.start()
        child.join(PATIENCE)
        kills += child.exitcode == -signal.SIGKILL
        assert child.exitcode in (0, -signal.SIGKILL)
    server.close()
    arrived = Counter(message_from_bytes(mail)["Message-ID"] for mail in server.taken)
    doubles = arrived.total() - count
    record_property("kills", kills)
    record_property("doubles", doubles)
    print(f"{count} mails, {kills} kills, {doubles} too many, one mail {max(arrived.values())} times")
    assert kills > count / 2
    assert set(names) == set(arrived)
    assert doubles <= kills
