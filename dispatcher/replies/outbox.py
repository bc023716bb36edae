"""Sends what is due, at least once: a mail is marked as sent only after the server has taken it."""

from __future__ import annotations

import logging
import smtplib
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from threading import Event

from sqlalchemy import Engine, select, update
from sqlalchemy.exc import DatabaseError

from dispatcher.errors import DeliveryError, SecretError
from dispatcher.jobs.schema import outbox
from dispatcher.replies.visible import visible
from dispatcher.settings import Smtp

log = logging.getLogger(__name__)

POLL = 5.0  # seconds: what another process has posted goes out at the latest after this
_FIRST, _LONGEST = 2.0, 600.0  # seconds until the next try
_BATCH = 100  # mails over one connection
_REFUSED = 500  # RFC 5321: from here on, trying the same again is of no use
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
            self._round()
            wake.wait(POLL)
            wake.clear()
        self._round()  # what the last job has posted

    def send_due(self, now: float) -> int:
        """Send the replies whose time has come, over one connection; return how many were taken.

        Raises DeliveryError when there is no connection at all: then every one of them is tried later.
        """
        due = self._due(now)
        if not due:
            return 0
        taken = 0
        try:
            with self._connection() as server:
                for row in due:
                    taken += self._send(server, row)
                    if server.sock is None:  # lost: what is left has not been tried, and stays due
                        break
        except DeliveryError as error:
            for row in due:
                self._later(row, error)
            raise
        return taken

    def _round(self) -> None:
        try:
            while self.send_due(time.time()) == _BATCH:
                pass
        except DeliveryError as error:
            log.error("%s", error)
        except DatabaseError as error:
            log.error("outbox: the database cannot be used, again in %.0f s: %s", POLL, error.orig)

    def _due(self, now: float) -> Sequence[_Due]:
        with self._engine.begin() as connection:
            found = connection.execute(
                select(*(outbox.c[field] for field in _Due.__dataclass_fields__))
                .where(outbox.c.state == "waiting", outbox.c.not_before <= now)
                .order_by(outbox.c.id)
                .limit(_BATCH)
            )
            return [_Due(*row) for row in found]

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        """Log in over verified TLS. Raises DeliveryError."""
        smtp = self._smtp
        server: smtplib.SMTP | None = None
        try:
            context = ssl.create_default_context(cafile=str(smtp.ca_file) if smtp.ca_file else None)
            if smtp.security == "tls":
                server = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=smtp.timeout, context=context)
            else:
                server = smtplib.SMTP(smtp.host, smtp.port, timeout=smtp.timeout)
                server.starttls(context=context)
            server.login(smtp.user, smtp.password())
        except (*_FAILURES, SecretError, UnicodeError) as error:
            if server is not None:
                server.close()
            raise DeliveryError(
                f"O servidor SMTP {smtp.host}:{smtp.port} não aceita a conexão: {_reason(error)}.",
                "As respostas ficam guardadas. Confira host, porta, certificado e senha na seção smtp.",
                permanent=False,
            ) from None
        try:
            yield server
            if server.sock is not None:
                with suppress(*_FAILURES):  # whatever it says now, each mail has been answered
                    server.quit()
        finally:
            server.close()

    def _send(self, server: smtplib.SMTP, row: _Due) -> bool:
        """Hand over one mail; return whether the server has taken it."""
        # Written down before: with a database that takes nothing, no mail goes out again and again.
        self._later(row, None)
        try:
            server.sendmail(_sender(row.message), [row.recipient], row.message)
        except (*_FAILURES, UnicodeError) as error:
            failure = DeliveryError(_reason(error), "", permanent=_permanent(error))
            if failure.permanent:
                log.error("reply %s is refused for good: %s", row.message_id, failure.problem)
                self._set(row, state="dead", attempts=row.attempts + 1, error=failure.problem)
            else:
                log.warning("reply %s is sent later: %s", row.message_id, failure.problem)
                self._later(row, failure)
            return False
        self._set(row, state="sent", sent_at=time.time(), attempts=row.attempts + 1, error=None)
        log.info("reply %s sent to %s", row.message_id, row.recipient)
        return True

    def _later(self, row: _Due, error: DeliveryError | None) -> None:
        wait = min(_LONGEST, _FIRST * 2 ** min(row.attempts, 20))
        self._set(
            row, not_before=time.time() + wait, attempts=row.attempts + 1, error=error and error.problem
        )

    def _set(self, row: _Due, **values: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(outbox).where(outbox.c.id == row.id).values(**values))


def _sender(message: bytes) -> str:
    """Return the address in From, which the envelope has too: SPF and DMARC then speak of the same domain."""
    return parseaddr(str(BytesHeaderParser().parsebytes(message)["From"] or ""))[1]


def _permanent(error: Exception) -> bool:
    """Whether trying again makes no sense: a 5xx about this mail, not about our account or connection."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= _REFUSED for code, _text in error.recipients.values())
    if isinstance(error, smtplib.SMTPSenderRefused):
        return False  # the account may not send as this address: a setting, and all replies wait for it
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code >= _REFUSED
    return isinstance(error, UnicodeError)  # an address that this server cannot be told


def _reason(error: Exception) -> str:
    """Return the server's own words, on one line."""
    if isinstance(error, SecretError):
        return f"{error.problem} {error.way_out}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers: list[tuple[int, bytes | str]] = list(error.recipients.values())
    elif isinstance(error, smtplib.SMTPResponseException):
        answers = [(error.smtp_code, error.smtp_error)]
    else:
        return str(error) or type(error).__name__
    return visible("; ".join(f"{code} {_decoded(text)}" for code, text in answers))


def _decoded(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
