"""What the lab's own tests share: the running lab around them."""

from __future__ import annotations

import imaplib
import ssl
import subprocess
import sys
import time
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from lab import state

CHECKOUT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items):
    """Tests marked `lab` run inside a running one; outside they are skipped, with the way in."""
    reason = "runs inside the lab: python3 -m lab exec -- .venv/bin/pytest tests/lab"
    for item in items:
        if item.get_closest_marker("lab") and not state.inside():
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def on_host():
    """Run a command on a host, by its name, and get its standard output; a failure raises."""

    def run(host, *command):
        return _output(sys.executable, "-m", "lab", "sh", host, "--", *command)

    return run


@pytest.fixture(scope="session")
def mailbox():
    """Fetch the message with this Message-ID from a mailbox, once it has arrived."""

    def fetch(address, message_id, patience=20):
        password = (state.INSIDE / "secrets" / f"mail-{address.partition('@')[0]}").read_text()
        context = ssl.create_default_context(cafile=state.INSIDE / "ca.pem")
        with imaplib.IMAP4_SSL("mail.lab.example", ssl_context=context) as imap:
            imap.login(address, password)
            end = time.monotonic() + patience
            while time.monotonic() < end:
                imap.select("INBOX", readonly=True)
                _status, (found,) = imap.uid("SEARCH", "HEADER", "Message-ID", message_id)
                if found:
                    _status, parts = imap.uid("FETCH", found.split()[0].decode(), "(BODY.PEEK[])")
                    return message_from_bytes(parts[0][1], policy=policy.default)
                time.sleep(0.1)
        return pytest.fail(f"{message_id} did not reach {address}")

    return fetch


def _output(*command):
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout
