"""A dispatcher without mailbox and Ansible: people who write, what decides, a store, a worker, mails."""

from __future__ import annotations

import email
import email.policy
from datetime import datetime, timezone

from sqlalchemy import select, update

from dispatcher.jobs import schema
from dispatcher.jobs.database import connect
from dispatcher.jobs.local import LocalRunner
from dispatcher.jobs.offering import Offering
from dispatcher.jobs.store import Delivery, Store
from dispatcher.jobs.worker import Worker
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.message import Message
from dispatcher.mail.proof import Proof
from dispatcher.mail.senders import Senders
from dispatcher.mail.subject import open_confirmation
from dispatcher.orders import Admitted, Orders
from dispatcher.replies.compose import Composer
from dispatcher.runs.report import Diff, HostResult, from_results
from dispatcher.settings import Mail, Permissions, Runs, Settings
from tests.unit.inventories import FLEET

ANA, BIA, IVO = (f"{name}@example.com" for name in ("ana", "bia", "ivo"))
CHECKIP = "CHECKIP=203.0.113.7"
MACCHANGE = "MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=010203040599 SERVER=gv2p"
ADD = "WHITELIST ADD rui@example.com"
STATIC, TOTP = Proof(kind="static"), Proof(kind="totp")
SERVERS = ("gv1p", "gv2p", "gv3p", "voip1")


class Source:
    """Stands for the inventory."""

    def read(self):
        return FLEET


class Servers:
    """Stands for Ansible and the servers: each has a line, which a command wants to be ``in``."""

    def __init__(self):
        self.lines = dict.fromkeys(SERVERS, "out")
        self.away = set()
        self.asked = []

    def run(self, _command, servers, *, check, **_options):
        self.asked.append("look" if check else "do")
        found = {name: self._one(name, check=check) for name in servers}
        return from_results("successful", found, servers, check=check, seconds=0.1)

    def _one(self, name, *, check):
        line = self.lines[name]
        if name in self.away:
            return HostResult(host=name, outcome="unreachable", code="host.unreachable")
        if line == "in":
            return HostResult(host=name, outcome="ok", code="fail2ban.already_whitelisted")
        if not check:
            self.lines[name] = "in"
        diff = (Diff(before_header="/etc/x", after_header="/etc/x", before=line + "\n", after="in\n"),)
        undo = {"state": "absent", "address": "203.0.113.7"}  # also of a look, as the module says it
        return HostResult(host=name, outcome="changed", code="fail2ban.whitelisted", diff=diff, undo=undo)


class Desk:
    """People who write, and the dispatcher that answers them."""

    def __init__(self, url, **permissions):
        self.store = Store(connect(url))
        mail = Mail(address="athome@lab.example", authserv_id="mail.lab.example")
        settings = Settings(mail=mail, permissions=Permissions(**permissions))
        self.composer = Composer(settings)
        self.senders = Senders(self.store.engine)
        for address in (ANA, BIA, IVO):
            self.senders.add(address, "operador" if address == ANA else "administrador")
        self.codes = Confirmations(self.store.engine, b"invented for tests only")
        self.orders = Orders(
            composer=self.composer, inventory=Source(), permissions=settings.permissions,
            confirmations=self.codes, senders=self.senders.all, waiting=self.store.waiting,
            found=lambda request, _sender, _inventory: request,
        )  # fmt: skip
        self.servers = Servers()
        self.quiet = []  # for how many seconds the worker may be silent, as it says
        self.worker = Worker(
            self.store, self.servers, self.composer, Runs(),
            LocalRunner(settings, Source(), self.composer),
            offering=Offering(self.composer, self.codes, self.senders.all, settings.permissions),
            beat=lambda quiet, _state: self.quiet.append(quiet),
        )  # fmt: skip
        self.uid = 0

    def send(self, sender, subject, proof=STATIC):
        """Take an admitted mail, and return its verdict."""
        self.uid += 1
        identifier = f"<{self.uid}@example.com>"
        message = Message(sender, subject, identifier, datetime.now(timezone.utc), "<0@example.com>", ())
        decision = self.orders.of(Admitted(self.senders.get(sender), message, subject, proof))
        delivery = Delivery(
            folder="INBOX", uidvalidity=1, uid=self.uid, sender=sender, message_id=identifier,
            subject=subject, verdict=decision.verdict, rule=decision.rule, reason=decision.reason,
        )  # fmt: skip
        self.store.take(
            delivery, claim=True, order=decision.order, pending=decision.pending, proof=decision.proof,
            replies=decision.replies,
        )  # fmt: skip
        return decision.verdict

    def answer(self, sender, mail):
        """Answer a mail with a code, as its reader or somebody else; return what comes of it."""
        code = open_confirmation(f"Re: {mail['Subject']}")
        found = self.codes.find(sender, code)
        if not isinstance(found, int):
            return found
        return self.send(sender, "", Proof(kind="confirmation", confirmation=found))

    def work(self):
        """Run all that may start."""
        reports = []
        while job := self.store.claim():
            reports.append(self.worker.work(job))
        return reports

    def ask(self, sender, subject, proof=STATIC):
        """Send a command, let it be looked at, and return the newest mail to its sender."""
        assert "admitted" == self.send(sender, subject, proof)
        self.work()
        return self.mails(sender)[-1]

    def mails(self, recipient):
        """Return the mails to somebody."""
        query = select(schema.outbox.c.message).where(schema.outbox.c.recipient == recipient)
        with self.store.engine.begin() as connection:
            found = connection.execute(query.order_by(schema.outbox.c.id)).scalars()
            return [email.message_from_bytes(mail, policy=email.policy.default) for mail in found]

    def newest(self):
        return self.store.recent(1)[0]

    def pass_time(self):
        """Let all codes be too old."""
        with self.store.engine.begin() as connection:
            connection.execute(update(schema.confirmations).values(expires_at=1.0))


def text(mail):
    return mail.get_body(("plain",)).get_content().replace("\r\n", "\n")


def has_code(mail):
    return open_confirmation(mail["Subject"]) is not None
