"""What an attacker, or a phone with a wrong password, does to a server of the lab. Inside the lab only."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress

PATIENCE = 60  # seconds until a server should have banned somebody who keeps guessing
_FROM_OUTSIDE = ("ip", "netns", "exec", "attacker")
_CONNECT = "import socket, sys; a = sys.argv; socket.create_connection((a[1], 22), 2, (a[2], 0)).recv(1)"


def reaches(source: str, server: str) -> bool:
    """Whether sshd on the server's address answers a connection from this address of the attacker."""
    attempt = [*_FROM_OUTSIDE, sys.executable, "-c", _CONNECT, server, source]
    return subprocess.run(attempt, capture_output=True, check=False).returncode == 0


def attack(source: str, server: str) -> None:
    """Guess logins until the server shuts the address out. Raises TimeoutError when it never does."""
    guess = [
        *_FROM_OUTSIDE, "ssh", "-b", source, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
        "-o", "UserKnownHostsFile=/dev/null", f"guess@{server}", "true",
    ]  # fmt: skip
    end = time.monotonic() + PATIENCE
    while reaches(source, server):
        if time.monotonic() > end:
            raise TimeoutError(f"{server} has not banned {source} in {PATIENCE} s of wrong logins")
        with suppress(subprocess.TimeoutExpired):  # the ban cuts a connection in the middle: silence
            subprocess.run(guess, capture_output=True, check=False, timeout=4)
