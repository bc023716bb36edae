"""DKIM signatures of any kind: right ones, and those that a lax or hostile sender makes (RFC 6376)."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dkim.canonicalization import Relaxed, Simple, strip_trailing_lines
from dkim.crypto import RSASSA_PKCS1_v1_5_sign, parse_pem_private_key

KEYS = Path("/run/athome-lab/dkim")
_HASHES = {"rsa-sha256": hashlib.sha256, "rsa-sha1": hashlib.sha1}


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What is signed, by whom. `tags` replace or add tags; t and x are seconds from now, l is as it is."""

    domain: str = "lab.example"
    headers: Sequence[str] = ("from", "to", "subject", "date", "message-id")
    algorithm: str = "rsa-sha256"
    canonicalization: str = "relaxed/simple"
    key: str = ""  # whose private key; the domain's own by default
    tags: Mapping[str, str | int] = field(default_factory=dict)

    def over(self, raw: bytes) -> bytes:
        """Return the mail (CR LF) with this signature at its top."""
        head, _, body = raw.partition(b"\r\n\r\n")
        fields = [tuple(line.split(b":", 1)) for line in re.split(rb"\r\n(?![ \t])", head)]
        in_header, in_body = (
            {"relaxed": Relaxed, "simple": Simple}[name] for name in self.canonicalization.split("/")
        )
        digest = _HASHES[self.algorithm]
        text = in_body.canonicalize_body(strip_trailing_lines(body))
        tags = {
            "v": "1", "a": self.algorithm, "c": self.canonicalization, "d": self.domain, "s": "ops",
            "q": "dns/txt", "t": 0, "h": ":".join(self.headers), **self.tags,
        }  # fmt: skip
        if "l" in tags:
            text = text[: int(tags["l"])]
        for moment in {"t", "x"} & tags.keys():
            tags[moment] = int(time.time()) + int(tags[moment])
        tags["bh"] = base64.b64encode(digest(text).digest()).decode()
        unsigned = b"; ".join(f"{name}={value}".encode() for name, value in tags.items()) + b"; b="
        hashed = digest()
        for name, value in in_header.canonicalize_headers(
            [(name, value + b"\r\n") for name, value in _selected(fields, self.headers)]
        ):
            hashed.update(name + b":" + value)
        ((name, value),) = in_header.canonicalize_headers([(b"DKIM-Signature", b" " + unsigned + b"\r\n")])
        hashed.update(name + b":" + value.removesuffix(b"\r\n"))
        key = parse_pem_private_key((KEYS / f"{self.key or self.domain}.pem").read_bytes())
        signed = base64.b64encode(RSASSA_PKCS1_v1_5_sign(hashed, key))
        return b"DKIM-Signature: " + unsigned + signed + b"\r\n" + raw


def _selected(fields: list[tuple[bytes, ...]], names: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """Return the fields that h= names: each name takes the lowest field of that name not taken yet."""
    left = list(fields)
    chosen = []
    for name in names:
        for at in range(len(left) - 1, -1, -1):
            if left[at][0].strip().lower() == name.strip().lower().encode():
                chosen.append(left.pop(at))
                break
    return chosen
