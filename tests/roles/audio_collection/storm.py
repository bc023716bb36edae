"""A proxy in front of an S3 store that lets chosen requests fail, as networks and stores do."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LINGER = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by a reset
REFUSAL = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>invented</Message></Error>"
CODES = {"InvalidObjectState": 403, "InternalError": 500, "SlowDown": 503, "AccessDenied": 403}


class Storm(ThreadingHTTPServer):
    """Hands each request on to the store.

    `faults`: end of a key -> what happens to its next GETs, in order: an error's code, "reset", "cut" (half
    of the body), "" (nothing). `for_ever`: what happens to each GET after these. `beyond`: what happens to
    each GET of a range that does not begin with the first byte; ranges come side by side, in any order.
    """

    daemon_threads = True

    def __init__(self, store: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.store = store
        self.faults: dict[str, list[str]] = {}
        self.for_ever: dict[str, str] = {}
        self.beyond: dict[str, str] = {}
        self.seen: list[tuple[str, str]] = []
        self.hold = threading.Event()  # while it is not set, PUTs wait
        self.hold.set()
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fault(self, key: str, part: str) -> str:
        if part and not part.startswith("bytes=0-"):
            for end, fault in self.beyond.items():
                if key.endswith(end):
                    return fault
        for end, faults in self.faults.items():
            if key.endswith(end) and faults:
                return faults.pop(0)
        return next((fault for end, fault in self.for_ever.items() if key.endswith(end)), "")

    def handle_error(self, *_: object) -> None:
        """Whoever hangs up is meant to."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Storm
    protocol_version = "HTTP/1.1"

    def hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = unquote(urlsplit(self.path).path)
        self.server.seen.append((self.command, key))
        fault = self.server.fault(key, self.headers.get("Range", "")) if self.command == "GET" else ""
        if self.command == "PUT":
            self.server.hold.wait(60)
        if fault == "reset":
            self.close_connection = True
            self.connection.setsockopt(*LINGER)
            self.connection.close()
            return
        if fault in CODES:
            self.reply(CODES[fault], {}, REFUSAL.format(code=fault).encode())
            return
        connection = http.client.HTTPConnection(self.server.store, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        content = answer.read()
        headers = {name: value for name, value in answer.getheaders() if name.lower() != "transfer-encoding"}
        self.reply(answer.status, headers, content, half=fault == "cut")
        connection.close()

    def reply(self, status: int, headers: dict[str, str], content: bytes, *, half: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        length = (
            headers.get("Content-Length", str(len(content))) if self.command == "HEAD" else str(len(content))
        )
        if status != http.HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", length)
        self.end_headers()
        if half:
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = hand_on  # noqa: N815 - the standard library calls them so

    def log_message(self, *_: object) -> None:
        pass
