"""Mails as files: LF stands for CR LF, a CR is a bare one, and the file's name says which rule decides."""

from datetime import datetime, timezone
from pathlib import Path

from dispatcher.mail.message import RawMessage

DATA = Path(__file__).parent / "data"
ARRIVED = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
TOKEN = "7E57C0DE"


def on_the_wire(name: str) -> bytes:
    """Return a file's mail as IMAP gives it."""
    return (DATA / name).read_bytes().replace(b"\n", b"\r\n")


def raw_message(raw: bytes, *, size: int | None = None) -> RawMessage:
    """Return the bytes as something that has arrived."""
    return RawMessage("INBOX", 1, 1, ARRIVED, len(raw) if size is None else size, raw)
