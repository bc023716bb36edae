"""A real Asterisk 16 whose REST interface (ARI) listens in a network namespace of its own.

Debian 11 is the last that has Asterisk; its root is built once into the lab's cache (400 MB, about 80 s):
``python tests/roles/mac_binding/asterisk.py``. Inside the lab there is no way out, so it is built before.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import BinaryIO

from lab import images
from lab.mirror import debian_mirror

IMAGE = images.Image(name="asterisk", suite="bullseye", packages="asterisk", finish="true")
ADDRESS = ("127.0.0.1", 8088)
URL = "http://127.0.0.1:8088/ari"
CREDENTIALS = "athome:inventada-ari"
PATIENCE = 30  # seconds for whatever has to come
CONFIGURATION = {
    "modules.conf": """\
[modules]
autoload = no
load = res_http_websocket.so
load = res_stasis.so
load = res_ari_model.so
load = res_ari.so
load = res_ari_applications.so
load = res_ari_events.so
""",
    "http.conf": "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = 8088\n",
    "ari.conf": """\
[general]
enabled = yes
[athome]
type = user
read_only = no
password = inventada-ari
""",
}
# The image stays as it is: what Asterisk writes goes into memory, and ends with it.
START = """\
set -eu
image=$1 folder=$2
ip link set lo up
mount -t tmpfs tmpfs "$folder/memory"
cd "$folder/memory"
mkdir upper work root
mount -t overlay asterisk -o "lowerdir=$image,upperdir=upper,workdir=work" root
mount -t proc proc root/proc
mount --rbind /dev root/dev
cp "$folder"/etc/* root/etc/asterisk/
exec chroot root asterisk -f -n
"""
CLOSE, TEXT = 8, 1  # opcodes of WebSocket frames, RFC 6455


def build() -> Path:
    """The root with Asterisk, built if it is not there yet. Raises LabError, or OSError: no mmdebstrap."""
    root = images.image_path(IMAGE)
    if not root.is_dir():
        images.build(IMAGE, debian_mirror(), print)
    return root


class Asterisk:
    """One running Asterisk. ``inside``: the command that runs another one in its network."""

    def __init__(self, root: Path, folder: Path) -> None:
        for name in ("etc", "memory"):
            (folder / name).mkdir()
        for name, content in CONFIGURATION.items():
            (folder / "etc" / name).write_text(content)
        self.log = folder / "asterisk.log"
        new = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*new, "sh", "-c", START, "asterisk", root, folder],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.network = Path(f"/proc/{self.process.pid}/ns/net")
        self.inside = ["nsenter", f"--net={self.network}"]
        self._until(lambda: self.network.readlink() != Path("/proc/self/ns/net").readlink())
        self._until(lambda: self._status("/ari/applications") == 200)

    def close(self) -> None:
        """End it, and with it its namespaces and whatever is mounted there."""
        self.process.kill()
        self.process.wait()

    @contextmanager
    def application(self, name: str) -> Iterator[Application]:
        """Connect as the ARI application of this name, as arimonitor would, until the block ends."""
        with self._connect() as connection, connection.makefile("rb") as stream:
            yield Application(connection, stream, name)
        self._until(lambda: self._status(f"/ari/applications/{name}") == 404)

    def _until(self, holds) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            assert time.monotonic() < end, self.log.read_text(errors="replace")
            time.sleep(0.02)

    def _status(self, path: str) -> int | None:
        """HTTP status of a GET; None while nobody answers."""
        try:
            with self._connect() as connection:
                client = HTTPConnection(*ADDRESS)
                client.sock = connection
                client.request("GET", path, headers=AUTHORIZATION)
                return client.getresponse().status
        except (OSError, HTTPException):
            return None

    def _connect(self) -> socket.socket:
        """A connection to it. A socket stays in the namespace of the thread that made it."""

        def in_its_network() -> socket.socket:
            handle = os.open(self.network, os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(handle, 0):
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(handle)
            return socket.create_connection(ADDRESS, PATIENCE)

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(in_its_network).result()


AUTHORIZATION = {"Authorization": f"Basic {base64.b64encode(CREDENTIALS.encode()).decode()}"}


class Application:
    """What an ARI application is told over its WebSocket, RFC 6455."""

    def __init__(self, connection: socket.socket, stream: BinaryIO, name: str) -> None:
        headers = {
            **AUTHORIZATION, "Host": "127.0.0.1", "Connection": "Upgrade", "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        }  # fmt: skip
        lines = [f"GET /ari/events?app={name} HTTP/1.1", *(f"{key}: {headers[key]}" for key in headers)]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        self.stream = stream
        status = self.stream.readline()
        assert status.startswith(b"HTTP/1.1 101 "), status
        while self.stream.readline() != b"\r\n":
            pass

    def event(self, kind: str = "ChannelUserevent") -> dict:
        """The next event of this type; others are passed over."""
        while True:
            opcode, content = self._frame()
            assert opcode != CLOSE, "Asterisk has closed the connection"
            if opcode == TEXT and (event := json.loads(content))["type"] == kind:
                return event

    def _frame(self) -> tuple[int, bytes]:
        first, length = self.stream.read(2)  # a server's frame has no mask
        if length > 125:
            length = int.from_bytes(self.stream.read(2 if length == 126 else 8), "big")
        return first & 0x0F, self.stream.read(length)


if __name__ == "__main__":
    print(build())
