"""One mail: its verdict, and what follows from it, are recorded together."""

import dataclasses
from datetime import datetime, timezone
from functools import partial

import pytest
from sqlalchemy import select

from dispatcher.errors import InventoryError, StoreError
from dispatcher.intake import Intake
from dispatcher.inventory import InventorySource
from dispatcher.jobs import schema, undoing
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import State
from dispatcher.jobs.store import Store
from dispatcher.mail.admission import Verdict
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.dns import LookupLaterError
from dispatcher.mail.mailbox import Disposition
from dispatcher.mail.message import Message, RawMessage
from dispatcher.mail.proof import Proof
from dispatcher.mail.senders import Sender, Senders
from dispatcher.orders import Orders
from dispatcher.replies.compose import Composer
from dispatcher.replies.notices import Notices
from dispatcher.settings import PROJECT, Mail, Permissions, Settings

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
RAW = RawMessage("INBOX", 1, 7, NOW, 100, b"")
MESSAGE = Message("ana@example.com", "[········] CHECKIP=203.0.113.7", "<1@example.com>", NOW, "", ())
PERMISSIONS = Permissions()
ANA = Sender("ana@example.com", "operador", "en")


class Admission:
    """Gives the verdict that the test is about."""

    def __init__(self, verdict):
        self.verdict = verdict

    def judge(self, _raw):
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


def verdict(decision="admitted", rule="token", subject="CHECKIP=203.0.113.7", sender=ANA, **others):
    known = {"message": MESSAGE, "proof": Proof(kind="static") if decision == "admitted" else None} | others
    return Verdict(decision=decision, rule=rule, reason="why", sender=sender, subject=subject, **known)


@pytest.fixture
def taken():
    return []


@pytest.fixture
def store(tmp_path):
    return Store(connect(f"sqlite:///{tmp_path}/athome.db"))


@pytest.fixture
def take(store, taken):
    settings = Settings(mail=Mail(address="athome@lab.example", authserv_id="mail.lab.example"))
    composer = Composer(settings)
    notices = Notices(composer, settings, lambda: [ANA])

    def run(given, inventory="lab", permissions=PERMISSIONS, raw=RAW):
        orders = Orders(
            composer=composer, inventory=InventorySource(PROJECT / "inventory" / inventory),
            permissions=permissions, confirmations=Confirmations(store.engine, b"invented for tests"),
            senders=Senders(store.engine).all, waiting=store.waiting,
            found=partial(undoing.found, store.engine),
        )  # fmt: skip
        return Intake(store, Admission(given), orders, notices, lambda: taken.append(1)).take(raw)

    return run


def rows(store, table, *columns):
    with store.engine.begin() as connection:
        return [tuple(row) for row in connection.execute(select(*(table.c[name] for name in columns)))]


def test_an_admitted_command_becomes_a_job_with_its_servers(store, take, taken):
    """Who asked, in which language, for what, on which servers: all of it is in the queue."""
    assert Disposition.PROCESSED is take(verdict())
    (job,) = store.recent(5)
    assert ("CHECKIP=203.0.113.7", "ana@example.com", "<1@example.com>", "en", False) == (
        job.order.subject, job.order.sender, job.order.message_id, job.order.language, job.order.check,
    )  # fmt: skip
    assert ("gv1p", "gv2p", "gv3p", "voip1") == job.order.servers
    assert [("admitted", "token", job.id)] == rows(store, schema.messages, "verdict", "rule", "job_id")
    assert [] == rows(store, schema.outbox, "id")
    assert [1] == taken


def test_an_invalid_command_is_answered_and_not_run(store, take, taken):
    """The audit has the rule, the outbox the answer, the queue nothing."""
    assert Disposition.PROCESSED is take(verdict(subject="CHECKIP=3.3.3"))
    assert [] == store.recent(5)
    assert [("refused", "grammar")] == rows(store, schema.messages, "verdict", "rule")
    assert [("ana@example.com",)] == rows(store, schema.outbox, "recipient")
    assert [1] == taken


def test_a_refused_token_is_answered(store, take):
    """Only to a sender who is proved: admission says so by naming one."""
    take(verdict("refused", subject=None))
    assert [] == store.recent(5)
    assert 1 == len(rows(store, schema.outbox, "id"))


@pytest.mark.parametrize("rule", ["size", "whitelist", "automatic", "authentication", "replay"])
def test_silence_is_a_row_in_the_audit_and_nothing_else(store, take, taken, rule):
    """No job, no answer, and the mail leaves the inbox."""
    assert Disposition.PROCESSED is take(verdict("silent", rule, subject=None, sender=None))
    assert [("silent", rule, "why")] == rows(store, schema.messages, "verdict", "rule", "reason")
    assert ([], [], []) == (store.recent(5), rows(store, schema.outbox, "id"), taken)


def test_a_mail_whose_header_cannot_be_read_is_parked(store, take):
    """A person can look at it; no answer goes to an address that nobody could read."""
    assert Disposition.PARKED is take(verdict("silent", "headers", subject=None, sender=None, message=None))
    assert [("silent", "headers", None)] == rows(store, schema.messages, "verdict", "rule", "sender")


def test_a_mail_that_breaks_our_own_code_is_parked(store, take, caplog):
    """A fault of ours neither loses the mail nor stops the ones behind it, and its text is kept nowhere."""
    assert Disposition.PARKED is take(ValueError("a fault that quotes [7E57C0DE]"))
    assert [("parked", "exception", "ValueError")] == rows(
        store, schema.messages, "verdict", "rule", "reason"
    )
    assert "ValueError" in caplog.text
    assert "7E57C0DE" not in caplog.text


@pytest.mark.parametrize("problem", [StoreError("a", "b"), InventoryError("a", "b")])
def test_a_mail_waits_while_it_cannot_be_decided(store, take, problem):
    """With the database away or the inventory broken the mail has to come again: nothing is recorded."""
    with pytest.raises(type(problem)):
        take(problem)
    assert [] == rows(store, schema.messages, "id")


def test_a_mail_that_waits_for_the_dns_holds_no_other_up(store, take, caplog):
    """It stays in the inbox without a row or an answer, and the log says what it waits for."""
    assert Disposition.LATER is take(LookupLaterError("O DNS não responde.", "Confira a rede."))
    assert [] == rows(store, schema.messages, "id")
    assert "O DNS não responde." in caplog.text


def test_a_broken_inventory_keeps_the_mail(store, take):
    """An edit that Ansible cannot read delays commands, and loses none."""
    with pytest.raises(InventoryError):
        take(verdict(), inventory="missing")
    assert [] == rows(store, schema.messages, "id")


MACCHANGE = "MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=010203040599 SERVER=gv2p"


def answers(store):
    """The kinds of mails that are due."""
    return [row[0].partition(".")[0][1:] for row in rows(store, schema.outbox, "message_id")]


ADD = "WHITELIST ADD bia@example.com"
CHIEF = Sender("ana@example.com", "administrador", "en")


@pytest.fixture
def chief(store):
    Senders(store.engine).add(CHIEF.address, CHIEF.role, CHIEF.language)
    return CHIEF


def test_a_change_of_the_whitelist_waits_for_its_confirmation(store, take, chief):
    """The job is there and out of the queue, its code is mailed, and the audit says what it waits for."""
    assert Disposition.PROCESSED is take(verdict(subject=ADD, sender=chief))
    (job,) = store.recent(5)
    assert State.AWAITING_CONFIRMATION is job.state
    assert store.claim() is None
    assert ["confirm"] == answers(store)
    assert [("admitted", "confirmation", "waits for its confirmation")] == rows(
        store, schema.messages, "verdict", "rule", "reason"
    )


def test_its_confirmation_puts_it_into_the_queue(store, take, chief):
    """No mail answers the confirmation itself: what it asked for does."""
    take(verdict(subject=ADD, sender=chief))
    again = dataclasses.replace(MESSAGE, message_id="<2@example.com>")
    proof = Proof(kind="confirmation", confirmation=1)
    take(verdict(subject="", sender=chief, message=again, proof=proof), raw=dataclasses.replace(RAW, uid=8))
    assert (State.QUEUED, chief.address) == (store.recent(1)[0].state, store.recent(1)[0].confirmed_by)
    assert ["confirm"] == answers(store)


def test_a_confirmation_of_what_is_no_longer_permitted_is_not_used_up(store, take, chief):
    """The sender's commands were cut meanwhile: refused, and good again once that is put right."""
    take(verdict(subject=ADD, sender=chief))
    again = dataclasses.replace(MESSAGE, message_id="<2@example.com>")
    less = dataclasses.replace(chief, commands=("CHECKIP",))
    proof = Proof(kind="confirmation", confirmation=1)
    take(verdict(subject="", sender=less, message=again, proof=proof), raw=dataclasses.replace(RAW, uid=8))
    assert State.AWAITING_CONFIRMATION is store.recent(1)[0].state
    assert ["confirm", "not_permitted"] == answers(store)
    assert [(None,)] == rows(store, schema.confirmations, "used_at")


def test_a_command_on_servers_that_has_to_be_confirmed_is_previewed_first(store, take):
    """It looks at once, without a code: what it finds is what is to be confirmed."""
    take(verdict(subject=MACCHANGE))
    (job,) = store.recent(5)
    assert (State.QUEUED, True, "demanded") == (job.state, job.order.check, job.order.offer)
    assert MACCHANGE == job.order.subject == job.order.written
    assert [] == answers(store)
    assert [("admitted", "confirmation")] == rows(store, schema.messages, "verdict", "rule")


def test_nobody_to_approve_is_a_refusal_at_once(store, take, chief):
    """No server is looked at for what nobody could let happen; oneself does not count."""
    asked = Permissions(approval=("MACCHANGE", "WHITELIST"))
    take(verdict(subject=MACCHANGE, sender=chief), permissions=asked)
    again = dataclasses.replace(MESSAGE, message_id="<2@example.com>")
    totp = verdict(subject=ADD, sender=chief, message=again, proof=Proof(kind="totp"))
    take(totp, permissions=asked, raw=dataclasses.replace(RAW, uid=8))
    assert ([], ["unapproved", "unapproved"]) == (store.recent(5), answers(store))
    assert [("refused", "permission")] * 2 == rows(store, schema.messages, "verdict", "rule")


@pytest.mark.parametrize("cause", ["used", "expired"])
def test_a_code_that_is_spent_is_answered(store, take, cause):
    """Its owner hears why; nothing runs."""
    take(verdict("refused", "confirmation", subject=None, cause=cause))
    assert ([], ["spent"]) == (store.recent(5), answers(store))


def test_who_may_not_is_told_so(store, take):
    """An operator's WHITELIST is a refusal by permission; a list of commands forbids the rest, too."""
    take(verdict(subject="WHITELIST ADD bia@example.com"))
    less = Sender("ana@example.com", "operador", "en", ("CHECKIP",))
    again = dataclasses.replace(MESSAGE, message_id="<2@example.com>")
    take(verdict(subject=MACCHANGE, sender=less, message=again), raw=dataclasses.replace(RAW, uid=8))
    assert ([], ["not_permitted"] * 2) == (store.recent(5), answers(store))
    assert [("refused", "permission")] * 2 == rows(store, schema.messages, "verdict", "rule")


def test_who_has_not_proved_enough_is_told_how(store, take):
    """Where the settings ask for a one-time token, another one opens nothing; with it, nothing waits."""
    asked = Permissions(demands={"MACCHANGE": "totp"})
    take(verdict(subject=MACCHANGE), permissions=asked)
    assert ([], ["unproved"]) == (store.recent(5), answers(store))
    again = dataclasses.replace(MESSAGE, message_id="<2@example.com>")
    proved = verdict(subject=MACCHANGE, message=again, proof=Proof(kind="totp"))
    take(proved, permissions=asked, raw=dataclasses.replace(RAW, uid=8))
    assert State.QUEUED is store.recent(1)[0].state


def test_nobody_is_asked_to_confirm_what_would_fail(store, take):
    """The list is looked at first: the error comes at once, with a subject to copy."""
    admin = Sender("ana@example.com", "administrador", "en")
    Senders(store.engine).add(admin.address, admin.role, admin.language)
    take(verdict(subject="WHITELIST REMOVE ana@example.com", sender=admin))
    assert ([], ["rejected"]) == (store.recent(5), answers(store))
    assert [("refused", "grammar")] == rows(store, schema.messages, "verdict", "rule")
