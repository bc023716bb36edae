"""Sends what is due, at least once: a mail is marked as sent only after the server has taken it."""

from __future__ import annotations

import logging
import smtplib
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Event

from sqlalchemy import Engine, select, update
from sqlalchemy.exc import DatabaseError

from dispatcher.errors import DeliveryError
from dispatcher.jobs.schema import outbox
from dispatcher.settings import Smtp

log = logging.getLogger(__name__)

POLL = 5.0  # seconds: what another process has posted goes out at the latest after this
_FIRST, _LONGEST = 2.0, 600.0  # seconds until the next try
_FAILURES = (OSError, smtplib.SMTPException)


@dataclass(frozen=True, slots=True)
class _Due:
    id: int
    recipient: str
    message: bytes
    attempts: int
    message_id: str


class Outbox:
    """The table of replies that are due, and the server that takes them."""

    def __init__(self, engine: Engine, smtp: Smtp) -> None:
        self._engine = engine
        self._smtp = smtp

    def run(self, stop: Event, wake: Event) -> None:
        """Send until told to stop; ``wake`` is set when a reply has been posted."""
        while not stop.is_set():
            try:
                self.send_due(time.time())
            except (DatabaseError, DeliveryError) as error:
                log.warning("outbox: again later: %s", error)
            wake.wait(POLL)
            wake.clear()
        with suppress(DatabaseError, DeliveryError):
            self.send_due(time.time())  # what the last job has posted

    def send_due(self, now: float) -> int:
        """Send every reply whose time has come, over one connection; return how many were taken."""
        with self._engine.begin() as connection:
            found = connection.execute(
                select(*(outbox.c[field] for field in _Due.__dataclass_fields__))
                .where(outbox.c.state == "waiting", outbox.c.not_before <= now)
                .order_by(outbox.c.id)
            )
            due = [_Due(*row) for row in found]
        if not due:
            return 0
        try:
            server = self._connect()
        except DeliveryError as error:
            for row in due:
                self._later(row, error)
            raise
        with server:
            return sum(self._send(server, row) for row in due)

    def _connect(self) -> smtplib.SMTP:
        """Log in to the submission server. Raises DeliveryError."""
        smtp = self._smtp
        context = ssl.create_default_context(cafile=str(smtp.ca_file) if smtp.ca_file else None)
        try:
            if smtp.security == "tls":
                server: smtplib.SMTP = smtplib.SMTP_SSL(
                    smtp.host, smtp.port, timeout=smtp.timeout, context=context
                )
            else:
                server = smtplib.SMTP(smtp.host, smtp.port, timeout=smtp.timeout)
                server.starttls(context=context)
            server.login(smtp.user, smtp.password())
        except _FAILURES as error:
            raise DeliveryError(
                f"O servidor SMTP {smtp.host}:{smtp.port} não aceita a conexão: {_reason(error)}.",
                "Confira host, porta, certificado e senha na seção smtp da configuração.",
                permanent=False,
            ) from None
        return server

    def _send(self, server: smtplib.SMTP, row: _Due) -> bool:
        try:
            with suppress(smtplib.SMTPServerDisconnected):
                server.rset()
            server.sendmail(self._smtp.user, [row.recipient], row.message)
        except _FAILURES as error:
            failure = DeliveryError(_reason(error), "", permanent=_permanent(error))
            self._dead(row, failure) if failure.permanent else self._later(row, failure)
            return False
        self._set(row, state="sent", sent_at=time.time(), attempts=row.attempts + 1, error=None)
        log.info("reply %s sent to %s", row.message_id, row.recipient)
        return True

    def _later(self, row: _Due, error: DeliveryError) -> None:
        wait = min(_LONGEST, _FIRST * 2 ** min(row.attempts, 20))
        log.warning("reply %s to %s: again in %.0f s: %s", row.message_id, row.recipient, wait, error.problem)
        self._set(row, not_before=time.time() + wait, attempts=row.attempts + 1, error=error.problem)

    def _dead(self, row: _Due, error: DeliveryError) -> None:
        log.error("reply %s to %s was refused for good: %s", row.message_id, row.recipient, error.problem)
        self._set(row, state="dead", attempts=row.attempts + 1, error=error.problem)

    def _set(self, row: _Due, **values: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(outbox).where(outbox.c.id == row.id).values(**values))


def _permanent(error: Exception) -> bool:
    """Whether the server has said 5xx about this very mail."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _text in error.recipients.values())  # noqa: PLR2004 - RFC 5321
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500  # noqa: PLR2004


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = (
            error.smtp_error.decode("utf-8", "replace")
            if isinstance(error.smtp_error, bytes)
            else error.smtp_error
        )
        return f"{error.smtp_code} {text}"
    return str(error) or type(error).__name__
