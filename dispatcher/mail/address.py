"""One spelling for an address, so that comparing two is comparing text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

MAX_ADDRESS = 254  # RFC 5321: what fits in a path
MAX_LOCAL_PART = 64

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_NO_NAME = re.compile(r"[<>@();:\\]")  # in front of <address>: a route, a comment, a group, a second address
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def normalise(address: str) -> str:
    """Return the address in lower case with its domain in ASCII (IDNA).

    Raises ValueError for what has more than one reading or spelling: quoted local parts, address literals,
    one-word domains, non-ASCII local parts, and domains that IDNA would silently change.
    """
    local_part, at, domain = address.rpartition("@")
    if not at or len(address) > MAX_ADDRESS or len(local_part) > MAX_LOCAL_PART:
        raise ValueError("not an address user@host")
    if not _LOCAL_PART.fullmatch(local_part):
        raise ValueError("the part before the @ is not plain ASCII")
    return f"{local_part.lower()}@{_domain(domain)}"


def split(text: str) -> Iterator[str]:
    """Yield what a list of addresses names, whatever stands between them. Nothing is validated."""
    for one in re.split(r"[\s,;]+", text.strip("\ufeff")):
        if bare := one.strip("<>[]\"'"):
            yield bare


def addresses(value: bytes) -> frozenset[str]:
    """Return the addresses that a To names, normalised. What cannot be read in one way only names nobody."""
    text = _QUOTED.sub('""', value.decode("utf-8", "replace"))
    found = set()
    for entry in text.split(","):
        name, bracket, rest = entry.strip().rpartition("<")
        plain = rest.removesuffix(">") if bracket and not _NO_NAME.search(name) else entry.strip()
        with suppress(ValueError):
            found.add(normalise(plain))
    return frozenset(found)


def _domain(domain: str) -> str:
    lower = domain.lower()
    if not lower.isascii():
        try:
            lower = lower.encode("idna").decode("ascii")
            unchanged = lower.encode("ascii").decode("idna") == domain.lower()
        except UnicodeError:  # a ValueError, but with the domain in its text
            unchanged = False
        if not unchanged:
            raise ValueError("the domain has characters that no domain has")
    labels = lower.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):  # noqa: PLR2004 - host.tld
        raise ValueError("the domain is not a name like example.com")
    return lower
