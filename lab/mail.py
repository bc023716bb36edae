"""The mail host's files that depend on this lab's keys: DNS records, mailboxes, passwords, private keys."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import shutil
from pathlib import Path

from lab import keys, topology

DNS_STRING = 255  # bytes in one string of a TXT record


def values(folder: Path) -> dict[str, str]:
    """Return what the templates in files/mail and files/dnsmasq ask for."""
    records = []
    for host in topology.HOSTS:
        records += [f"host-record={name},{_both(host.number)}" for name in host.names]
    for domain in topology.MAIL_DOMAINS:
        key = keys.dkim_record(folder, domain)
        strings = [key[at : at + DNS_STRING] for at in range(0, len(key), DNS_STRING)]
        quoted = ",".join(f'"{string}"' for string in strings)
        records.append(f"txt-record={keys.DKIM_SELECTOR}._domainkey.{domain},{quoted}")
    return {
        "records": "\n".join(records),
        "controller": topology.address4(topology.CONTROLLER),
        "controller6": topology.address6(topology.CONTROLLER),
        "outside": topology.address4(topology.CONTROLLER_OUTSIDE),
        "mail": topology.address4(topology.find_host("mail").number),
        "mail6": topology.address6(topology.find_host("mail").number),
        "mailboxes": "\n".join(f"{mailbox} {mailbox}" for mailbox in topology.MAILBOXES),
    }


def write_private_files(folder: Path, root: Path) -> None:
    """Keys and passwords, each readable by the one service that needs it."""
    users = []
    for mailbox in topology.MAILBOXES:
        password = (folder / "secrets" / f"mail-{mailbox.partition('@')[0]}").read_text()
        users.append(f"{mailbox}:{_ssha256(password)}::::::\n")
    _private(root, "etc/dovecot/users", "".join(users).encode(), "dovecot")
    _private(root, "etc/ssl/private/mail.key", (folder / "tls/mail.key").read_bytes(), "root")
    shutil.copyfile(folder / "tls/mail.pem", root / "etc/ssl/mail.pem")
    _private(root, "etc/dkimkeys/lab.example.pem", (folder / "dkim/lab.example.pem").read_bytes(), "opendkim")
    store = root / "var/vmail"
    store.mkdir(mode=0o700)
    os.chown(store, *_owner(root, "mail"))


def _private(root: Path, name: str, content: bytes, user: str) -> None:
    path = root / name
    path.touch(mode=0o600)
    path.write_bytes(content)
    os.chown(path, *_owner(root, user))


def _owner(root: Path, user: str) -> tuple[int, int]:
    """Numbers of a user and its group as the host knows them."""
    for line in (root / "etc/passwd").read_text().splitlines():
        name, _password, uid, gid, *_rest = line.split(":")
        if name == user:
            return int(uid), int(gid)
    raise LookupError(f"no user {user} in {root}/etc/passwd")


def _ssha256(password: str) -> str:
    """Salted hash in Dovecot's notation: base64 of digest and salt."""
    salt = secrets.token_bytes(8)
    digest = hashlib.sha256(password.encode() + salt).digest()
    return "{SSHA256}" + base64.b64encode(digest + salt).decode()


def _both(number: int) -> str:
    return f"{topology.address4(number)},{topology.address6(number)}"
