"""Whether the domain in From has itself signed what we are about to obey: our own DKIM check (RFC 6376).

Our mail server's word is checked already, but its filters are lenient, and may be down: DMARC passes by SPF
alone, or by a signature that leaves the subject out. Here one signature has to hold that covers everything
that decides. d= has to be From's domain itself: which parent domains belong to the same owner, only a list of
public suffixes could tell.
"""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import dkim
from dkim.crypto import UnparsableKeyError, parse_public_key
from dkim.util import InvalidTagValueList, parse_tag_value
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from dispatcher.mail.dns import LookupLaterError, Resolver
from dispatcher.mail.message import Message

COVERED = (b"from", b"to", b"subject", b"date", b"message-id")
MAX_SIGNATURES = 5  # of From's domain that are looked at; honest mails have one or two
MAX_LENGTH = 4096  # bytes of one signature; usual ones have 500 to 1,200
MAX_NAMES = 100  # in h=
KEY_BITS = range(1024, 8193)  # RFC 8301; more only cost time
EXPONENTS = range(3, 2**32, 2)  # 1 would make anything a signature; large ones cost time
CLOCK_SKEW = timedelta(minutes=10)

_NAME = re.compile(rb"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")  # d= and s=
_SECONDS = re.compile(rb"[0-9]{1,12}")

Tags = Mapping[bytes, bytes]


class InvalidSignature(ValueError):  # noqa: N818 - a verdict on somebody's signature, not a fault of ours
    """It proves nothing; the text says why, and repeats none of it."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key from the DNS."""

    kind: bytes  # rsa or ed25519
    key: Any  # as dkimpy wants it
    bits: int
    strict: bool  # t=s: i= may not name a subdomain


def judge(message: Message, raw: bytes, arrived: datetime, resolver: Resolver) -> str | None:
    """Return why no signature of From's domain holds, or None when one does.

    ``raw`` is the whole mail whose header ``message`` is; ``arrived`` is what t= and x= are compared with.
    Raises LookupLaterError when that depends on a key that the DNS does not give now.
    """
    domain = message.sender.rpartition("@")[2].encode()
    mail = dkim.DKIM(raw)
    fields = [field for field in mail.headers if field[0].lower() == b"dkim-signature"]
    reasons: list[str] = []
    later: LookupLaterError | None = None
    looked_at = 0
    for field in fields:
        try:
            tags = _tags(field[1])
            if tags.get(b"d", b"").lower() != domain:
                continue
            looked_at += 1
            if looked_at > MAX_SIGNATURES:
                break
            _check(tags, arrived)
            _verify(mail, field, tags, _key(tags, resolver))
        except InvalidSignature as error:
            reasons.append(str(error))
        except LookupLaterError as error:
            later = error
        else:
            return None
    if later:
        raise later
    return "; ".join(dict.fromkeys(reasons)) or "no DKIM signature of the domain in From"


def _tags(value: bytes) -> Tags:
    if len(value) > MAX_LENGTH:
        raise InvalidSignature(f"a DKIM signature of more than {MAX_LENGTH} bytes")
    try:
        tags: Tags = parse_tag_value(value)
    except InvalidTagValueList:
        raise InvalidSignature("a DKIM signature that cannot be read") from None
    return tags


def _check(tags: Tags, arrived: datetime) -> None:
    """Check everything that needs no key. Raises InvalidSignature."""
    if missing := [name for name in (b"v", b"a", b"b", b"bh", b"h", b"s") if not tags.get(name)]:
        raise InvalidSignature(f"no {missing[0].decode()}= in the signature")
    if tags[b"v"] != b"1" or tags.get(b"q", b"dns/txt") != b"dns/txt":
        raise InvalidSignature("v= or q= is of another version of DKIM")
    if tags[b"a"] not in (b"rsa-sha256", b"ed25519-sha256"):
        raise InvalidSignature("a= is neither rsa-sha256 nor ed25519-sha256")
    if not _NAME.fullmatch(tags[b"d"]) or not _NAME.fullmatch(tags[b"s"]):
        raise InvalidSignature("d= or s= is no name")
    if b"l" in tags:
        raise InvalidSignature("l= leaves a part of the mail unsigned")
    names = _listed(tags[b"h"].lower())
    if len(names) > MAX_NAMES:
        raise InvalidSignature(f"h= names more than {MAX_NAMES} fields")
    if uncovered := [name.decode() for name in COVERED if name not in names]:
        raise InvalidSignature(f"h= does not cover {', '.join(uncovered)}")
    signed, expires = (_moment(tags, name) for name in (b"t", b"x"))
    if signed and signed > arrived + CLOCK_SKEW:
        raise InvalidSignature("t= is in the future")
    if expires and (expires < arrived or (signed and expires < signed)):
        raise InvalidSignature("x= is past")


def _moment(tags: Tags, name: bytes) -> datetime | None:
    if name not in tags:
        return None
    if not _SECONDS.fullmatch(tags[name]):
        raise InvalidSignature(f"{name.decode()}= is no time")
    return datetime.fromtimestamp(min(int(tags[name]), 253402300799), timezone.utc)  # the year 9999


def _key(tags: Tags, resolver: Resolver) -> Key:
    """Look the signature's key up. Raises InvalidSignature, or LookupLaterError."""
    records = resolver.txt(f"{tags[b's'].decode()}._domainkey.{tags[b'd'].decode()}")
    found = [_record(record) for record in records]
    keys = [one for one in found if b"p" in one and one.get(b"v", b"DKIM1") == b"DKIM1"]
    if len(keys) != 1:
        raise InvalidSignature(f"{len(keys)} keys in the DNS instead of one")
    (record,) = keys
    if not record[b"p"]:
        raise InvalidSignature("the key is revoked")
    flags = _listed(record.get(b"t", b""))
    if b"y" in flags:
        raise InvalidSignature("the key is for tests (t=y): the domain does not vouch for it")
    if b"sha256" not in _listed(record.get(b"h", b"sha256")):
        raise InvalidSignature("the key is not for sha256")
    if not {b"*", b"email"} & set(_listed(record.get(b"s", b"*"))):
        raise InvalidSignature("the key is not for mail")
    kind = record.get(b"k", b"rsa")
    if kind != tags[b"a"].partition(b"-")[0]:
        raise InvalidSignature("the key is not for the algorithm in a=")
    key, bits = _ed25519(record[b"p"]) if kind == b"ed25519" else _rsa(record[b"p"])
    return Key(kind, key, bits, strict=b"s" in flags)


def _record(record: bytes) -> Tags:
    """Read a TXT record; one that is something else than a key has no tags."""
    try:
        tags: Tags = parse_tag_value(record)
    except InvalidTagValueList:
        return {}
    return tags


def _rsa(encoded: bytes) -> tuple[Mapping[str, int], int]:
    try:
        key: Mapping[str, int] = parse_public_key(base64.b64decode(encoded))
        bits, exponent = key["modulus"].bit_length(), key["publicExponent"]
    except (
        UnparsableKeyError,
        AssertionError,
        ValueError,
        LookupError,
    ):  # what its ASN.1 parser was seen to raise
        raise InvalidSignature("the key cannot be read") from None
    if bits not in KEY_BITS:
        raise InvalidSignature(f"the key has {bits} bits, not {KEY_BITS.start} to {KEY_BITS.stop - 1}")
    if exponent not in EXPONENTS:
        raise InvalidSignature("the key's exponent is no usual one")
    return key, bits


def _ed25519(encoded: bytes) -> tuple[VerifyKey, int]:
    try:
        return VerifyKey(base64.b64decode(encoded)), 256
    except (CryptoError, ValueError, TypeError):
        raise InvalidSignature("the key cannot be read") from None


def _verify(mail: dkim.DKIM, field: tuple[bytes, bytes], tags: Tags, key: Key) -> None:
    """Compare the hashes. Raises InvalidSignature."""
    identity = tags.get(b"i", b"@" + tags[b"d"]).lower().rpartition(b"@")[2]
    domain = tags[b"d"].lower()
    if identity != domain and (key.strict or not identity.endswith(b"." + domain)):
        raise InvalidSignature("i= is not of the domain in d=")
    verifier = copy.copy(mail)
    if tags.get(b"c", b"").endswith(b"/relaxed"):
        # The same in the end, but dkimpy alone takes minutes for 256 KiB of spaces.
        verifier.body = re.sub(rb"[\t ]+", b" ", mail.body)
    verifier.pk, verifier.keysize, verifier.ktag = key.key, key.bits, key.kind
    if key.kind == b"ed25519":
        verifier.minkey = 256
    try:
        holds = verifier.verify_sig_process(dict(tags), _listed(tags[b"h"].lower()), field, None)
    except (dkim.DKIMException, ValueError, TypeError) as error:
        broken = "the body" if "body hash" in str(error) else "the signature"
        raise InvalidSignature(f"{broken} is not what was signed") from None
    if not holds:
        raise InvalidSignature("the header is not what was signed")


def _listed(value: bytes) -> list[bytes]:
    """Split at colons; spaces and line breaks around them do not count."""
    return [part.strip() for part in value.split(b":")]
