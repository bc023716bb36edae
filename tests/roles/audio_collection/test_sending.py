"""How the collector sends an archive's parts: real HTTP servers, with and without TLS, that misbehave."""

import hashlib
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.roles.audio_collection.request import PYTHONS, unpacked, wav

PART = 5 << 20
TOKEN = "7E57C0DE"


class Store(ThreadingHTTPServer):
    """Keeps what it is sent by its path; `answers` are the statuses of the next requests (0: hang up),
    then 200.
    """

    daemon_threads = True

    def __init__(self, *answers, tls=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.parts, self.requests = list(answers), {}, 0
        self.scheme = "http"
        if tls:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        """Whoever hangs up is meant to."""

    def addresses(self, count, host="127.0.0.1"):
        return [
            f"{self.scheme}://{host}:{self.server_address[1]}/{number}?signature={TOKEN}"
            for number in range(count)
        ]

    def whole(self):
        return b"".join(self.parts[path] for path in sorted(self.parts))


class Handler(BaseHTTPRequestHandler):
    """One part."""

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests += 1
        status = self.server.answers.pop(0) if self.server.answers else 200
        if not status:
            self.connection.close()
            return
        if status == 200:
            self.server.parts[self.path] = data
        self.send_response(status)
        self.send_header("ETag", hashlib.sha256(data).hexdigest())
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def send(request_of):
    """A function: build on this Python and send to these addresses -> the result of `built`."""

    def run(python, addresses, content=None, **publish):
        ask = request_of(python=python, publish={"type": "s3", "bucket": "audios", **publish})
        ask.changes["        for wait in (1, 3, None):"] = "        for wait in (0, 0, None):"
        ask.put("2025-11-03 10:00:00", content)
        opening = {
            "name": "audios_x.zip",
            "reused": False,
            "upload": "u",
            "attempt": "u",
            "addresses_file": None,
        }
        planned = ask.planned()
        ask.shared = {"window": ask.window, "plan": planned["plan"], "opening": opening}
        started = ask.step("started", **ask.shared, addresses=addresses)
        return ask.wait(started)

    return run


def on(*versions):
    return pytest.mark.parametrize("python", [version for version in versions if PYTHONS[version]])


@on("2.7", "3.6", "3.13")
def test_parts(send, python):
    """An archive goes out in parts of 5 MiB, and they are it, in order; tries that failed are tried again."""
    content = wav(600)
    with Store(500, 0) as store:
        built = send(python, store.addresses(4), content)
        assert [content] == list(unpacked(store.whole()).values())
        assert [PART, len(store.whole()) - PART] == [len(part) for _path, part in sorted(store.parts.items())]
        etags = [hashlib.sha256(part).hexdigest() for _path, part in sorted(store.parts.items())]
    assert [(number, etag) for number, etag in enumerate(etags, 1)] == [
        (part["number"], part["etag"]) for part in built["archive"]["parts"]
    ]
    assert (
        hashlib.sha256(b"".join(store.parts[path] for path in sorted(store.parts))).hexdigest()
        == (built["archive"]["sha256"])
    )


@on("2.7", "3.11")
@pytest.mark.parametrize(("status", "seconds"), [(403, 2), (0, 2000)], ids=["last-part", "first-part"])
def test_refused(send, python, status, seconds):
    """A store that refuses each try ends the build with a clear code, at the first part and at the last."""
    with Store(*[status] * 99) as store:
        result = send(python, store.addresses(9), wav(seconds))
    assert "audio.publish_failed" == result["code"]
    assert (f"HTTP {status}" in result["data"]["error"]) == bool(status)
    assert TOKEN not in str(result)
    assert not store.parts


@on("2.7")
def test_more_than_was_signed(send, python):
    """An archive with more parts than addresses ends the build, and does not hang it."""
    with Store() as store:
        result = send(python, store.addresses(1), wav(600))
    assert "audio.error" == result["code"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A folder with a key and a certificate for localhost that nobody trusts."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem",
         "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@on("2.7", "3.13")
@pytest.mark.parametrize(
    ("host", "trusted", "expected"),
    [("localhost", True, True), ("localhost", False, False), ("127.0.0.1", True, False)],
    ids=["trusted", "unknown-issuer", "other-name"],
)
def test_tls(send, certificate, python, *, host, trusted, expected):
    """A store is believed by the certificates of ca_file; another certificate, or name, ends the build."""
    with Store(tls=certificate) as store:
        ca_file = str(certificate / "cert.pem") if trusted else ""
        result = send(python, store.addresses(2, host), ca_file=ca_file)
    if expected:
        assert [wav()] == list(unpacked(store.whole()).values())
    else:
        assert ("audio.publish_failed", {}) == (result["code"], store.parts)
