"""Which services of a host answer; asked from inside the lab."""

from __future__ import annotations

import socket
from pathlib import Path

from lab import enter, host, topology
from lab.errors import NotRunningError

LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp, see proc(5)


def first_missing(member: topology.Host) -> str:
    """Name the first of the host's services that is not up, in words; empty when all are."""
    for service in member.services:
        for port in service.ports:
            if not _answers(topology.address4(member.number), port):
                return f"{service.name}, port {port}"
        for port in service.local_ports:
            if port not in _listening(member):
                return f"{service.name}, its own port {port}"
        if service.started_log:
            name, texts = service.started_log
            log = host.root_of(member) / name
            content = log.read_text(errors="replace") if log.exists() else ""
            for text in texts:
                if text not in content:
                    return f"{service.name}, «{text}» in /{name}"
        if service.socket and not _accepts(member, service.socket):
            return f"{service.name}, socket /{service.socket}"
    return ""


def _accepts(member: topology.Host, path: str) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"/proc/{enter.first_process(member.name)}/root/{path}")
    except (OSError, NotRunningError):
        return False
    return True


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True


def _listening(member: topology.Host) -> set[int]:
    """TCP ports on which something listens in the host's network, loopback included."""
    try:
        first = enter.first_process(member.name)
    except NotRunningError:
        return set()
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{first}/net/{table}").read_text().splitlines()[1:]
    ]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENING}
