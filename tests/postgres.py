"""A real PostgreSQL for tests: a throw-away cluster under an account without rights, on a Unix socket."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

ACCOUNT = "nobody"  # PostgreSQL refuses to be run by root
PASSWORD = "invented-for-tests"
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")  # it lasts as long as the tests


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs; Debian keeps them out of the way."""
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    if found is None:
        pytest.fail("these tests need PostgreSQL's programs: make packages, or apt-get install postgresql")
    return found


def unused_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class Cluster:
    """One server with its own folder. ``network``: the address and port it listens on, none by default."""

    folder: Path
    network: tuple[str, int] | None = None
    settings: tuple[str, ...] = FAST

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def create(self) -> None:
        """Make the folder's content; over the network an account needs its password."""
        (self.folder / "password").write_text(PASSWORD)
        (self.folder / "password").chmod(0o644)
        self._run("initdb", "-D", self.data, "-U", "athome", "--auth-local=trust",
                  "--auth-host=scram-sha-256", "--pwfile", self.folder / "password", "--encoding=UTF8",
                  "--no-sync", "--locale=C.UTF-8", "--no-instructions")  # fmt: skip
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start it; return when it answers."""
        host, port = self.network or ("", 5432)
        options = ["-k", str(self.folder), "-c", f"listen_addresses={host}", "-p", str(port), "-c",
                   "max_connections=200", "-c", "logging_collector=off"]  # fmt: skip
        for setting in self.settings:
            options += ["-c", setting]
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", self.folder / "log",
                  "-o", " ".join(f"'{option}'" for option in options), "start")  # fmt: skip

    def stop(self, mode: str = "fast") -> None:
        """Stop it; ``immediate`` is what a crash looks like."""
        self._run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Have one statement run as the superuser, and return what it says."""
        return self._run("psql", "-h", self.folder, "-p", str(self.port), "-U", "athome", "-d", database,
                         "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement)  # fmt: skip

    @property
    def port(self) -> int:
        return self.network[1] if self.network else 5432

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, and return its URL over the socket."""
        name = f"test{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0")
        yield f"postgresql+psycopg://athome@/{name}?host={self.folder}&port={self.port}"
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, name: str, *arguments: object) -> str:
        account = pwd.getpwnam(ACCOUNT)
        other = (
            {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if not os.geteuid() else {}
        )
        with tempfile.TemporaryFile() as said:  # pg_ctl's server keeps what it inherits open: no pipe
            done = subprocess.run(
                [program(name), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                cwd="/", check=False, timeout=120, env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
                **other,
            )  # fmt: skip
            said.seek(0)
            words = said.read().decode()
        assert done.returncode == 0, f"{name}: {words}"
        return words.strip()


@contextlib.contextmanager
def cluster(network: tuple[str, int] | None = None, settings: tuple[str, ...] = FAST) -> Iterator[Cluster]:
    """Make a cluster, start it, and leave nothing of it."""
    folder = Path(tempfile.mkdtemp(prefix="athome-pg-"))  # a short path, as sockets need it
    if not os.geteuid():
        account = pwd.getpwnam(ACCOUNT)
        os.chown(folder, account.pw_uid, account.pw_gid)
    made = Cluster(folder, network, settings)
    try:
        made.create()
        made.start()
        yield made
    finally:
        with contextlib.suppress(AssertionError):
            made.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
