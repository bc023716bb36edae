"""An SMTP server with TLS that says what a test wants it to say."""

import socket
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

DROP = ""  # instead of an answer: the connection is cut
# (a command with its verb in capitals, or "end of data"; how many mails were taken) -> its answer;
# None: the usual one
Script = Callable[[str, int], str | None]


def certificate(folder: Path) -> Path:
    """Make a key and a certificate for localhost, in one file."""
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", "key.pem", "-out", "certificate.pem",
        ],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "certificate.pem").read_bytes())
    return both


@dataclass
class ScriptedServer:
    """Takes mails like a submission server with implicit TLS, but for what its script answers instead."""

    pem: Path
    script: Script = lambda _line, _taken: None
    connections: int = 0
    taken: list[bytes] = field(default_factory=list)
    envelopes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(self.pem)
        self._listener = socket.create_server(("localhost", 0))
        self.port = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                with self._context.wrap_socket(plain, server_side=True) as connection:
                    self._serve(connection)
            except OSError:
                pass

    def _serve(self, connection: ssl.SSLSocket) -> None:
        stream = connection.makefile("rwb", buffering=0)
        stream.write(b"220 localhost ready\r\n")
        while line := stream.readline().decode().strip():
            verb, space, rest = line.partition(" ")
            answer = self._answer(f"{verb.upper()}{space}{rest}")
            if answer.startswith("354"):
                stream.write(answer.encode() + b"\r\n")
                content = b"".join(iter(stream.readline, b".\r\n"))
                answer = self._answer("end of data")
                if answer.startswith("250"):
                    self.taken.append(content)
            if answer == DROP:
                return
            stream.write(answer.encode() + b"\r\n")
            if answer.startswith("221"):
                return

    def _answer(self, line: str) -> str:
        scripted = self.script(line, len(self.taken))
        if scripted is not None:
            return scripted
        if line.startswith("MAIL"):
            self.envelopes.append(line.partition("<")[2].partition(">")[0])
        usual = {
            "EHLO": "250-localhost\r\n250 AUTH PLAIN",
            "AUTH": "235 yes",
            "DATA": "354 go on",
            "QUIT": "221 bye",
        }
        return usual.get(line.partition(" ")[0], "250 yes")
