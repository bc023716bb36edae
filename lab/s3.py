"""The little of S3 that filling the lab's buckets takes, with the standard library alone.

Signatures are AWS Signature Version 4. A client signs with the moment in which it was made, and S3 takes that
for fifteen minutes: make one for each piece of work, and one for each thread.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus

from lab.errors import LabError
from lab.state import INSIDE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

HOST, PORT, REGION = "s3.lab.example", 8333, "us-east-1"
ENDPOINT = f"http://{HOST}:{PORT}"
OK, CONFLICT = 300, 409  # statuses below the first are answers to build on; the second: it is there already


class Client(AbstractContextManager["Client"]):
    """One connection with the lab's own credentials. Every method raises LabError when S3 refuses."""

    def __init__(self) -> None:
        access, secret = (
            (INSIDE / "secrets" / f"s3-{kind}-key").read_text() for kind in ("access", "secret")
        )
        self._moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        self._scope = f"{self._moment[:8]}/{REGION}/s3/aws4_request"
        self._credential = f"{access}/{self._scope}"
        self._key = f"AWS4{secret}".encode()
        for part in self._scope.split("/"):
            self._key = _mac(self._key, part)
        self._connection = http.client.HTTPConnection(HOST, PORT, timeout=60)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def make_bucket(self, bucket: str) -> None:
        """Create the bucket unless it is there."""
        self._request("PUT", f"/{bucket}", allowed=CONFLICT)

    def remove_bucket(self, bucket: str) -> None:
        """Delete the bucket with all that is in it; SeaweedFS gives the disk back at once."""
        self.remove(bucket, "")
        self._request("DELETE", f"/{bucket}")

    def put(self, bucket: str, key: str, body: bytes, storage_class: str = "STANDARD") -> None:
        """Store an object; S3 takes any key, SeaweedFS one without `..` (see tests/lab/test_s3.py)."""
        self._request("PUT", f"/{bucket}/{key}", body=body, headers={"x-amz-storage-class": storage_class})

    def remove(self, bucket: str, prefix: str) -> None:
        """Delete every object whose key begins so."""
        before: list[str] = []
        while keys := list(self._first_keys(bucket, prefix)):
            if keys == before:  # S3 says yes to the deletion of what it does not know
                raise LabError(f"S3 keeps what was deleted: {keys[:3]}")
            for key in keys:
                self._request("DELETE", f"/{bucket}/{key}")
            before = keys

    def _first_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        query = f"encoding-type=url&list-type=2&prefix={quote(prefix, safe='')}"
        listing = self._request("GET", f"/{bucket}", query).decode()
        return map(unquote_plus, re.findall("<Key>(.*?)</Key>", listing))

    def _request(
        self,
        method: str,
        path: str,
        query: str = "",
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        allowed: int | None = None,
    ) -> bytes:
        path, digest = quote(path, safe="/~"), hashlib.sha256(body).hexdigest()
        signed = {"host": f"{HOST}:{PORT}", **(headers or {}),
                  "x-amz-content-sha256": digest, "x-amz-date": self._moment}  # fmt: skip
        names = ";".join(sorted(signed))
        lines = [f"{name}:{signed[name]}" for name in sorted(signed)]
        request = "\n".join([method, path, query, *lines, "", names, digest])
        digest = hashlib.sha256(request.encode()).hexdigest()
        signature = _mac(self._key, f"AWS4-HMAC-SHA256\n{self._moment}\n{self._scope}\n{digest}").hex()
        signed["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._credential}, SignedHeaders={names}, Signature={signature}"
        )
        self._connection.request(method, f"{path}?{query}" if query else path, body, signed)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= OK and answer.status != allowed:
            raise LabError(f"S3 refused {method} {path}: {answer.status} {content.decode(errors='replace')}")
        return content


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
