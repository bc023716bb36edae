"""EMAIL_SERVICE → what the settings need of a mailbox: its address, its servers, whose word counts."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from dispatcher.mail.address import normalise


@dataclass(frozen=True, slots=True)
class Mailbox:
    """What is known. None: somebody has to fill it in. Microsoft takes no password any more: ``barred``."""

    address: str | None = None
    imap: str | None = None
    smtp: str | None = None
    provider: Literal["own", "gmail"] = "own"
    barred: bool = False

    @property
    def blanks(self) -> tuple[str, ...]:
        """The settings' keys that are to be filled in."""
        asked = {
            "imap.host": self.imap,
            "imap.user": self.address,
            "smtp.host": self.smtp,
            "smtp.user": self.address,
            "mail.address": self.address,
            "mail.authserv_id": "known" if self.provider == "gmail" else None,
        }
        return tuple(key for key, known in asked.items() if known is None)


_GMAIL = Mailbox(imap="imap.gmail.com", smtp="smtp.gmail.com", provider="gmail")
_MICROSOFT = Mailbox(imap="outlook.office365.com", smtp="smtp.office365.com", barred=True)
_YAHOO = Mailbox(imap="imap.mail.yahoo.com", smtp="smtp.mail.yahoo.com")
_KNOWN = {
    _GMAIL: ("gmail", "googlemail", "google"),
    _MICROSOFT: ("outlook", "hotmail", "live", "msn", "office365", "microsoft"),
    _YAHOO: ("yahoo", "ymail"),
}
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")


def mailbox(service: str) -> Mailbox:
    """Return what a value says: a provider's name, an address, or the mail server's name. Never an error."""
    text = service.strip().lower()
    with suppress(ValueError):
        address = normalise(text)
        return replace(_provider(address.rpartition("@")[2]) or Mailbox(), address=address)
    if known := _provider(text):
        return known
    return Mailbox(imap=text) if _HOST.fullmatch(text) else Mailbox()


def _provider(text: str) -> Mailbox | None:
    """Return the provider of a name such as gmail, or a domain such as imap.gmail.com or hotmail.com.br."""
    name, _dot, rest = re.sub(r"^(imap|smtp|outlook|smtp-mail)\.(?=.*\.)", "", text).partition(".")
    if rest not in ("", "com", "com.br"):  # live.example.com is somebody's own
        return None
    return next((known for known, names in _KNOWN.items() if name in names), None)
