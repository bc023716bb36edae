"""One function for each mail that people get; each returns it whole, ready for the outbox."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from dispatcher.commands import COMMANDS, InvalidCommand
from dispatcher.errors import SettingsError
from dispatcher.jobs.job import Job
from dispatcher.mail.message import Message
from dispatcher.replies import result, table
from dispatcher.replies.recordings import MOST
from dispatcher.replies.render import TEMPLATES, Rendered, Renderer
from dispatcher.replies.sentences import invented, sentence
from dispatcher.replies.threading import ThreadHeader
from dispatcher.replies.visible import visible
from dispatcher.runs.report import Progress, Report
from dispatcher.settings import Settings

MAX_HTML = 90_000  # bytes; Gmail hides what comes after 102 KB
_ROWS = (50, 25, 10, 5)  # servers in the mail itself: the most of these that fit; the rest is in the table


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
        self._address = settings.mail.address if settings.mail else "athome@localhost"
        self._policy = SMTP.clone(header_factory=ThreadHeader.factory())
        self._logo = _picture(settings.branding.logo_file or TEMPLATES / "logo.png")

    def result(self, job: Job, report: Report, *, privileged: bool = False) -> Reply:
        """Say what a job did on each server and what to do next; what is confidential to the privileged."""
        order = job.order
        to = _Thread(order.sender or "", order.language, order.message_id, order.references)
        shown = result.view(report, order, order.language, privileged=privileged)
        for most in _ROWS:
            cut = replace(shown, servers=shown.servers[:most], changes=shown.changes[:most])
            rest = len(shown.servers) - len(cut.servers)
            rendered = self._render(
                "result", to, {"job": job, "report": report, "view": cut, "rest": rest, "most": MOST}
            )
            if len(rendered.html.encode()) <= MAX_HTML:
                break
        attached = {"servidores.csv": table.servers(shown, order.language)} if rest else {}
        if shown.recordings and len(shown.recordings.found) > MOST:
            attached["gravacoes.csv"] = table.recordings(shown.recordings, order.language)
        return self._reply("result", to, rendered, attached)

    def collecting(self, job: Job, progress: Progress) -> Reply:
        """Say how much there is to collect, and that there will be another mail."""
        order = job.order
        to = _Thread(order.sender or "", order.language, order.message_id, order.references)
        values = {"job": job, "files": progress.of, "bytes": progress.of_bytes}
        return self._reply("collecting", to, self._render("collecting", to, values))

    def rejected(self, sender: str, language: str, message: Message, error: InvalidCommand) -> Reply:
        """Say everything that is wrong with a command, and show one that is right."""
        problems = [
            {
                "field": problem.field,
                "value": visible(problem.value, 80),
                "said": sentence(problem.code, problem.data, language),
                "suggestion": visible(problem.suggestion or "", 80),
            }
            for problem in error.problems
        ]
        to = _Thread(sender, language, message.message_id, message.references)
        warning = invented(error.invented, language) if error.invented else ""
        values = {"problems": problems, "corrected": error.corrected, "warning": warning}
        return self._reply("rejected", to, self._render("rejected", to, values))

    def invalid_token(self, sender: str, language: str, message: Message) -> Reply:
        """Say that the token is not valid, and no more than that."""
        to = _Thread(sender, language, message.message_id, message.references)
        values = {"example": next(iter(COMMANDS.values())).example}
        return self._reply("invalid_token", to, self._render("invalid_token", to, values))

    def _render(self, kind: str, to: _Thread, values: dict[str, Any]) -> Rendered:
        return self._renderer.render(
            kind, to.language, {"recipient": to.recipient, "address": self._address, **values}
        )

    def _reply(
        self, kind: str, to: _Thread, rendered: Rendered, attached: Mapping[str, bytes] | None = None
    ) -> Reply:
        cause = hashlib.sha256(f"{kind} {to.recipient} {to.about}".encode()).hexdigest()[:32]
        message_id = f"<{kind}.{cause}@{self._address.rpartition('@')[2]}>"
        html = EmailMessage(self._policy)
        html.set_content(rendered.html, subtype="html")
        html.add_related(self._logo, "image", "png", cid="<logo>", disposition="inline", filename="logo.png")
        message = EmailMessage(self._policy)
        message["From"] = Address(self._settings.branding.name, addr_spec=self._address)
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
        for name, content in (attached or {}).items():
            message.add_attachment(content, "text", "csv", filename=name)
        return Reply(kind, to.recipient, message_id, message.as_bytes())


def _picture(path: Path) -> bytes:
    """Return the logo. Raises SettingsError: a mail without it would be found out much later."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"Não é possível ler o logotipo {path}: {error.strerror}.", "Corrija a chave branding.logo_file."
        ) from None
