"""One function for each mail that people get; each returns it whole, ready for the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from dispatcher.commands import InvalidCommand
from dispatcher.errors import SettingsError
from dispatcher.i18n import N_, translations
from dispatcher.jobs.job import Job, Order
from dispatcher.mail.lockout import APPROVE
from dispatcher.mail.message import Message
from dispatcher.mail.senders import Sender
from dispatcher.replies import identity, result, table
from dispatcher.replies.diff import first
from dispatcher.replies.recordings import MOST
from dispatcher.replies.render import TEMPLATES, Rendered, Renderer
from dispatcher.replies.sentences import invented, sentence
from dispatcher.replies.threading import ThreadHeader
from dispatcher.replies.visible import visible
from dispatcher.runs.report import Progress, Report
from dispatcher.settings import Settings

MAX_HTML = 90_000  # bytes; Gmail hides what comes after 102 KB
# Servers in the mail itself, and lines of each difference: the most of these that fit; the rest is in tables.
_FITS = ((50, 400), (25, 100), (10, 40), (5, 10))


@dataclass(frozen=True, slots=True)
class Reply:
    """A mail that is due. The same cause always has the same ``message_id``, so it is posted once."""

    kind: str
    recipient: str
    message_id: str
    mime: bytes


@dataclass(frozen=True, slots=True)
class Thread:
    """Whom a mail goes to, in which language, and the mail that it answers, if it answers one."""

    recipient: str
    language: str
    about: str | None = None  # Message-ID
    references: str = ""
    cause: str = ""  # of the mail, where it is not the mail that it answers

    @classmethod
    def of(cls, sender: Sender, message: Message) -> Thread:
        """Return the thread of a mail of a proved sender."""
        return cls(sender.address, sender.language, message.message_id, message.references)

    @classmethod
    def of_order(cls, order: Order) -> Thread:
        """Return the thread of the mail that ordered a job; of a job without one, its cause's."""
        to = order.sender or ""
        if order.message_id is not None:
            return cls(to, order.language, order.message_id, order.references)
        earlier, _, about = order.references.rpartition(" ")
        cause = f"retry of job {order.retry_of}" if order.retry_of else f"follows job {order.preview_of}"
        return cls(to, order.language, about or None, earlier, cause)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An answer that lets a job start: until when, and with which code; without one, others have theirs."""

    until: datetime
    code: str = field(default="", repr=False)


class Composer:
    """Composes replies in the settings' branding. Other modules compose theirs with ``compose``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._renderer = Renderer(settings)
        self._address = settings.mail.address if settings.mail else "athome@localhost"
        self._policy = SMTP.clone(header_factory=ThreadHeader.factory())
        self._logo = _picture(settings.branding.logo_file or TEMPLATES / "logo.png")

    def result(
        self, job: Job, report: Report, *, privileged: bool = False, invitation: Invitation | None = None
    ) -> Reply:
        """Say what a job did on each server and what to do next; what is confidential to the privileged.

        ``invitation``: what an answer to it lets follow.
        """
        to = Thread.of_order(job.order)
        return self._reported("result", to, job, report, invitation, privileged=privileged)

    def approve(self, job: Job, report: Report, administrator: Sender, invitation: Invitation) -> Reply:
        """Ask an administrator whether what somebody else wants, and a job has looked at, may be done."""
        to = Thread(administrator.address, administrator.language, cause=f"approval of job {job.id}")
        return self._reported(APPROVE, to, job, report, invitation, privileged=administrator.privileged)

    def _reported(
        self, kind: str, to: Thread, job: Job, report: Report, invitation: Invitation | None,
        *, privileged: bool,
    ) -> Reply:  # fmt: skip
        shown = result.view(report, job.order, to.language, privileged=privileged, number=job.id)
        values = {"job": job, "order": job.order, "report": report, "invitation": invitation, "most": MOST}
        for most, lines in _FITS:
            changes = tuple(replace(one, lines=first(one.lines, lines)) for one in shown.changes[:most])
            cut = replace(shown, servers=shown.servers[:most], changes=changes)
            rest = len(shown.servers) - len(cut.servers)
            some = changes != shown.changes
            rendered = self._render(kind, to, {**values, "view": cut, "rest": rest, "some": some})
            if len(rendered.html.encode()) <= MAX_HTML:
                break
        attached = {N_("servidores.csv"): table.servers(shown, to.language)} if rest else {}
        if some:
            attached[N_("mudancas.csv")] = table.changes(shown, to.language)
        if shown.recordings and len(shown.recordings.found) > MOST:
            attached[N_("gravacoes.csv")] = table.recordings(shown.recordings, to.language)
        return self._reply(kind, to, rendered, attached)

    def collecting(self, job: Job, progress: Progress) -> Reply:
        """Say how much there is to collect, and that there will be another mail."""
        order = job.order
        to = Thread.of_order(order)
        values = {"job": job, "files": progress.of, "bytes": progress.of_bytes}
        return self.compose("collecting", to, values)

    def rejected(self, sender: Sender, message: Message, error: InvalidCommand) -> Reply:
        """Say everything that is wrong with a command, and show one that is right."""
        problems = [
            {
                "field": problem.field,
                "value": visible(problem.value, 80),
                "said": sentence(problem.code, problem.data, sender.language),
                "suggestion": visible(problem.suggestion or "", 80),
            }
            for problem in error.problems
        ]
        to = Thread.of(sender, message)
        warning = invented(error.invented, sender.language) if error.invented else ""
        values = {
            "problems": problems, "corrected": error.corrected, "warning": warning,
            "understood": error.understood,
        }  # fmt: skip
        return self.compose("rejected", to, values)

    def compose(
        self,
        kind: str,
        to: Thread,
        values: Mapping[str, Any],
        *,
        cause: str = "",
        attached: Mapping[str, bytes] | None = None,
    ) -> Reply:
        """Fill the templates ``kind``. The same kind, recipient and cause always give the same Message-ID.

        The cause is the mail that it answers; what answers none has to name its own.
        """
        return self._reply(kind, to, self._render(kind, to, values), attached, cause=cause)

    def _render(self, kind: str, to: Thread, values: Mapping[str, Any]) -> Rendered:
        return self._renderer.render(
            kind, to.language, {"recipient": to.recipient, "address": self._address, **values}
        )

    def _reply(
        self,
        kind: str,
        to: Thread,
        rendered: Rendered,
        attached: Mapping[str, bytes] | None = None,
        *,
        cause: str = "",
    ) -> Reply:
        domain = self._address.rpartition("@")[2]
        tokens = self._settings.tokens
        key = identity.derived_key(tokens.pepper() if tokens else b"")
        message_id = identity.message_id(key, kind, to.recipient, cause or to.cause or to.about, domain)
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
        message["Auto-Submitted"] = "auto-replied" if to.about else "auto-generated"  # RFC 3834
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(rendered.text)
        message.make_alternative()
        message.attach(html)
        for name, content in (attached or {}).items():
            named = translations(to.language).gettext(name)
            message.add_attachment(content, "text", "csv", filename=named, params={"charset": "utf-8"})
        message["Content-Language"] = to.language.replace("_", "-")  # a multipart takes earlier ones along
        return Reply(kind, to.recipient, message_id, message.as_bytes())


def _picture(path: Path) -> bytes:
    """Return the logo. Raises SettingsError: a mail without it would be found out much later."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"Não é possível ler o logotipo {path}: {error.strerror}.", "Corrija a chave branding.logo_file."
        ) from None
