"""One function for each mail that people get; each returns it whole, ready for the outbox."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from dispatcher.commands import InvalidCommand
from dispatcher.jobs.job import Job
from dispatcher.mail.message import Message
from dispatcher.replies.diff import rows
from dispatcher.replies.render import TEMPLATES, Renderer
from dispatcher.replies.threading import ThreadHeader
from dispatcher.runs.report import Report
from dispatcher.settings import Settings

_FIRST = {"failed": 0, "unreachable": 1, "changed": 2, "ok": 3}  # what needs a person stands on top
MAX_ROWS = 50  # mail clients clip a mail of more than 102 KB


@dataclass(frozen=True, slots=True)
class Reply:
    """A mail that is due. The same cause always has the same ``message_id``, so it is posted once."""

    kind: str
    recipient: str
    message_id: str
    mime: bytes


@dataclass(frozen=True, slots=True)
class _Thread:
    """Whom a reply goes to, in which language, and the mail that it answers."""

    recipient: str
    language: str
    about: str | None  # Message-ID
    references: str


class Composer:
    """Composes replies in the settings' branding."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._renderer = Renderer(settings)
        self._policy = SMTP.clone(header_factory=ThreadHeader.factory())
        self._logo = (settings.branding.logo_file or TEMPLATES / "logo.png").read_bytes()

    def result(self, job: Job, report: Report) -> Reply:
        """Say what a job did on each server, and what to do next."""
        hosts = sorted(report.hosts, key=lambda host: _FIRST[host.outcome])
        values = {
            "job": job,
            "report": report,
            "hosts": hosts[:MAX_ROWS],
            "left_out": len(hosts[MAX_ROWS:]),
            "counts": Counter(host.outcome for host in hosts),
            "codes": list(dict.fromkeys(host.code for host in hosts)),
            "diffs": [(host.host, rows(host.diff)) for host in hosts if host.diff] if report.check else [],
            "finished": datetime.now(timezone.utc),
        }
        order = job.order
        to = _Thread(order.sender or "", order.language, order.message_id, order.references)
        return self._reply("result", to, values)

    def rejected(self, sender: str, language: str, message: Message, error: InvalidCommand) -> Reply:
        """Say everything that is wrong with a command, and show one that is right."""
        values = {"problems": error.problems, "corrected": error.corrected}
        return self._reply(
            "rejected", _Thread(sender, language, message.message_id, message.references), values
        )

    def invalid_token(self, sender: str, language: str, message: Message) -> Reply:
        """Say that the token is not valid, and no more than that."""
        return self._reply(
            "invalid_token", _Thread(sender, language, message.message_id, message.references), {}
        )

    def _reply(self, kind: str, to: _Thread, values: dict[str, Any]) -> Reply:
        rendered = self._renderer.render(kind, to.language, values)
        address = self._settings.mail.address if self._settings.mail else "athome@localhost"
        cause = hashlib.sha256(f"{kind} {to.recipient} {to.about}".encode()).hexdigest()[:32]
        message_id = f"<{kind}.{cause}@{address.rpartition('@')[2]}>"
        html = EmailMessage(self._policy)
        html.set_content(rendered.html, subtype="html")
        html.add_related(self._logo, "image", "png", cid="<logo>", disposition="inline", filename="logo.png")
        message = EmailMessage(self._policy)
        message["From"] = f'"{self._settings.branding.name}" <{address}>'
        message["To"] = to.recipient
        message["Subject"] = rendered.subject
        message["Date"] = format_datetime(datetime.now(timezone.utc))
        message["Message-ID"] = message_id
        if to.about:
            message["In-Reply-To"] = to.about
            message["References"] = f"{to.references} {to.about}".strip()
        message["Auto-Submitted"] = "auto-replied"
        message["X-Auto-Response-Suppress"] = "All"
        message["Content-Language"] = to.language.replace("_", "-")
        message.set_content(rendered.text)
        message.make_alternative()
        message.attach(html)
        return Reply(kind, to.recipient, message_id, message.as_bytes())
