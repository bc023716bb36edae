"""A logged-in IMAP connection over verified TLS, with a line buffer of its own.

imap-tools carries the commands. Its lines come through imaplib's buffer, where what arrives in one packet
with the answer to IDLE is invisible to poll(), and a line that comes in two packets is lost: so ``Reader``.
"""

from __future__ import annotations

import imaplib
import re
import select
import socket
import ssl
from contextlib import suppress

import imap_tools

from dispatcher.errors import MailboxError
from dispatcher.settings import Imap

# What may go wrong with a server, and may be gone at the next attempt.
FAILURES = (OSError, imaplib.IMAP4.error, imap_tools.ImapToolsError)

_MAX_LINE = 1024 * 1024
# A peer that has vanished without a word is noticed after about half a minute instead of hours.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 25_000),  # milliseconds
)
# RFC 5530: a login refused for these is not refused for its password.
_TEMPORARY = re.compile(r"\[(UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\]", re.IGNORECASE)


class LoginError(MailboxError):
    """User name or password is refused: trying again soon may lock the account."""


class Reader(imaplib.IMAP4):
    """imaplib with its documented reading methods replaced: nothing is hidden, nothing is lost."""

    _unread = b""
    _source: socket.socket | None = None  # where the unread bytes come from

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer at the connection's end."""
        while len(self._unread) < size and self._receive():
            pass
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def readline(self) -> bytes:
        """Return a line with its end, without one at the connection's end."""
        if self._unread and self._source is not self.sock:
            # Put in ahead of TLS, by whoever stands in between.
            raise self.abort("the server sent something before the encryption began")
        while b"\n" not in self._unread and self._receive():
            if len(self._unread) > _MAX_LINE:
                raise self.abort(f"a line of more than {_MAX_LINE} bytes")
        line, newline, self._unread = self._unread.partition(b"\n")
        return line + newline

    def has_line(self, seconds: float) -> bool:
        """Wait until a whole line, or the end of the connection, is there to be read without waiting."""
        if b"\n" in self._unread:
            return True
        decrypted = self.sock.pending() if isinstance(self.sock, ssl.SSLSocket) else 0
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        if not decrypted and not poller.poll(seconds * 1000):
            return False
        timeout = self.sock.gettimeout()
        self.sock.settimeout(0)
        try:
            alive = self._receive()
        except (BlockingIOError, ssl.SSLWantReadError):  # a part of a TLS record, or one of TLS itself
            alive = True
        finally:
            self.sock.settimeout(timeout)
        return not alive or b"\n" in self._unread or len(self._unread) > _MAX_LINE

    def _receive(self) -> bool:
        data = self.sock.recv(65536)
        self._unread, self._source = self._unread + data, self.sock
        return bool(data)


class _TlsReader(Reader, imaplib.IMAP4_SSL):
    """The same over TLS from the first byte."""


class _Tls(imap_tools.MailBox):
    def _get_mailbox_client(self) -> imaplib.IMAP4:
        return _TlsReader(self._host, self._port, ssl_context=self._ssl_context, timeout=self._timeout)


class _StartTls(imap_tools.BaseMailBox):
    def __init__(self, host: str, port: int, timeout: float, ssl_context: ssl.SSLContext) -> None:
        self._arguments = host, port, timeout, ssl_context
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        host, port, timeout, ssl_context = self._arguments
        client = Reader(host, port, timeout)
        client.starttls(ssl_context)
        return client


def connect(imap: Imap) -> imap_tools.BaseMailBox:
    """Return a connection that is logged in. Raises MailboxError with the way out, or FAILURES."""
    password = imap.password()
    box = opened(imap)
    try:
        for option in _KEEPALIVE:
            box.client.sock.setsockopt(*option)
        log_in(box, imap, password)
    except BaseException:
        disconnect(box)
        raise
    return box


def disconnect(box: imap_tools.BaseMailBox) -> None:
    """Log out if the server still listens; never raises and never waits long."""
    with suppress(*FAILURES):
        box.client.sock.settimeout(1)
        box.client.logout()
    with suppress(*FAILURES):
        box.client.shutdown()


def opened(imap: Imap) -> imap_tools.BaseMailBox:
    """Return a connection over verified TLS, before the login. Raises MailboxError with the way out."""
    server = f"{imap.host}:{imap.port}"
    try:
        context = ssl.create_default_context(cafile=str(imap.ca_file) if imap.ca_file else None)
    except OSError as error:
        raise MailboxError(
            f"O certificado da CA {imap.ca_file} não pode ser lido: {error.strerror or error}.",
            "Corrija a chave imap.ca_file.",
        ) from None
    kind = _Tls if imap.security == "tls" else _StartTls
    try:
        return kind(imap.host, imap.port, timeout=imap.timeout, ssl_context=context)
    except ssl.SSLCertVerificationError as error:
        raise MailboxError(
            f"O certificado de {server} não é confiável: {error.verify_message}.",
            "Confira imap.host; para um certificado próprio, indique a CA em imap.ca_file.",
        ) from None
    except (socket.gaierror, UnicodeError):  # a name that no DNS has, or that is no name
        raise MailboxError(
            f"O servidor {imap.host} não existe, ou o DNS não responde.", "Confira imap.host."
        ) from None
    except FAILURES as error:
        raise MailboxError(
            f"O servidor {server} não atende: {error}.",
            f"Confira imap.host, imap.port e imap.security (agora: {imap.security}), e a rede.",
        ) from None


def log_in(box: imap_tools.BaseMailBox, imap: Imap, password: str) -> None:
    """Log in. Raises LoginError when the password is refused, or one of FAILURES."""
    attempt = box.login if password.isascii() else box.login_utf8
    try:
        attempt(imap.user, password, initial_folder=None)
    except (imap_tools.MailboxLoginError, imaplib.IMAP4.error) as error:
        if isinstance(error, imaplib.IMAP4.abort) or _TEMPORARY.search(str(error)):
            raise
        raise LoginError(
            f"O servidor {imap.host} não aceita o usuário {imap.user} com esta senha.",
            f"Confira imap.user e {imap.password_file}.",
        ) from None
