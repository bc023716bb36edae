"""A small IMAP server over TLS with one folder of mails, that misbehaves on demand.

A test subclasses or patches ``Session``: each command is a method, and ``idle`` decides what is said when.
"""

from __future__ import annotations

import datetime as dt
import re
import socket
import ssl
import threading
from contextlib import suppress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Cut(Exception):  # noqa: N818 - an order, not a fault
    """Drop the connection without a word."""


def certificate(folder):
    """Write a key and a self-signed certificate for `localhost`; return the file's path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Server:
    """The mailbox: folders of {UID: mail}, and a thread for each connection."""

    def __init__(self, pem, session, *, tls=True):
        self.folders = {"INBOX": {}, "Sent": {}}
        self.next_uid = 1
        self.uidvalidity = 7
        self.connections = 0
        self.commands = []  # every command line of every connection, passwords included: this is a fake
        self.arrival = threading.Condition()
        self.tls = tls
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)
        self._session = session
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def deliver(self, content=b"Subject: x\r\n\r\nbody\r\n"):
        """Put a mail into the inbox, without a word to anybody; return its UID."""
        with self.arrival:
            uid, self.next_uid = self.next_uid, self.next_uid + 1
            self.folders["INBOX"][uid] = content
            self.arrival.notify_all()
        return uid

    def close(self):
        """Take no more connections."""
        with suppress(OSError):  # closed already
            self._listener.shutdown(socket.SHUT_RDWR)  # ends the accept that waits
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self.tls:
                connection = self.context.wrap_socket(connection, server_side=True)
            self._session(self, connection).run()
        except (Cut, OSError):
            pass
        finally:
            connection.close()


class Session:
    """One well-behaved connection."""

    capabilities = "IMAP4rev1 IDLE MOVE UIDPLUS"

    def __init__(self, server, connection):
        self.server = server
        self.connection = connection
        self.reader = connection.makefile("rb")
        self.said = 0  # the number of mails that the client has been told of

    def say(self, *lines):
        """Send lines in one segment; bytes are sent as they are."""
        self.connection.sendall(
            b"".join(line if isinstance(line, bytes) else f"{line}\r\n".encode() for line in lines)
        )

    def hear(self):
        """Return the next line of the client."""
        line = self.reader.readline()
        if not line:
            raise Cut
        return line.decode().rstrip("\r\n")

    def run(self):
        """Greet, and answer one command after another."""
        self.say("* OK ready")
        while True:
            tag, command, arguments = (self.hear() + "  ").split(" ", 2)
            arguments = arguments.strip()
            if command == "UID":
                command, _space, arguments = arguments.partition(" ")
            self.server.commands.append(f"{command} {arguments}".strip())
            self.answer(tag, command.lower(), arguments)

    def answer(self, tag, command, arguments):
        """Call the command's method; what it returns ends the answer."""
        self.say(f"{tag} {getattr(self, command)(tag, arguments) or 'OK done'}")
        if command == "logout":
            raise Cut

    def inbox(self):
        return self.server.folders["INBOX"]

    def announced(self):
        """Return the EXISTS that is due, if one is."""
        if self.said == len(self.inbox()):
            return []
        self.said = len(self.inbox())
        return [f"* {self.said} EXISTS"]

    def capability(self, _tag, _arguments):
        self.say(f"* CAPABILITY {self.capabilities}")

    def login(self, _tag, arguments):
        return "OK in" if arguments.endswith('"right"') else "NO [AUTHENTICATIONFAILED] wrong"

    def logout(self, _tag, _arguments):
        self.say("* BYE bye")

    def list(self, _tag, arguments):
        name = arguments.split()[-1].strip('"')
        if name in self.server.folders:
            self.say(f'* LIST () "/" "{name}"')

    def create(self, _tag, arguments):
        self.server.folders[arguments.strip('"')] = {}

    def select(self, _tag, _arguments):
        self.said = len(self.inbox())
        self.say(f"* {self.said} EXISTS", f"* OK [UIDVALIDITY {self.server.uidvalidity}] x")

    def noop(self, _tag, _arguments):
        self.say(*self.announced())

    def search(self, _tag, arguments):
        found = [] if "BEFORE" in arguments else self.inbox()  # nothing here is old
        self.say("* SEARCH " + " ".join(str(uid) for uid in found))

    def fetch(self, _tag, arguments):
        uid = int(arguments.split()[0])
        content = self.inbox().get(uid)
        if content is None:
            return
        number = list(self.inbox()).index(uid) + 1
        if "RFC822.SIZE" in arguments:
            about = f'RFC822.SIZE {len(content)} INTERNALDATE "23-Nov-2026 08:59:30 -0300"'
            self.say(f"* {number} FETCH (UID {uid} {about})")
            return
        if "HEADER" in arguments:
            content = content[: content.index(b"\r\n\r\n") + 4]
        content = content[: int(re.search(r"<0\.([0-9]+)>", arguments)[1])]
        self.say(
            f"* {number} FETCH (UID {uid} BODY[]<0> {{{len(content)}}}\r\n".encode() + content + b")\r\n"
        )

    def move(self, _tag, arguments):
        uid, folder = arguments.split(" ", 1)
        content = self.inbox().pop(int(uid), None)
        if content is not None:
            self.said -= 1
            self.server.folders[folder.strip('"')][int(uid)] = content
            self.say("* 1 EXPUNGE")

    def idle(self, _tag, _arguments):
        """Announce what arrives until the client says DONE."""
        self.say("+ idling")
        self.until_done()

    def until_done(self):
        """Wait for DONE; meanwhile say what there is to say."""
        heard = threading.Event()

        def watch():
            with self.server.arrival:
                while not heard.is_set():
                    if lines := self.announced():
                        self.say(*lines)
                    self.server.arrival.wait(0.02)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            assert self.hear() == "DONE"
        finally:
            heard.set()
            watcher.join()
