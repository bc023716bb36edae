"""A reply that does not arrive is not forgotten: the report comes into the mailbox, and a person sees it."""

import secrets
import sqlite3
import time
from contextlib import closing

from tests.road import DISPATCHER, waited

INTO = (
    "INSERT INTO outbox (message_id, recipient, message, state, attempts, not_before, created_at)"
    " VALUES (?, ?, ?, 'waiting', 0, 0, ?)"
)


def test_a_bounced_reply_is_listed_for_a_person(dispatcher):
    """Postfix takes a reply to a domain that does not exist and reports it: bounced, audited, in the list."""
    name, recipient = f"<result.{secrets.token_hex(16)}@lab.example>", "nobody@missing.example"
    mail = f"From: {DISPATCHER}\r\nTo: {recipient}\r\nSubject: x\r\nMessage-ID: {name}\r\n\r\nx\r\n".encode()
    with closing(sqlite3.connect(dispatcher.state / "athome.db", timeout=10)) as database, database:
        database.execute(INTO, (name, recipient, mail, time.time()))
    state = "SELECT state, error FROM outbox WHERE message_id = ? AND state = 'bounced'"
    [(_state, error)] = waited(lambda: dispatcher.rows(state, name), "no bounce")
    assert "missing.example" in error
    audit = "SELECT verdict FROM messages WHERE rule = 'bounce'"
    assert [("silent",)] == waited(lambda: dispatcher.rows(audit), "no audit")
    listed = dispatcher.athome("outbox", "list").stdout
    assert "devolvido" in listed
    assert recipient in listed
