"""DKIM signatures made as a sender's server makes them, by dkimpy, with keys of the tests' own.

Whatever a hostile or careless signer does otherwise is a change to the tags before they are signed.
"""

import base64
import subprocess
from datetime import timedelta
from functools import cache
from unittest.mock import patch

import dkim
from nacl.signing import SigningKey

from dispatcher.mail.dns import LookupLaterError
from tests.unit.mail.mails import ARRIVED

COVERED = ("from", "to", "subject", "date", "message-id")
NAME = "ops._domainkey.lab.example"


@cache
def private_key(bits):
    """Return an RSA key of the tests' own as PEM."""
    command = ["openssl", "genrsa", "-traditional", str(bits)]
    return subprocess.run(command, capture_output=True, check=True).stdout


@cache
def record(bits):
    """Return what the DNS has of that key."""
    command = ["openssl", "rsa", "-pubout", "-outform", "DER"]
    public = subprocess.run(command, input=private_key(bits), capture_output=True, check=True).stdout
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


@cache
def ed25519_key():
    """Return a private key of the other kind, as dkimpy wants it."""
    return base64.b64encode(bytes(SigningKey(b"invented for tests only, 32 byte")))


def ed25519_record():
    public = SigningKey(base64.b64decode(ed25519_key())).verify_key
    return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(bytes(public))


class _Signer(dkim.DKIM):
    """dkimpy's, with some tags changed before they are signed; None takes one out."""

    def __init__(self, raw, changes):
        super().__init__(raw)
        self.changes = changes

    def gen_header(self, fields, *rest, **options):
        changed = {**dict(fields), **{name.encode(): value for name, value in self.changes.items()}}
        fields[:] = [
            (name, value if isinstance(value, bytes) else str(value).encode())
            for name, value in changed.items()
            if value is not None
        ]
        return super().gen_header(fields, *rest, **options)


def signature(
    raw, *, covered=COVERED, algorithm="rsa-sha256", key=None, canonical="relaxed/simple",
    domain="lab.example", length=False, signed_at=ARRIVED - timedelta(hours=1), **tags,
):  # fmt: skip
    """Return a DKIM-Signature field over the mail; further arguments are tags as they shall be."""
    signer = _Signer(raw, tags)
    at = signed_at.timestamp()
    with patch.object(dkim.time, "time", lambda: at):
        return signer.sign(
            b"ops", domain.encode(), key or private_key(1024), signature_algorithm=algorithm.encode(),
            canonicalize=tuple(canonical.encode().split(b"/")), length=length,
            include_headers=[name.encode() for name in covered],
        )  # fmt: skip


def signed(raw, **options):
    """Return the mail with a signature on top."""
    return signature(raw, **options) + raw


class Zone:
    """A DNS that answers from a dictionary; a name with None as its records has none that answers now."""

    def __init__(self, **names):
        self.names = {NAME: (record(1024),), **names}
        self.asked = []

    def txt(self, name):
        self.asked.append(name)
        records = self.names.get(name.lower(), ())
        if records is None:
            raise LookupLaterError("a", "b")
        return records
