"""Whether our own mail server says that the mail comes from the domain in its From.

The server notes what it found in Authentication-Results (RFC 8601), one field for each of its filters. Only
fields with our own server's name count, all of those are read together, and DMARC has to have passed for
exactly the domain of From. Fields of that name that arrive from outside must be removed by the server; should
one slip through, there are two DMARC results, and two are refused. Fields of other names, such as
ARC-Authentication-Results, are what some server on the way said, and are not read.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import authres.dmarc
from authres.core import AuthenticationResultsHeader

from dispatcher.mail.message import Message

MAX_RESULTS = 4096  # bytes of one field; a large provider's have about 900


class _StrictHeader(AuthenticationResultsHeader):  # type: ignore[misc]  # authres ships no types
    """The library's parser without its habit of skipping what it does not understand.

    With it, an unclosed comment in somebody's MAIL FROM could swallow the real result.
    """

    def __init__(self, feature_context: Any) -> None:
        super().__init__(feature_context, strict=True)


_CONTEXT = authres.FeatureContext(authres.dmarc)


def judge(message: Message, authserv_id: str) -> str | None:
    """Return why the sender's domain is not authenticated, or None when it is."""
    results = []
    for value in message.values(b"authentication-results"):
        try:
            header = _header(value, authserv_id)
        except ValueError as error:
            return str(error)
        results += [result for result in header.results if result.method == "dmarc"] if header else []
    if len(results) != 1:
        return f"{len(results)} dmarc results of {authserv_id} instead of one"
    (dmarc,) = results
    domains = [entry.value for entry in dmarc.properties if (entry.type, entry.name) == ("header", "from")]
    if dmarc.result != "pass":
        return f"dmarc={dmarc.result}"
    if [str(domain).lower() for domain in domains] != [message.sender.rpartition("@")[2]]:
        return "dmarc=pass for another domain than that of From"
    return None


def _header(value: bytes, authserv_id: str) -> Any | None:
    """Return the parsed field, or None when it is somebody else's.

    Raises ValueError for one that may be ours but cannot be read.
    """
    own = authserv_id.lower()
    if own.encode() not in value.lower():
        return None
    header = None
    if len(value) <= MAX_RESULTS:
        with suppress(Exception):  # the parser meets some malice with errors of any kind
            header = _StrictHeader.parse_value(_CONTEXT, value.decode("ascii"))
    if header is None:
        raise ValueError("Authentication-Results that cannot be read")
    return header if header.authserv_id == own else None
