"""Mails made to exhaust whoever reads them: each ends by its rule, the memory stays, the intake goes on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.hostile.corpus import DISPATCHER, OPERATOR, OUTSIDER, filler, message_id
from tests.hostile.post import Smtp
from tests.hostile.signing import Signature
from tests.road import waited

MISTAKE = "CHECKIP=3.3.3"
HEAD = (
    b"From: Operador <operador@lab.example>\nTo: athome@lab.example\nSubject: {{SUBJECT}}\nDate: {{DATE}}\n"
    b"Message-ID: {{ID}}\n"
)
RESULT = b"Authentication-Results: mail.lab.example; dmarc=pass header.from=lab.example"
MOST = (
    64 * 1024 * 1024
)  # bytes that the service may grow by; the largest mail that it reads whole has 256 KiB
ROUNDS = 3  # of each bomb: what is kept of one is kept of all
WORD = b"=?utf-8?Q?=5B?="


def multipart(parts: int) -> bytes:
    return b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * parts + b"--b--\n"


def nested(depth: int) -> bytes:
    """Return multiparts in multiparts."""
    heads = [b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (at, at) for at in range(depth)]
    return b"".join(heads) + b"Content-Type: text/plain\n\nx\n"


def messages(depth: int) -> bytes:
    """Return mails in mails."""
    return b"Content-Type: message/rfc822\n\nSubject: x\n" * depth + b"\nx\n"


OTHERS = b"Authentication-Results: mx.outside.example; dmarc=pass\n"
FOREIGN = b"DKIM-Signature: v=1; d=outside.example; s=ops\n"
LONG = b"DKIM-Signature: v=1; a=rsa-sha256; d=lab.example; s=ops; bh=AA==; b=AA==; h=" + b"from:\n " * 4_000
BOUNDARIES = (
    b'Content-Type: multipart/mixed; boundary="%s"\n\n' % (b"b" * 60) + (b"--" + b"b" * 59 + b"\n") * 3_900
)
X = b"\nx\n"  # the smallest body

# What stands above the honest header, what follows it, and the rule that has to end it.
BOMBS = {
    "a hundred thousand parts": ("size", b"", multipart(100_000)),
    "twenty thousand parts, small enough": ("grammar", b"", multipart(20_000)),
    "multiparts nested a thousand times": ("grammar", b"", nested(1_000)),
    "multiparts nested ten thousand times": ("size", b"", nested(10_000)),
    "mails nested a thousand times": ("grammar", b"", messages(1_000)),
    "lines that are nearly boundaries": ("grammar", b"", BOUNDARIES),
    "two megabytes of encoded words": ("size", b"X-A: " + b"\n ".join([WORD] * 120_000) + b"\n", X),
    "sixty kilobytes of encoded words": ("grammar", b"X-A: " + b"\n ".join([WORD] * 3_000) + b"\n", X),
    "nine megabytes of body": ("size", b"", b"\n" + b"x" * 76 + b"\nx" * 4_500_000),
    "a body of spaces": ("grammar", b"", b"\n" + b" " * 250_000 + b"\n"),
    "a body of empty lines": ("grammar", b"", b"\n" * 110_000),
    "a body of NUL, of which Dovecot makes something else": ("signature", b"", X + b"\0" * 250_000 + b"\n"),
    "a line that never ends": ("grammar", b"", b"\n" + b"x" * 250_000 + b"\n"),
    "base64 that never ends": ("grammar", b"", b"Content-Transfer-Encoding: base64\n\n" + b"QUFB" * 60_000),
    "two hundred results of others": ("grammar", OTHERS * 200, X),
    "results of nested comments": ("authentication", RESULT + b" " + b"(" * 3_000 + b"\n", X),
    "three hundred fields": ("headers", b"X-A: b\n" * 300, X),
    "a display name of brackets": ("headers", b"From: " + b"<" * 900 + b"\n", X),
    "references without end": ("grammar", b"References: " + b"<a@lab.example>\n " * 3_000 + b"<b@x>\n", X),
    "sixty signatures of others": ("grammar", FOREIGN * 60, X),
    "a signature of four thousand names": ("grammar", LONG + b"to\n", X),
}


@pytest.fixture(scope="module")
def serving(target):
    target.start()
    target.ask(MISTAKE)  # everything that is needed once is loaded now
    return target


def memory(pid: int, row: str = "VmRSS") -> int:
    """Return the service's memory in bytes, or with VmHWM the most that it ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{row}:\s+([0-9]+) kB", status)[1]) * 1024


def bomb(serving, name: str) -> tuple[bytes, str]:
    """Return an otherwise honest mail, signed, and its Message-ID."""
    _rule, above, below = BOMBS[name]
    identifier = message_id()
    fill = filler({"SUBJECT": f"[{serving.token}] {MISTAKE}"}, identifier)
    return Signature().over(fill(above + HEAD) + below.replace(b"\n", b"\r\n")), identifier


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_a_mail_like_any_other(serving, inbox, name):
    """It gets its verdict, past Postfix and straight into the mailbox; the next mail gets its answer."""
    rule = BOMBS[name][0]
    raw, identifier = bomb(serving, name)
    seen = serving.last("messages")
    inbox.append(RESULT.replace(b"\n", b"\r\n") + b"\r\n" + raw)
    query = "SELECT rule, coalesce(message_id, ?) FROM messages WHERE id > ?"
    assert [(rule, identifier)] == waited(
        lambda: serving.rows(query, identifier, seen), "it was not looked at", 120
    )
    assert serving.ask(MISTAKE)


def test_bombs_leave_no_memory_behind(serving, inbox):
    """All of them, several times over: the service has not grown by more than a bound."""
    pid = serving.process.pid
    before, seen = memory(pid), serving.last("messages")
    for _ in range(ROUNDS):
        for name in BOMBS:
            raw, _identifier = bomb(serving, name)
            inbox.append(RESULT + b"\r\n" + raw)
    query = "SELECT count(*) FROM messages WHERE id > ?"
    waited(lambda: serving.rows(query, seen)[0][0] >= ROUNDS * len(BOMBS), "not all was looked at", 300)
    grown, most = memory(pid) - before, memory(pid, "VmHWM") - before
    print(f"{before >> 20} MiB before, {grown >> 20} more after, {most >> 20} more at most")
    assert most < MOST
    assert serving.ask(MISTAKE)


def test_a_smuggled_mail_is_nobodys(serving):
    """What a lenient server takes for a second mail, by a staff envelope, is believed no more than it."""
    identifier = message_id()
    fill = filler({"SUBJECT": f"[{serving.token}] CHECKIP=203.0.113.8"}, identifier)
    second = fill(HEAD + b"\nx").replace(b"\r\n", b"\n")
    envelope = f"MAIL FROM:<{OPERATOR}>\nRCPT TO:<{DISPATCHER}>\nDATA\n".encode()
    first = fill(HEAD).replace(OPERATOR.encode(), OUTSIDER.encode()).replace(identifier.encode(), b"<1@x>")
    with serving.nothing_runs():
        smtp = Smtp("outsider", "outside.example")
        smtp.hand_in(first + b"\r\nx\n.\n" + envelope + second + b"\r\n", OUTSIDER, DISPATCHER)
        smtp.close()  # the server's answers to what was smuggled are nobody's
        serving.ask(MISTAKE)
        rows = serving.rows("SELECT verdict, rule FROM messages WHERE message_id = ?", identifier)
    assert rows in ([], [("silent", "authentication")])
