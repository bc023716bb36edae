"""What goes wrong around the dispatcher: kills at any moment, and outages one after the other."""

from __future__ import annotations

import random
import smtplib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from dispatcher.settings import PROJECT
from lab.send import send
from tests.chaos.machines import KINDS, Machine, kill, ours
from tests.postgres import Cluster
from tests.road import DISPATCHER, OPERATOR

# Postfix keeps no copies of what it takes until it is told to: here, in the dispatcher's folder Sent.
KEEP_COPIES = (
    "postconf -e recipient_delimiter=+ 'sender_bcc_maps=inline:{athome@lab.example=athome+Sent@lab.example}';"
    " echo 'lmtp_save_to_detail_mailbox = yes' >>/etc/dovecot/dovecot.conf; doveadm reload; postfix reload"
)
KEEP_NONE = (
    "postconf -X sender_bcc_maps recipient_delimiter; postfix reload;"
    " sed -i /lmtp_save_to_detail_mailbox/d /etc/dovecot/dovecot.conf; doveadm reload"
)
# A lab without systemd has their own programs.
STOP = {
    "dovecot": "systemctl stop dovecot || doveadm stop",
    "postfix": "systemctl stop postfix || postfix stop",
}
START = {
    "dovecot": "systemctl start dovecot || dovecot",
    "postfix": "systemctl start postfix || postfix start",
}
_HURRY = "postqueue -f"  # what could not be delivered would be tried again in five minutes


def on_mail_host(script: str) -> str:
    """Run a script on the lab's mail host."""
    done = subprocess.run(
        (sys.executable, "-m", "lab", "sh", "mail", "--", "sh", "-c", script), cwd=PROJECT,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}: {done.stderr}"
    return done.stdout


@dataclass
class Staff:
    """The operator, whose own mail server tries again until a mail is taken."""

    token: str
    run: str  # a word that only this run's mails have
    taken: dict[int, str] = field(default_factory=dict)  # number of the command → Message-ID
    tries: int = 0
    asked: dict[int, str] = field(default_factory=dict)  # number of the command → what it asks for

    def write(self, number: int, command: str, over: Event) -> None:
        """Hand in one mail, however long it takes."""
        message_id = f"<{self.run}.{number}@lab.example>"
        self.asked[number] = command
        while not over.is_set():
            self.tries += 1
            with suppress(OSError, smtplib.SMTPException):
                send(OPERATOR, DISPATCHER, f"[{self.token}] {command}", message_id=message_id)
                self.taken[number] = message_id
                return
            over.wait(1)


class Storm:
    """Kills at any moment until it is over, and a look after who has to start again."""

    def __init__(self, machines: Sequence[Machine], seed: int, pause: tuple[float, float]) -> None:
        self.kills: Counter[str] = Counter()
        self._machines = list(machines)
        self._chance = random.Random(seed)  # noqa: S311 - moments, not secrets
        self._pause = pause
        self._calm = Event()
        self._over = Event()
        self._threads = [Thread(target=self._kill), Thread(target=self._look_after)]

    @contextmanager
    def rages(self) -> Iterator[None]:
        """Let it rage while a block lasts."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self.calm()
            self._over.set()
            for thread in self._threads:
                thread.join()

    def calm(self) -> None:
        """Kill nobody any more; who has died is still started again."""
        self._calm.set()

    def _kill(self) -> None:
        """Kill whichever kind is the furthest behind its share, at some moment of its life.

        The others have peace until there is one: on a slow machine nothing but starts would be killed.
        """
        while not self._calm.wait(self._chance.uniform(*self._pause)):
            kind = min(KINDS, key=lambda kind: (self.kills[kind] / KINDS[kind], self._chance.random()))
            while not (found := ours(self._machines).get(kind)) and not self._calm.wait(0.1):
                pass
            if not found or self._calm.wait(self._chance.uniform(0, 0.5)):
                return
            if kill(self._chance.choice(found)):
                self.kills[kind] += 1

    def _look_after(self) -> None:
        while not self._over.wait(0.1):
            for machine in self._machines:
                machine.look_after()


@dataclass
class Outages:
    """One after the other. Each lasts until it has been noticed: what nobody notices proves nothing."""

    machines: Sequence[Machine]
    disk: Path
    postgres: Cluster | None
    work: Callable[[], bool]  # whether somebody still waits for an answer
    noticed: dict[str, int] = field(default_factory=dict)

    def all(self) -> Sequence[Callable[[], None]]:
        database = (self.postgresql_restarts, self.postgresql_crashes) if self.postgres else ()
        return (self.dovecot_restarts, self.postfix_restarts, self.disk_fills, self.smtp_is_away, *database)

    def dovecot_restarts(self) -> None:
        """Nobody can be read from, or delivered to; then everybody logs in anew."""
        before = self._said("mailbox: again in")
        on_mail_host(STOP["dovecot"])
        self._until("Dovecot", lambda: self._said("mailbox: again in") > before)
        on_mail_host(START["dovecot"])
        on_mail_host(_HURRY)

    def postfix_restarts(self) -> None:
        """In the middle of whatever it does."""
        on_mail_host(f"({STOP['postfix']}); {START['postfix']}")
        on_mail_host(_HURRY)

    def smtp_is_away(self) -> None:
        """Answers wait, and commands with their senders' servers."""
        words = "outbox: again in"
        before = self._said(words)
        _waits(self.work, 60)  # commands come this way too: without one there is nothing to send
        on_mail_host(STOP["postfix"])
        self._until("SMTP", lambda: self._said(words) > before, patience=60)
        on_mail_host(START["postfix"])
        on_mail_host(_HURRY)

    def disk_fills(self) -> None:
        """Where the state is, not a byte can be written for a while."""
        before = self._full()
        filler = self.disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        self._until("full disk", lambda: self._full() > before)
        time.sleep(2)
        filler.unlink()

    def postgresql_restarts(self) -> None:
        """In order: every session is ended."""
        self._database_restarts("fast", "PostgreSQL restart")

    def postgresql_crashes(self) -> None:
        """At once: what was not committed is gone, and it recovers from its log."""
        self._database_restarts("immediate", "PostgreSQL crash")

    def _database_restarts(self, mode: str, name: str) -> None:
        assert self.postgres is not None
        before = self._said("banco de dados")
        self.postgres.stop(mode)
        self._until(name, lambda: self._said("banco de dados") > before)
        self.postgres.start()

    def _full(self) -> int:
        return self._said("disk is full") + self._said("No space left")

    def _said(self, words: str) -> int:
        return sum(machine.log.read_text(errors="replace").count(words) for machine in self.machines)

    def _until(self, name: str, noticed: Callable[[], bool], patience: float = 15) -> None:
        self.noticed[name] = self.noticed.get(name, 0) + _waits(noticed, patience)


def _waits(look: Callable[[], bool], patience: float) -> bool:
    """Wait until what is looked for is there; tells whether it came in time."""
    deadline = time.monotonic() + patience
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return seen
