"""Bytes to the lab's port 25, exactly as they are, from any address of the lab."""

from __future__ import annotations

import ctypes
import os
import re
import smtplib
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from lab import topology

MAIL = topology.address4(topology.find_host("mail").number)
# Who stands where: the staff's and the outsider's own mail servers, and somebody whom no SPF record names.
SOURCES = {
    "staff": topology.address4(topology.CONTROLLER),
    "outsider": topology.address4(topology.CONTROLLER_OUTSIDE),
    "attacker": topology.ATTACKER_ADDRESSES[0],
}


class Smtp(smtplib.SMTP):
    """A session from one of the sources. smtplib would mend line ends; here nothing is mended."""

    def __init__(self, source: str, helo: str) -> None:
        self._source = source
        super().__init__(MAIL, 25, local_hostname=helo, timeout=30)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        def opened() -> socket.socket:
            if self._source == "attacker":  # the one in a network namespace of its own; a socket stays there
                handle = os.open("/run/netns/attacker", os.O_RDONLY)
                try:
                    if ctypes.CDLL(None, use_errno=True).setns(handle, 0):
                        raise OSError(ctypes.get_errno(), "setns")
                finally:
                    os.close(handle)
            return socket.create_connection((host, port), timeout, (SOURCES[self._source], 0))

        with ThreadPoolExecutor(1) as thread:  # a namespace belongs to a thread: this one ends with it
            return thread.submit(opened).result()

    def hand_in(self, raw: bytes, sender: str, recipient: str, options: Sequence[str] = ()) -> str:
        """Return the server's queue id. Raises SMTPResponseException when it refuses the mail."""
        self.ehlo_or_helo_if_needed()
        for code, answer in (self.mail(sender, options), self.rcpt(recipient), self.docmd("DATA")):
            _expect(code in (250, 354), code, answer)
        self.send(re.sub(rb"(?:\A|(?<=\r\n))\.", b"..", raw) + b".\r\n")
        code, answer = self.getreply()
        found = re.search(rb"queued as (\w+)", answer)
        _expect(code == 250 and found, code, answer)
        return found[1].decode()


def _expect(holds: object, code: int, answer: bytes) -> None:
    if not holds:
        raise smtplib.SMTPResponseException(code, answer)
