"""What has become of every command, as the mailbox, the servers and the database have it."""

from __future__ import annotations

import email
import email.policy
import imaplib
import re
import ssl
from collections import defaultdict
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from sqlalchemy import Engine, Row, select

from dispatcher.jobs import schema
from dispatcher.jobs.database import transaction
from tests.chaos.machines import SERVERS
from tests.fleet import on
from tests.road import OPERATOR

_TAKEN = re.compile(r"by mail\.lab\.example \(Postfix\) with ESMTPSA id (\w+)")


@dataclass(frozen=True)
class Answer:
    """One mail in the operator's mailbox. ``queue_id``: Postfix's, new each time that it takes a mail."""

    about: str
    message_id: str
    queue_id: str


def answers(lab: Path, run: str) -> list[Answer]:
    """Return every answer to a command of this run; that one waits for its turn is no answer."""
    client = imaplib.IMAP4_SSL(
        "mail.lab.example", ssl_context=ssl.create_default_context(cafile=str(lab / "ca.pem"))
    )
    with client:
        client.login(OPERATOR, (lab / "secrets/mail-operador").read_text().strip())
        client.select("INBOX", readonly=True)
        numbers = client.search(None, "HEADER", "In-Reply-To", run)[1][0].split()
        if not numbers:
            return []
        parts = client.fetch(b",".join(numbers).decode(), "(BODY.PEEK[HEADER])")[1]
    found = [_answer(part[1]) for part in parts if isinstance(part, tuple)]
    return [answer for answer in found if not answer.message_id.startswith("<accepted.")]


def _answer(header: bytes) -> Answer:
    mail: EmailMessage = email.message_from_bytes(header, policy=email.policy.default)
    taken = [_TAKEN.search(" ".join(str(line).split())) for line in mail.get_all("Received", [])]
    return Answer(mail["In-Reply-To"], mail["Message-ID"], next(match[1] for match in taken if match))


def traces(server: str) -> list[tuple[str, str, str, float]]:
    """Return what a server has written down: about what, in which run, begins or ends, and when."""
    lines = (line.split() for line in on(server, "cat", "/run/chaos", check=False).splitlines())
    return [(about, run, what, float(when)) for about, run, what, when in lines]


def forget() -> None:
    """Take the traces of earlier tests off the servers."""
    for server in SERVERS:
        on(server, "rm", "-f", "/run/chaos")


def overlaps(lines: list[tuple[str, str, str, float]]) -> list[tuple[str, str]]:
    """Return each pair of runs that were on a server at the same time."""
    spans: dict[str, list[float]] = defaultdict(list)
    for _about, run, _what, when in lines:
        spans[run].append(when)
    ordered = sorted((min(whens), max(whens), run) for run, whens in spans.items())
    return [
        (one[2], other[2])
        for at, one in enumerate(ordered)
        for other in ordered[at + 1 :]
        if other[0] < one[1]
    ]


def jobs(engine: Engine) -> list[Row]:
    """Return all jobs, the oldest first."""
    with transaction(engine) as connection:
        return list(connection.execute(select(schema.jobs).order_by(schema.jobs.c.id)))


def messages(engine: Engine) -> list[Row]:
    """Return the audit, in the order in which mails were looked at."""
    with transaction(engine) as connection:
        return list(connection.execute(select(schema.messages).order_by(schema.messages.c.id)))


def replies(engine: Engine) -> list[Row]:
    """Return the outbox, without the mails' texts."""
    columns = [column for column in schema.outbox.c if column.name != "message"]
    with transaction(engine) as connection:
        return list(connection.execute(select(*columns)))


def about(job: Row) -> str:
    """Return what a job's playbook writes down on the servers."""
    arguments = job.arguments
    return str(arguments.get("checkip") or arguments.get("macchange"))
