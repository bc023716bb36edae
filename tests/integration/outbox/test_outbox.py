"""Replies leave through an SMTP server, each at least once, whatever the server says."""

import email
import imaplib
import ssl
import time
from threading import Event, Thread

import pytest
from sqlalchemy import insert, select, update

from dispatcher.errors import DeliveryError
from dispatcher.jobs.database import connect
from dispatcher.jobs.schema import outbox as rows
from dispatcher.replies.outbox import Outbox
from dispatcher.settings import Smtp
from tests.integration.outbox.scripted import DROP, ScriptedServer, certificate

NOW = 2_000_000_000.0  # a moment that is later than every first try


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(pem):
    running = ScriptedServer(pem)
    yield running
    running.close()


@pytest.fixture
def engine(database):
    opened = connect(database)
    yield opened
    opened.dispose()


def smtp(server, pem, tmp_path, **changes) -> Smtp:
    secret = tmp_path / "password"
    secret.write_text("invented")
    given = {
        "host": "localhost", "port": server.port, "security": "tls", "user": "account", "timeout": 5,
        "password_file": secret, "ca_file": pem,
    }  # fmt: skip
    return Smtp(**given | changes)


@pytest.fixture
def box(engine, server, pem, tmp_path) -> Outbox:
    return Outbox(engine, smtp(server, pem, tmp_path))


def post(engine, *names: str, recipient="ana@example.com", not_before=0.0) -> None:
    with engine.begin() as connection:
        for name in names:
            connection.execute(
                insert(rows).values(
                    message_id=f"<{name}@example.com>", recipient=recipient, state="waiting",
                    message=f"From: Monitor <athome@example.com>\r\nSubject: {name}\r\n\r\n.x\r\n".encode(),
                    not_before=not_before, created_at=0.0,
                )
            )  # fmt: skip


def states(engine) -> list[tuple[str, int]]:
    with engine.begin() as connection:
        return [
            tuple(row)
            for row in connection.execute(select(rows.c.state, rows.c.attempts).order_by(rows.c.id))
        ]


def errors(engine) -> list[str | None]:
    with engine.begin() as connection:
        return list(connection.execute(select(rows.c.error).order_by(rows.c.id)).scalars())


def waits(engine) -> list[float]:
    with engine.begin() as connection:
        return [
            at - time.time()
            for at in connection.execute(select(rows.c.not_before).order_by(rows.c.id)).scalars()
        ]


def test_a_batch_goes_over_one_connection(box, engine, server):
    """Three mails, one connection, in their order, from the address that they show; then nothing is due."""
    post(engine, "one", "two", "three")
    assert 3 == box.send_due(NOW)
    assert 0 == box.send_due(NOW)
    assert 1 == server.connections
    assert ["Subject: one", "Subject: two", "Subject: three"] == [
        mail.decode().splitlines()[1] for mail in server.taken
    ]
    assert {"athome@example.com"} == set(server.envelopes)
    assert [("sent", 1)] * 3 == states(engine)


def test_what_is_not_due_waits(box, engine, server):
    """A reply whose time has not come costs no connection."""
    post(engine, "later", not_before=NOW + 1)
    assert 0 == box.send_due(NOW)
    assert 0 == server.connections


@pytest.mark.parametrize("where", ["MAIL", "RCPT", "end of data"])
def test_a_temporary_refusal_is_tried_again(box, engine, server, where):
    """4xx at any point: the reply stays, later ones go out, and the next try brings it."""
    post(engine, "one", "two")
    told = []

    def once(line, _taken):
        if line.startswith(where) and not told:
            told.append(line)
            return "451 4.3.0 later"
        return None

    server.script = once
    assert 1 == box.send_due(NOW)
    assert [("waiting", 1), ("sent", 1)] == states(engine)
    assert 0 < waits(engine)[0] <= 2
    assert 1 == box.send_due(NOW)
    assert [("sent", 2), ("sent", 1)] == states(engine)


def test_the_waits_grow_to_ten_minutes(box, engine, server):
    """Each failure doubles the wait, less up to a half by chance, and it never gets over ten minutes."""
    post(engine, "one")
    server.script = lambda line, _taken: "421 4.3.2 closing" if line.startswith("MAIL") else None
    seen = []
    for _ in range(12):
        assert 0 == box.send_due(NOW)
        seen.append(waits(engine)[0])
    longest = [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]
    assert all(most / 2 - 1 < wait <= most for most, wait in zip(longest, seen, strict=True)), seen
    assert len({wait / most for most, wait in zip(longest, seen, strict=True)}) > 1


@pytest.mark.parametrize("where", ["RCPT", "end of data"])
def test_a_final_refusal_is_kept_for_a_person(box, engine, server, where, caplog):
    """5xx about a mail: it is dead with the server's words, logged as an error, and not tried again."""
    post(engine, "one", "two")

    def refuse_the_first(line, _taken):
        mine = line.startswith(where) and len(server.envelopes) == 1
        return "550 5.1.1 nobody\x1b[31m here" if mine else None

    server.script = refuse_the_first
    assert 1 == box.send_due(NOW)
    assert [("dead", 1), ("sent", 1)] == states(engine)
    assert 0 == box.send_due(NOW)
    assert ["ERROR"] == [record.levelname for record in caplog.records if "one@example.com" in record.message]
    with engine.begin() as connection:
        assert "550 5.1.1 nobody[31m here" == connection.execute(select(rows.c.error)).scalars().first()


def test_a_sender_that_is_refused_kills_no_reply(box, engine, server):
    """5xx about our own account is a wrong setting: every reply waits until it has been put right."""
    post(engine, "one")
    server.script = lambda line, _taken: "553 5.7.1 not your address" if line.startswith("MAIL") else None
    assert 0 == box.send_due(NOW)
    assert [("waiting", 1)] == states(engine)
    server.script = lambda _line, _taken: None
    assert 1 == box.send_due(NOW)


@pytest.mark.parametrize("where", ["MAIL", "RCPT", "DATA", "end of data"])
def test_a_lost_connection_costs_the_mails_behind_nothing(box, engine, server, where):
    """The one in hand is tried again later; those behind it go out with the next connection.

    From DATA on it is a doubt.
    """
    post(engine, "one", "two", "three")
    server.script = lambda line, _taken: DROP if line.startswith(where) and server.connections == 1 else None
    assert 0 == box.send_due(NOW)
    doubtful = where in ("DATA", "end of data")
    assert [("sending" if doubtful else "waiting", 1), ("waiting", 0), ("waiting", 0)] == states(engine)
    assert 3 == box.send_due(NOW)
    assert [("sent", 2), ("sent", 1), ("sent", 1)] == states(engine)


def test_a_refusal_for_the_day_is_no_refusal_for_good(box, engine, server):
    """Gmail's 550 5.4.5 is about the account's limit: the reply waits. One that is too large never goes."""
    post(engine, "one", "two")
    full = "550 5.4.5 Daily user sending limit exceeded"
    server.script = lambda line, _taken: full if line == "end of data" else None
    assert 0 == box.send_due(NOW)
    assert [("waiting", 1)] * 2 == states(engine)
    server.script = lambda line, _taken: "552 5.3.4 too big" if line.startswith("MAIL") else None
    assert 0 == box.send_due(NOW)
    assert [("dead", 2)] * 2 == states(engine)
    assert 2 == box.counts["refused"]


def test_closing_with_an_answer_is_no_doubt(box, engine, server):
    """421 instead of 250: it was not taken, the others go over the next connection."""
    post(engine, "one", "two")
    closing = "421 4.3.2 closing"
    server.script = lambda line, _taken: (
        closing if line == "end of data" and server.connections == 1 else None
    )
    assert 0 == box.send_due(NOW)
    assert [("waiting", 1), ("waiting", 0)] == states(engine)
    assert 2 == box.send_due(NOW)
    assert 0 == box.counts["again"]


def test_a_doubt_without_kept_copies_is_sent_again_and_counted(box, engine, server, caplog):
    """The server took it, and its answer was lost: the same mail goes again, with a warning."""
    post(engine, "one")
    server.script = lambda line, _taken: DROP if line == "end of data" and server.connections == 1 else None
    assert 0 == box.send_due(NOW)
    assert [("sending", 1)] == states(engine)
    assert 1 == box.send_due(NOW)
    assert (1, 1) == (box.counts["doubtful"], box.counts["again"])
    assert any("may arrive twice" in record.getMessage() for record in caplog.records)


def test_two_senders_send_each_mail_once(engine, server, pem, tmp_path):
    """Two machines with one table: what one has in hand, the other leaves alone."""
    names = [str(number) for number in range(60)]
    post(engine, *names)
    url = str(engine.url)
    boxes = [Outbox(connect(url), smtp(server, pem, tmp_path)) for _ in range(2)]
    threads = [Thread(target=box.send_due, args=(time.time(),)) for box in boxes]
    second = ScriptedServer(pem)  # each talks to a server of its own, at the same time
    boxes[1]._smtp = smtp(second, pem, tmp_path)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    second.close()
    taken = [mail.decode().splitlines()[1] for mail in server.taken + second.taken]
    assert sorted(f"Subject: {name}" for name in names) == sorted(taken)
    assert {("sent", 1)} == set(states(engine))


def test_what_another_has_in_hand_is_left_until_its_time_is_over(box, engine, server):
    """A row that is being sent is touched by nobody else, until whoever has it must be dead."""
    post(engine, "one", not_before=NOW)
    with engine.begin() as connection:
        connection.execute(update(rows).values(state="sending", attempts=1, sent_at=0.0))
    assert 0 == box.send_due(NOW - 1)
    assert 0 == server.connections
    assert 1 == box.send_due(NOW)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # elsewhere others may have it in hand
def test_what_a_dead_process_had_in_hand_is_released_at_the_start(box, engine, server):
    """On one machine nobody waits for the dead: the next start settles it at once."""
    post(engine, "one", not_before=NOW)
    with engine.begin() as connection:
        connection.execute(update(rows).values(state="sending", attempts=1, sent_at=0.0))
    stop = Event()
    stop.set()
    box.run(stop, Event())
    assert [("sent", 2)] == states(engine)


def test_a_strange_goodbye_changes_nothing(box, engine, server):
    """What was taken is sent, whatever is said to QUIT."""
    post(engine, "one")
    server.script = lambda line, _taken: "500 what" if line == "QUIT" else None
    assert 1 == box.send_due(NOW)
    assert [("sent", 1)] == states(engine)


@pytest.mark.parametrize("fault", ["certificate", "password", "no password", "nobody listens", "no tls"])
def test_without_a_connection_every_reply_waits(engine, server, pem, tmp_path, fault):
    """A wrong certificate, password, port or protection: an error with the way out, and nothing is lost."""
    changes = {
        "certificate": {"ca_file": None},
        "password": {},
        "no password": {"password_file": tmp_path / "missing"},
        "nobody listens": {"port": 1},
        "no tls": {"security": "starttls", "timeout": 1},
    }[fault]
    if fault == "password":
        server.script = lambda line, _taken: "535 5.7.8 no" if line.startswith("AUTH") else None
    post(engine, "one", "two")
    with pytest.raises(DeliveryError, match="seção smtp") as caught:
        Outbox(engine, smtp(server, pem, tmp_path, **changes)).send_due(NOW)
    assert not caught.value.permanent
    assert "invented" not in str(caught.value)
    assert [("waiting", 0)] * 2 == states(engine)
    assert [] == server.taken


def test_an_address_that_smtp_cannot_say_is_dead(box, engine):
    """It harms neither the loop nor the others."""
    post(engine, "one", recipient="josé@example.com")
    post(engine, "two")
    assert 1 == box.send_due(NOW)
    assert [("dead", 1), ("sent", 1)] == states(engine)


def test_the_loop_sends_at_once_and_survives_faults(box, engine, server):
    """It outlasts a server that hangs up, sends when it is woken, and empties the box before it ends."""
    stop, wake = Event(), Event()
    server.script = lambda _line, _taken: DROP if server.connections == 1 else None
    post(engine, "one")
    thread = Thread(target=box.run, args=(stop, wake))
    thread.start()
    while errors(engine) == [None]:
        time.sleep(0.01)
    post(engine, "two")
    wake.set()
    while ("sent", 1) not in states(engine):
        time.sleep(0.01)
    post(engine, "three")
    stop.set()
    wake.set()
    thread.join(10)
    assert not thread.is_alive()
    assert ("sent", 1) == states(engine)[2]


def test_a_real_server_takes_it_and_delivers_it(lab, engine):
    """Through the lab's Postfix with STARTTLS and a login, signed on the way, into the operator's mailbox."""
    password = lab / "secrets" / "mail-athome"
    settings = Smtp(
        host="mail.lab.example", user="athome@lab.example", password_file=password, ca_file=lab / "ca.pem"
    )
    message_id = f"<outbox-{time.time_ns()}@lab.example>"
    with engine.begin() as connection:
        connection.execute(
            insert(rows).values(
                message_id=message_id, recipient="operador@lab.example", state="waiting", not_before=0.0,
                message=(
                    f"From: ATHome <athome@lab.example>\r\nTo: operador@lab.example\r\nSubject: x\r\n"
                    f"Message-ID: {message_id}\r\nDate: Mon, 23 Nov 2026 14:00:00 +0000\r\n\r\nOl\xc3\xa1\r\n"
                ).encode("latin-1"),
                created_at=0.0,
            )
        )  # fmt: skip
    assert 1 == Outbox(engine, settings).send_due(NOW)
    context = ssl.create_default_context(cafile=str(lab / "ca.pem"))
    deadline = time.monotonic() + 30
    while True:
        with imaplib.IMAP4_SSL("mail.lab.example", ssl_context=context) as client:
            client.login("operador@lab.example", (lab / "secrets" / "mail-operador").read_text().strip())
            client.select("INBOX", readonly=True)
            found = client.search(None, "HEADER", "Message-ID", f'"{message_id}"')[1][0].split()
            if found:
                mail = email.message_from_bytes(client.fetch(found[0].decode(), "(BODY.PEEK[])")[1][0][1])
                break
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "d=lab.example" in mail["DKIM-Signature"]
