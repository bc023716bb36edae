"""One conversation with the SMTP server: each mail is taken, or is not, or nobody knows.

A server that has been given a mail and whose answer is lost may have taken it. That is a doubt, which only
what the server keeps can settle; everything before the mail's last line is none.
"""

from __future__ import annotations

import enum
import smtplib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.utils import parseaddr

from dispatcher.errors import DeliveryError, SecretError
from dispatcher.replies.visible import visible
from dispatcher.settings import Smtp

FAILURES = (OSError, smtplib.SMTPException)

_TAKEN = range(200, 300)
_REFUSED = 500  # RFC 5321: from here on, trying the same again is of no use
_CLOSING = 421
_TOO_LARGE = 552  # the only refusal of a MAIL command that is about the mail
_QUOTA = b"5.4.5"  # the account's sending limit for the day (Gmail): tomorrow the same mail is taken


class Outcome(enum.Enum):
    """What has become of a mail that was handed over."""

    TAKEN = "taken"
    LATER = "later"  # not taken; it may be next time
    REFUSED = "refused"  # not taken, and never will be
    DOUBTFUL = "doubtful"  # the connection was lost when the server had the mail, and had not answered


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome, and the server's own words on one line."""

    outcome: Outcome
    words: str = ""


class LoginRefusedError(DeliveryError):
    """User name or password is refused: trying again soon may lock the account."""


@contextmanager
def submission(smtp: Smtp) -> Iterator[smtplib.SMTP]:
    """Log in over verified TLS. Raises DeliveryError, LoginRefusedError among them."""
    server: smtplib.SMTP | None = None
    try:
        context = ssl.create_default_context(cafile=str(smtp.ca_file) if smtp.ca_file else None)
        if smtp.security == "tls":
            server = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=smtp.timeout, context=context)
        else:
            server = smtplib.SMTP(smtp.host, smtp.port, timeout=smtp.timeout)
            server.starttls(context=context)
        server.login(smtp.user, smtp.password())
    except (*FAILURES, SecretError, UnicodeError) as error:
        if server is not None:
            server.close()
        refused = isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= _REFUSED
        raise (LoginRefusedError if refused else DeliveryError)(
            f"O servidor SMTP {smtp.host}:{smtp.port} não aceita a conexão: {_reason(error)}.",
            "As respostas ficam guardadas. Confira host, porta, certificado e senha na seção smtp.",
            permanent=False,
        ) from None
    try:
        yield server
        if server.sock is not None:
            with suppress(*FAILURES):  # whatever it says now, each mail has been answered
                server.quit()
    finally:
        server.close()


def hand_over(server: smtplib.SMTP, recipient: str, message: bytes, until: float) -> Answer:
    """Hand over one mail; not after ``until`` (monotonic), when somebody else may be doing the same.

    Never raises. A connection that is lost, or of no more use, has no ``sock`` afterwards.
    """
    given = False
    try:
        options = [f"size={len(message)}"] if server.has_extn("size") else []
        if refused := _refused(*server.mail(_sender(message), options)):
            too_large = refused[0] == _TOO_LARGE
            return _not_taken(server, refused, permanent=too_large)  # else our account: all replies wait
        if refused := _refused(*server.rcpt(recipient)):
            return _not_taken(server, refused)
        if time.monotonic() > until:
            server.close()
            return Answer(Outcome.LATER, "the server took too long")
        given = True
        try:
            refused = _refused(*server.data(message))
        except smtplib.SMTPDataError as error:  # to the command itself, before the mail
            refused = error.smtp_code, _bytes(error.smtp_error)
        return _not_taken(server, refused) if refused else Answer(Outcome.TAKEN)
    except UnicodeError as error:  # an address that this server cannot be told
        _reset(server)
        return Answer(Outcome.REFUSED, _reason(error))
    except FAILURES as error:
        server.close()
        return Answer(Outcome.DOUBTFUL if given else Outcome.LATER, _reason(error))


def _refused(code: int, text: bytes) -> tuple[int, bytes] | None:
    return None if code in _TAKEN else (code, text)


def _not_taken(server: smtplib.SMTP, refused: tuple[int, bytes], *, permanent: bool = True) -> Answer:
    code, text = refused
    if code == _CLOSING:
        server.close()
    else:
        _reset(server)
    final = permanent and code >= _REFUSED and not text.startswith(_QUOTA)
    words = visible(f"{code} {text.decode('utf-8', 'replace')}")
    return Answer(Outcome.REFUSED if final else Outcome.LATER, words)


def _reset(server: smtplib.SMTP) -> None:
    """Forget the mail in hand, so that the next one begins anew."""
    try:
        server.rset()
    except FAILURES:
        server.close()


def _sender(message: bytes) -> str:
    """Return the address in From, which the envelope has too: SPF and DMARC then speak of the same domain."""
    return parseaddr(str(BytesHeaderParser().parsebytes(message)["From"] or ""))[1]


def _bytes(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _reason(error: Exception) -> str:
    """Return what a failure says, on one line."""
    if isinstance(error, SecretError):
        return f"{error.problem} {error.way_out}"
    if isinstance(error, smtplib.SMTPResponseException):
        return visible(f"{error.smtp_code} {_bytes(error.smtp_error).decode('utf-8', 'replace')}")
    return visible(str(error)) or type(error).__name__
