"""Bounces: the report of a mail server that a mail of ours did not arrive (RFC 3462, 3464).

Anybody can write one. It is read on bytes, within bounds, and believed only when it names a Message-ID that
we have sent and nobody can guess; then it does nothing but mark that mail for a person.
"""

from __future__ import annotations

import base64
import binascii
import logging
import quopri
import re
from dataclasses import dataclass

from sqlalchemy import Engine, select, update

from dispatcher.jobs.database import transaction
from dispatcher.jobs.schema import outbox
from dispatcher.replies.identity import guessable
from dispatcher.replies.visible import visible

log = logging.getLogger(__name__)

MAX_BYTES = 512 * 1024
_MAX_HEADER = 64 * 1024  # bytes of one header section
_MAX_VALUE = 998
_MAX_PARTS = 8
_MAX_RECIPIENTS = 50

_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_REPORT = re.compile(rb"multipart/report(?![!-:<-~])", re.IGNORECASE)
_BOUNDARY = re.compile(rb';[ \t]*boundary[ \t]*=[ \t]*(?:"([^"]{1,70})"|([^\s";]{1,70}))', re.IGNORECASE)
_STATUS = frozenset({b"message/delivery-status", b"message/global-delivery-status"})
_ORIGINAL = frozenset(
    {b"message/rfc822", b"text/rfc822-headers", b"message/global", b"message/global-headers"}
)
_MESSAGE_ID = re.compile(rb"<[!-;=?-~]{1,200}@[!-;=?-~]{1,200}>")


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a report says: the mail that failed for good, and why, on one line."""

    message_id: str
    reason: str


def read(raw: bytes) -> Bounce | None:
    """Return what a mail reports as failed; None when it is no such report. Never raises."""
    head, body = _halves(raw[:MAX_BYTES])
    content_type = head.get(b"content-type", b"")
    boundary = _BOUNDARY.search(content_type)
    if not (_REPORT.match(content_type) and boundary):
        return None
    reason, original = None, None
    for part in _parts(body, boundary[1] or boundary[2]):
        about, content = _halves(part)
        kind = about.get(b"content-type", b"").partition(b";")[0].strip().lower()
        encoding = about.get(b"content-transfer-encoding", b"").strip().lower()
        if kind in _STATUS and reason is None:
            reason = _failure(_decoded(content, encoding))
        elif kind in _ORIGINAL and original is None:
            original = _halves(_decoded(content, encoding))[0].get(b"message-id")
    if reason is None or original is None or not _MESSAGE_ID.fullmatch(original):
        return None
    return Bounce(original.decode("ascii"), visible(reason.decode("utf-8", "replace")))


class Bounces:
    """The mails that may have bounced."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def mark(self, raw: bytes) -> int | None:
        """Mark the mail that a report names; return its number, or None when this mail is no report of ours.

        ``raw`` is a mail of the mailbox, whoever sent it. The same report twice changes nothing more.
        Raises StoreError when the database cannot be asked: the mail has to come again.
        """
        bounce = read(raw)
        if bounce is None:
            return None
        sent = outbox.c.message_id == bounce.message_id
        with transaction(self._engine) as connection:
            row = connection.execute(
                select(outbox.c.id, outbox.c.recipient, outbox.c.about).where(sent)
            ).one_or_none()
            if row is None:
                return None
            if guessable(bounce.message_id, row.recipient, row.about):
                log.warning("a bounce of reply %s is not believed: anybody can name it", bounce.message_id)
                return None
            marked = connection.execute(
                update(outbox)
                .where(sent, outbox.c.state.in_(("sending", "sent")))
                .values(state="bounced", error=bounce.reason)
            )
        if marked.rowcount:
            log.error("reply %s to %s has bounced: %s", bounce.message_id, row.recipient, bounce.reason)
        return int(row.id)


def _halves(raw: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Split into the fields of the header section, of several of one name the first, and the body."""
    if raw[:1] == b"\n" or raw[:2] == b"\r\n":  # a part may have no header
        return {}, raw
    end = _EMPTY_LINE.search(raw, 0, _MAX_HEADER)
    section, body = (raw[: end.start()], raw[end.end() :]) if end else (raw[:_MAX_HEADER], b"")
    return _fields(section), body


def _fields(section: bytes) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    name = b""
    for line in section.splitlines():
        if line[:1] in (b" ", b"\t"):
            if name:
                fields[name] = (fields[name] + b" " + line.strip())[:_MAX_VALUE]
            continue
        name, colon, value = line.partition(b":")
        name = name.strip().lower()
        if not colon or name in fields:
            name = b""
        else:
            fields[name] = value.strip()[:_MAX_VALUE]
    return fields


def _parts(body: bytes, boundary: bytes) -> list[bytes]:
    """Return the parts of a multipart body as they stand; what is nested is not looked at."""
    delimiter = b"--" + boundary
    parts: list[list[bytes]] = []
    for line in body.splitlines(keepends=True):
        if line.startswith(delimiter):
            rest = line[len(delimiter) :].rstrip()
            if rest == b"--":
                break
            if not rest:
                if len(parts) == _MAX_PARTS:
                    break
                parts.append([])
                continue
        if parts:
            parts[-1].append(line)
    return [b"".join(lines) for lines in parts]


def _failure(status: bytes) -> bytes | None:
    """Return why it failed for good, of the first recipient of whom that is said."""
    for group in _EMPTY_LINE.split(status, _MAX_RECIPIENTS):
        fields = _fields(group[:_MAX_HEADER].lstrip())
        if fields.get(b"action", b"").partition(b"(")[0].strip().lower() == b"failed":
            said = fields.get(b"diagnostic-code", b"").partition(b";")[2].strip()
            return fields.get(b"status", b"5.0.0")[:20] + b" " + said
    return None


def _decoded(content: bytes, encoding: bytes) -> bytes:
    if encoding == b"quoted-printable":
        return quopri.decodestring(content)
    if encoding == b"base64":
        try:
            return base64.b64decode(content)
        except binascii.Error:
            return b""
    return content
