"""Hostile and unwanted mail, through Postfix, opendkim and opendmarc, to a dispatcher that serves."""

from __future__ import annotations

import email
import json
import secrets
import smtplib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from email.policy import default

import pytest

from tests.hostile.corpus import DISPATCHER, Entry, load, message_id, values
from tests.hostile.post import Smtp
from tests.road import Dispatcher, waited

CORPUS = load()
HONEST = "CHECKIP=3.3.3"  # an honest mail with a mistake in it: answered, and nothing runs


@dataclass
class Passage:
    """How one mail fared."""

    entry: Entry
    message_id: str
    queued: str = ""  # Postfix's queue id; empty when it did not take the mail
    refusal: str = ""
    verdict: str = ""
    rule: str = ""
    reason: str = ""
    job: int | None = None
    answers: list[str] = field(default_factory=list)  # their kinds


@pytest.fixture(scope="module")
def passages(target: Dispatcher, inbox) -> dict[str, Passage]:
    """Hand in the whole corpus, let a dispatcher read it all, and tell what has become of each mail."""
    common = values(target.token, target.admin_token)
    with ThreadPoolExecutor(8) as threads:
        by_mail = [entry for entry in CORPUS if entry.source != "mailbox"]
        passages = list(threads.map(lambda entry: handed_in(entry, common), by_mail))
    passages += [put_in(inbox, entry, common) for entry in CORPUS if entry.source == "mailbox"]
    sent = {passage.entry.name: passage for passage in passages}
    queued = {passage.queued for passage in sent.values() if passage.queued}
    arrived = waited(lambda: whole(inbox, queued), "the mails did not all arrive", 120)
    target.start()
    validity = inbox.uidvalidity()
    query = "SELECT verdict, rule, reason, job_id FROM messages WHERE uidvalidity = ? AND uid = ?"
    for passage in sent.values():
        if passage.queued:
            row = waited(
                lambda uid=arrived[passage.queued]: target.rows(query, validity, uid),
                f"{passage.entry.name} was not looked at",
            )
            passage.verdict, passage.rule, passage.reason, passage.job = row[0]
            passage.rule = "none" if passage.verdict == "admitted" else passage.rule
    unfinished = "SELECT 1 FROM jobs WHERE state IN ('queued', 'running')"
    waited(lambda: not target.rows(unfinished), "what was admitted did not end", 120)
    for identifier, message in target.rows("SELECT message_id, message FROM outbox"):
        about = email.message_from_bytes(message, policy=default)["In-Reply-To"]
        for passage in sent.values():
            if passage.message_id == about:
                passage.answers.append(identifier[1:].partition(".")[0])
    return sent


def handed_in(entry: Entry, common: dict[str, str]) -> Passage:
    """Hand in one mail as its row says."""
    passage = Passage(entry, message_id())
    domain = entry.envelope.rpartition("@")[2] or "lab.example"
    raw = entry.filled(common, passage.message_id)
    try:
        with Smtp(entry.source, entry.helo or domain) as smtp:
            passage.queued = smtp.hand_in(raw, entry.envelope, DISPATCHER, entry.options)
    except smtplib.SMTPResponseException as error:
        passage.rule, passage.verdict, passage.refusal = "smtp", "silent", str(error)
    return passage


def put_in(inbox, entry: Entry, common: dict[str, str]) -> Passage:
    """Put one mail into the mailbox as it is, as a server would that mends nothing."""
    passage = Passage(entry, message_id(), queued=secrets.token_hex(8))
    inbox.append(entry.filled(common, passage.message_id) + f"id {passage.queued}\r\n".encode())
    return passage


def whole(inbox, queued: set[str]) -> dict[str, int]:
    """Return the UID of each queue id, or nothing as long as one is missing."""
    found = {}
    for uid, raw in inbox.mails().items():
        found |= {queue_id: uid for queue_id in queued if f"id {queue_id}".encode() in raw}
    return found if found.keys() == queued else {}


def test_there_are_at_least_a_hundred():
    """The corpus has a hundred hostile mails and more, each in a file of its own or sent in its own way."""
    hostile = [entry for entry in CORPUS if entry.rule not in ("none", "grammar")]
    assert len(hostile) >= 100
    assert len(
        {(entry.file or entry.name, repr(replace(entry, name="", why=""))) for entry in hostile}
    ) == len(hostile)


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.name)
def test_each_mail_is_stopped_by_its_rule(passages, entry):
    """Each mail is stopped by the rule that its row names, and answered only where that is due."""
    passage = passages[entry.name]
    assert (entry.rule, entry.due) == (passage.rule, "+".join(passage.answers) or "silence"), passage
    assert (entry.rule == "none") == (passage.verdict == "admitted")
    assert (entry.rule == "none") == (passage.job is not None)


def a_mail_of_each_rule() -> list[Entry]:
    """Return the first mail of each rule that a mail in the mailbox can be stopped by, with silence."""
    firsts = {
        entry.rule: entry for entry in reversed(CORPUS) if entry.due == "silence" and entry.rule != "smtp"
    }
    return list(firsts.values())


@pytest.mark.parametrize("entry", a_mail_of_each_rule(), ids=lambda entry: entry.rule)
def test_explain_says_the_same(passages, target, inbox, tmp_path, entry):
    """`athome explain --message` of a mail as it arrived names the rule that stopped it, and records none."""
    seen = target.last("messages")
    (tmp_path / "mail.eml").write_bytes(inbox.find(passages[entry.name].queued))
    said = target.athome("explain", "--message", tmp_path / "mail.eml", "--json", check=False)
    told = json.loads(said.stdout)
    assert (2, entry.rule, False) == (said.returncode, told["rule"], told["answer_due"])
    assert target.token not in said.stdout + said.stderr
    assert seen == target.last("messages")


def test_the_intake_goes_on_and_nobody_else_hears_anything(passages, target, victims):
    """After all that an honest mail is answered; no mailbox has an answer, or a bounce, that is not due."""
    assert "CHECKIP" in target.ask(HONEST).get_body(("plain",)).get_content()
    due = [passage for passage in passages.values() if passage.entry.due != "silence"]
    assert target.rows("SELECT count(*) FROM outbox WHERE id > ?", target.told) == [(len(due) + 1,)]
    for mailbox in victims:
        for passage in passages.values():
            if passage.entry.due == "silence":
                assert [] == mailbox.answers(passage.message_id)
        assert [] == mailbox.mails("INBOX", "FROM", "MAILER-DAEMON")


def test_no_token_is_kept(passages, target):
    """Whatever was written around it, the token is in no row of the audit, in no reply and not in the log."""
    token = target.token.lower()
    for subject, reason in target.rows("SELECT coalesce(subject, ''), reason FROM messages"):
        assert token not in f"{subject} {reason}".lower()
    for (message,) in target.rows("SELECT message FROM outbox"):
        for part in email.message_from_bytes(message, policy=default).walk():
            text = str(part) if part.is_multipart() else part.get_content()
            assert token not in str(text).lower()
    assert token not in target.log.read_text().lower()
