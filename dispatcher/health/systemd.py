"""What systemd is told: one datagram each, to the socket that it names (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify(*lines: str) -> bool:
    """Tell the service manager ``READY=1``, ``STATUS=…``, ``WATCHDOG=1``; False when there is none.

    A service manager that does not listen is no reason to stop: what it does then is its own affair.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.settimeout(1)
        channel.sendto("\n".join(lines).encode(), address)
        return True
    return False


def watchdog() -> float | None:
    """Return within how many seconds systemd wants to hear ``WATCHDOG=1``; None when it does not."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() and int(microseconds) else None
