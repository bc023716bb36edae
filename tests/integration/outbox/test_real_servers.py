"""What people get when Postfix, Dovecot, the network or we ourselves go down: each reply once."""

import imaplib
import multiprocessing
import os
import re
import secrets
import signal
import ssl
import subprocess
import sys
import time
from collections import Counter
from email import message_from_bytes
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import insert, select, update

from dispatcher.jobs.database import connect
from dispatcher.jobs.schema import outbox as rows
from dispatcher.replies.bounces import Bounces
from dispatcher.replies.outbox import Outbox
from dispatcher.settings import Imap, Smtp

CHECKOUT = Path(__file__).resolve().parents[3]
ACCOUNT = "admin@lab.example"  # replies go out, and bounces come, in its name
RECIPIENT = "operador@lab.example"
PATIENCE = 60  # seconds
NOW = 2_000_000_000.0  # a moment that is later than every first try

# Postfix keeps no copies of what it takes until it is told to: here, in the sender's folder Sent. A mail and
# its copy enter its queue together, or neither does.
_KEEP_COPIES = (
    "postconf -e recipient_delimiter=+ 'sender_bcc_maps=inline:{admin@lab.example=admin+Sent@lab.example}';"
    " echo 'lmtp_save_to_detail_mailbox = yes' >>/etc/dovecot/dovecot.conf; doveadm reload; postfix reload"
)
_KEEP_NONE = (
    "postconf -X sender_bcc_maps recipient_delimiter; postfix reload;"
    " sed -i /lmtp_save_to_detail_mailbox/d /etc/dovecot/dovecot.conf; doveadm reload"
)
_REJECT = (
    "echo '{address} {answer}' >/etc/postfix/rejected; "
    " postconf -e 'smtpd_recipient_restrictions=check_recipient_access texthash:/etc/postfix/rejected';"
    " postfix reload"
)
_ACCEPT = "postconf -X smtpd_recipient_restrictions; postfix reload; rm -f /etc/postfix/rejected"
_CLEANED = re.compile(r"cleanup\[[0-9]+\]: ([0-9A-Za-z]+): message-id=(<\S+>)")
_QUEUED = re.compile(r"qmgr\[[0-9]+\]: ([0-9A-Za-z]+): from=")
_STOP = "systemctl stop postfix || postfix stop"
_START = "systemctl start postfix || postfix start"


_MAIL = (
    f"From: ATHome <{ACCOUNT}>\r\nSubject: {{}}\r\nTo: {{}}\r\nMessage-ID: {{}}\r\n"
    "Date: Mon, 23 Nov 2026 14:00:00 +0000\r\n\r\nOla\r\n"
)


def on_mail_host(script):
    command = (sys.executable, "-m", "lab", "sh", "mail", "--", "sh", "-c", script)
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def accepted(run):
    """Count how often Postfix has taken each mail, by its log.

    Not how often it arrived: a Postfix that is stopped between the delivery and its own note of it delivers
    again what it took once.
    """
    log = on_mail_host("cat /var/log/mail.log")
    queued = set(_QUEUED.findall(log))  # one that was cut off before its end is never queued
    return Counter(name for number, name in set(_CLEANED.findall(log)) if number in queued and run in name)


class Person:
    """Somebody's mailbox at the lab's Dovecot."""

    def __init__(self, lab, address):
        self.imap = imaplib.IMAP4_SSL(
            "mail.lab.example", ssl_context=ssl.create_default_context(cafile=lab / "ca.pem")
        )
        name = address.partition("@")[0]
        self.imap.login(address, (lab / "secrets" / f"mail-{name}").read_text().strip())

    def ids(self, key, value, folder="INBOX"):
        """Count the Message-IDs of the mails whose header has this value."""
        if self.imap.select(f'"{folder}"', readonly=True)[0] != "OK":
            return Counter()
        found = self.imap.search(None, "HEADER", key, f'"{value}"')[1][0].split()
        if not found:
            return Counter()
        parts = self.imap.fetch(b",".join(found).decode(), "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]
        return Counter(message_from_bytes(part[1])["Message-ID"] for part in parts if isinstance(part, tuple))

    def wholes(self, key, value):
        """Return the mails whose header has this value."""
        self.imap.select("INBOX", readonly=True)
        found = self.imap.search(None, "HEADER", key, f'"{value}"')[1][0].split()
        return [self.imap.fetch(at.decode(), "(BODY.PEEK[])")[1][0][1] for at in found]


def wait_for(condition, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.1)
    return found


@pytest.fixture
def keeps_copies(lab):
    on_mail_host(_KEEP_COPIES)
    yield
    on_mail_host(_KEEP_NONE)


@pytest.fixture
def imap(lab):
    return Imap(
        host="mail.lab.example",
        user=ACCOUNT,
        password_file=lab / "secrets/mail-admin",
        ca_file=lab / "ca.pem",
    )


@pytest.fixture
def smtp(lab):
    return Smtp(
        host="mail.lab.example", user=ACCOUNT, password_file=lab / "secrets/mail-admin", timeout=5,
        ca_file=lab / "ca.pem", sent_folder="Sent", sent_delay=2,
    )  # fmt: skip


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/athome.db"


@pytest.fixture
def engine(url):
    return connect(url)


@pytest.fixture
def run():
    """A word that only this test's mails have."""
    return secrets.token_hex(6)


def post(engine, run, count=1, recipient=RECIPIENT):
    names = [f"<{run}.{number}@lab.example>" for number in range(count)]
    with engine.begin() as connection:
        for name in names:
            connection.execute(
                insert(rows).values(
                    message_id=name, recipient=recipient, state="waiting", not_before=0.0,
                    created_at=time.time(), message=_MAIL.format(run, recipient, name).encode(),
                )
            )  # fmt: skip
    return names


def states(engine):
    with engine.begin() as connection:
        return Counter(connection.execute(select(rows.c.state)).scalars())


def errors(engine):
    with engine.begin() as connection:
        return list(connection.execute(select(rows.c.error).order_by(rows.c.id)).scalars())


class Dying(Outbox):
    """Kills its process at each mail's first try: after the server's 250 and before it is written down.

    Every tenth mail: before it is handed over, so that the folder has no copy.
    """

    def _claim(self, row):
        mine = super()._claim(row)
        if row.attempts == 0 and row.id % 10 == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return mine

    def _set(self, row, **values):
        if values.get("state") == "sent" and row.state == "sending" and row.attempts == 1:
            with self._engine.begin() as connection:
                found = select(rows.c.attempts).where(rows.c.id == row.id)
                if connection.execute(found).scalar() == 1 and not self._settling:
                    os.kill(os.getpid(), signal.SIGKILL)
        return super()._set(row, **values)

    _settling = False

    def _settle(self, sent, doubts):
        self._settling = True
        try:
            return super()._settle(sent, doubts)
        finally:
            self._settling = False


def serve_until_killed(kind, url, smtp, imap):
    engine = connect(url)
    stop, wake = Event(), Event()

    def watch():
        while set(states(engine)) & {"waiting", "sending"}:
            time.sleep(0.2)
            wake.set()
        stop.set()
        wake.set()

    Thread(target=watch, daemon=True).start()
    kind(engine, smtp, imap).run(stop, wake)


@pytest.mark.parametrize("count", [12, pytest.param(300, marks=pytest.mark.long)])
def test_killed_before_it_is_written_down_each_mail_arrives_once(
    lab, keeps_copies, engine, *, url, smtp, imap, run, count, record_property
):
    """SIGKILL at every mail between the server's 250 and our commit: with copies kept, none comes twice."""
    names = post(engine, run, count)
    engine.dispose()
    fork = multiprocessing.get_context("fork")
    kills = 0
    while True:
        child = fork.Process(target=serve_until_killed, args=(Dying, url, smtp, imap))
        child.start()
        child.join(PATIENCE)
        assert child.exitcode in (0, -signal.SIGKILL)
        if child.exitcode == 0:
            break
        kills += 1
    assert count == kills
    assert {"sent": count} == states(engine)
    person = Person(lab, RECIPIENT)
    wait_for(lambda: len(person.ids("Subject", run)) == count)
    record_property("kills", kills)
    assert Counter(names) == person.ids("Subject", run)


def test_a_server_that_is_away_and_restarted_in_the_middle_loses_and_doubles_nothing(
    lab, keeps_copies, engine, *, smtp, imap, run
):
    """Postfix is stopped while mails are on their way, and away for a while: all arrive, each taken once."""
    box, stop, wake = Outbox(engine, smtp, imap), Event(), Event()
    names = post(engine, run, 150)
    thread = Thread(target=box.run, args=(stop, wake))
    thread.start()
    try:
        wait_for(lambda: states(engine)["sent"] > 10)
        on_mail_host(_STOP)
        assert states(engine)["sent"] < 150, "stopped too late to be in the middle"
        wait_for(lambda: any(error and "não aceita a conexão" in error for error in errors(engine)))
        on_mail_host(_START)

        def all_sent():
            wake.set()
            return states(engine) == {"sent": 150}

        wait_for(all_sent)
    finally:
        on_mail_host(_START)
        stop.set()
        wake.set()
        thread.join(PATIENCE)
    person = Person(lab, RECIPIENT)
    wait_for(lambda: set(names) == set(person.ids("Subject", run)))
    assert Counter(names) == accepted(run)


@pytest.mark.parametrize(
    ("answer", "expected"), [("451 4.3.0 later", "waiting"), ("550 5.7.1 never", "dead")]
)
def test_postfix_says_later_or_never(lab, engine, smtp, imap, *, run, answer, expected):
    """4xx: tried again, and arrives when it may. 5xx: kept for a person with Postfix's words."""
    post(engine, run)
    box = Outbox(engine, smtp, imap)
    on_mail_host(_REJECT.format(address=RECIPIENT, answer=answer))
    try:
        assert 0 == box.send_due(NOW)
    finally:
        on_mail_host(_ACCEPT)
    assert {expected: 1} == states(engine)
    assert answer[:9] in errors(engine)[0]
    person = Person(lab, RECIPIENT)
    if expected == "waiting":
        wait_for(lambda: box.send_due(NOW) == 1)
        wait_for(lambda: person.ids("Subject", run))
    else:
        assert 0 == box.send_due(NOW)
    assert (1 if expected == "waiting" else 0) == person.ids("Subject", run).total()


def test_a_real_bounce_marks_its_mail(lab, engine, smtp, imap, run):
    """A mail to a domain that does not exist is taken; Postfix's report of it comes, and is believed."""
    post(engine, run, recipient="nobody@missing.example")
    assert 1 == Outbox(engine, smtp, imap).send_due(NOW)
    person = Person(lab, ACCOUNT)

    def marked():
        reports = person.wholes("From", "MAILER-DAEMON")
        return [number for raw in reports if (number := Bounces(engine).mark(raw))]

    assert [1] == wait_for(marked)
    assert {"bounced": 1} == states(engine)
    assert "missing.example" in errors(engine)[0]


def test_copies_of_our_own_are_there_to_be_read(lab, engine, smtp, imap, run):
    """A folder that is not there is made; each mail has one copy in it, as read, which settles a doubt."""
    folder = f"Enviados {run} é"
    smtp = smtp.model_copy(update={"sent_folder": folder, "save_copy": True, "sent_delay": 0})
    names = post(engine, run, 3)
    box = Outbox(engine, smtp, imap)
    assert 3 == box.send_due(NOW)
    person = Person(lab, ACCOUNT)
    coded = f"Enviados {run} &AOk-"
    assert Counter(names) == person.ids("Subject", run, coded)
    assert 3 == len(person.imap.search(None, "SEEN")[1][0].split())
    with engine.begin() as connection:
        connection.execute(update(rows).values(state="sending", not_before=0.0, sent_at=time.time()))
    assert 3 == box.send_due(NOW)
    assert {"sent": 3} == states(engine)
    assert Counter(names) == Person(lab, RECIPIENT).ids("Subject", run)
    assert 3 == box.counts["found"]


def test_an_older_copy_settles_nothing(lab, engine, smtp, imap, run):
    """The same answer, sent again a day later and in doubt then, is not taken for the copy of yesterday's."""
    smtp = smtp.model_copy(update={"sent_folder": f"Copies {run}", "save_copy": True, "sent_delay": 0})
    post(engine, run)
    box = Outbox(engine, smtp, imap)
    assert 1 == box.send_due(NOW)
    with engine.begin() as connection:
        connection.execute(update(rows).values(state="sending", not_before=0.0, sent_at=time.time() + 86400))
    assert 1 == box.send_due(NOW)
    assert (0, 2, 1) == (box.counts["found"], box.counts["sent"], box.counts["again"])


def test_a_doubt_waits_while_nobody_can_be_asked(engine, smtp, imap, run, caplog):
    """A folder that does not exist: it is not sent blindly, and the error names the setting; others go."""
    post(engine, run, 2)
    with engine.begin() as connection:
        connection.execute(
            update(rows).where(rows.c.id == 1).values(state="sending", sent_at=time.time(), attempts=1)
        )
    box = Outbox(engine, smtp.model_copy(update={"sent_folder": "Nowhere", "sent_delay": 0}), imap)
    assert 1 == box.send_due(NOW)
    assert {"sending": 1, "sent": 1} == states(engine)
    assert "Nowhere" in errors(engine)[0]
    assert any("smtp.sent_folder" in record.getMessage() for record in caplog.records)
