"""A server says what it has, on every Python, and nothing there is changed or told anything."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.roles.fail2ban_access.servers import MARK
from tests.roles.pythons import VERSIONS, find_python

ROLE = Path(__file__).parents[3] / "roles" / "server_check"
MODULE = ROLE / "library" / "server_check.py"
PYTHONS = {version: find_python(version) for version in VERSIONS}


def ask(python=sys.executable, **arguments):
    """The result of one run, by its source on standard input as Ansible does it; notices as code → data."""
    source = MODULE.read_text().replace(MARK, json.dumps(arguments))
    done = subprocess.run([python, "-B", "-"], input=source.encode(), capture_output=True, check=False)
    assert done.stderr == b"", done.stderr.decode()
    result = json.loads(done.stdout)
    assert done.returncode == (1 if result["failed"] else 0)
    assert not result["changed"]
    return result, {notice["code"]: notice["data"] for notice in result["notices"]}


@pytest.fixture
def daemon():
    """A port that somebody listens at, and what they were told."""
    told = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen():
            connection, _address = server.accept()
            told.append(connection.recv(100))
            connection.close()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield server.getsockname()[1], lambda: (thread.join(20), told)[1]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_there_is(version, daemon):
    """Python, account and clock are the server's own; the daemon's port answers and is told nothing."""
    if not PYTHONS[version]:
        pytest.skip(f"no Python {version} on this machine")
    number, told = daemon
    before = time.time()
    url = f"http://127.0.0.1:{number}/events"
    result, notices = ask(PYTHONS[version], notify={"type": "http", "url": url, "retries": 3})
    data = result["data"]
    assert ("server.seen", "ok") == (result["code"], result["outcome"])
    assert data["python"].startswith(f"{version}.")
    assert os.geteuid() == data["uid"]
    assert before <= data["time"] <= time.time()
    assert set() == set(notices) - {"server.not_root"}
    assert [b""] == told()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("notify", "error"),
    [
        ({"type": "command", "command": ["/nowhere/são-notify"]}, "/nowhere/são-notify: no such program"),
        ({"type": "command", "command": "/etc/passwd"}, "/etc/passwd may not be run"),
        ({"type": "http", "url": "http://127.0.0.1:1/events"}, "http://127.0.0.1:1/events: "),
        ({"type": "ari", "url": "http://127.0.0.1:1", "credentials_file": "/nowhere"}, "/nowhere: No such"),
        ({"type": "http", "token_file": "/dev/null", "url": "http://127.0.0.1:1"}, "/dev/null has no first"),
        ({"type": "systemd", "unit": "athome-nobody.service"}, "athome-nobody.service: "),
        ({"type": "pigeon"}, "type: one of ari, command"),
    ],
)
def test_what_is_missing(version, notify, error):
    """Why the daemon could not be told is said in one line."""
    if not PYTHONS[version]:
        pytest.skip(f"no Python {version} on this machine")
    if notify["type"] == "systemd" and not Path("/bin/systemctl").exists():
        error = "systemctl: "
    result, notices = ask(PYTHONS[version], notify=notify)
    assert "ok" == result["outcome"]
    assert notices["server.notify_missing"]["error"].startswith(error)


def test_a_program_is_found_as_the_server_finds_it():
    """By its path, or by its name in the usual folders; nothing is run."""
    for command in (["/bin/false"], ["false", "--loud"], "false"):
        assert "server.notify_missing" not in ask(notify={"type": "command", "command": command})[1]
    assert "server.notify_missing" not in ask(notify={"type": "none"})[1]


def test_an_unknown_argument_is_refused():
    """A misspelt one would be silently without effect."""
    result, _notices = ask(notifi={})
    assert ("server.error", "failed") == (result["code"], result["outcome"])
    assert "notifi" in result["msg"]
