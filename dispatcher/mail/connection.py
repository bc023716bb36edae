"""What the mailbox loop asks of one IMAP connection: search, fetch, move, wait; nothing marked as read."""

from __future__ import annotations

import imaplib
import re
import time
from collections.abc import Callable
from datetime import date, datetime, timezone
from typing import Any, cast

import imap_tools

from dispatcher.errors import MailboxError
from dispatcher.mail.message import MAX_HEADER, MONTHS, RawMessage
from dispatcher.mail.reader import Reader, connect, disconnect
from dispatcher.settings import Imap

_TICK = 0.5  # seconds: how soon a wait notices that it shall end
_CHUNK = 200  # mails in one command
_SIZE = re.compile(rb"RFC822\.SIZE ([0-9]+)")


class Connection:
    """Logged in, with the inbox selected. Raises MailboxError with the way out, or one of FAILURES."""

    def __init__(self, imap: Imap) -> None:
        self._imap = imap
        self._box = connect(imap)
        self._client = cast("Reader", self._box.client)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def uids(self) -> list[int]:
        """Return the UIDs of all mails in the inbox, the oldest first: flags belong to people, not to us."""
        self._ok(self._client.noop())  # SEARCH alone may be one step behind
        found = self._ok(self._client.uid("SEARCH", "ALL"))
        return sorted(int(uid) for line in found for uid in (line or b"").split())

    def arrivals_announced(self) -> bool:
        """Tell whether the server announced a mail since this was asked last: a search may have missed it."""
        return self._client.response("EXISTS")[1] != [None]

    def fetch(self, uid: int, max_bytes: int) -> RawMessage | None:
        """Return a mail without marking it as read, or None when it is gone.

        Of one that is larger than ``max_bytes`` only the header section is fetched.
        """
        about = self._fetched(uid, "(UID RFC822.SIZE INTERNALDATE)")
        size = _SIZE.search(about[0])
        arrived = imaplib.Internaldate2tuple(about[0])
        if size is None or arrived is None:
            return None
        whole = int(size[1]) <= max_bytes
        part = f"BODY.PEEK[]<0.{max_bytes}>" if whole else f"BODY.PEEK[HEADER]<0.{MAX_HEADER + 1}>"
        content = self._fetched(uid, f"(UID {part})")[1]
        if content is None:
            return None
        return RawMessage(
            folder=self._imap.inbox,
            uidvalidity=self.uidvalidity,
            uid=uid,
            internaldate=datetime.fromtimestamp(time.mktime(arrived), timezone.utc),
            size=int(size[1]),
            raw=content,
        )

    def move(self, uid: int, folder: str) -> None:
        """Move a mail out of the inbox. One that is gone is no error."""
        target = imap_tools.utils.encode_folder(folder).decode("ascii")
        if "MOVE" in self._client.capabilities:
            self._ok(self._client.uid("MOVE", str(uid), target))
        else:  # UIDPLUS: a plain EXPUNGE would take along what a person has marked
            self._ok(self._client.uid("COPY", str(uid), target))
            self._ok(self._client.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)"))
            self._ok(self._client.uid("EXPUNGE", str(uid)))

    def forget(self, folder: str, before: date) -> int:
        """Delete for good what a folder has got before a day; return how many mails that were."""
        if "UIDPLUS" not in self._client.capabilities:  # a plain EXPUNGE would take what a person has marked
            return 0
        self._folder(folder, self._box.folder.set)
        try:
            day = f"{before.day}-{MONTHS[before.month - 1]}-{before.year}"
            uids = (self._ok(self._client.uid("SEARCH", "BEFORE", day))[-1] or b"").decode().split()
            for at in range(0, len(uids), _CHUNK):
                some = ",".join(uids[at : at + _CHUNK])
                self._ok(self._client.uid("STORE", some, "+FLAGS.SILENT", r"(\Deleted)"))
                self._ok(self._client.uid("EXPUNGE", some))
        finally:
            self._folder(self._imap.inbox, self._box.folder.set)
        return len(uids)

    def idle(self, seconds: float, ended: Callable[[], bool]) -> None:
        """Wait until the server has news, ``seconds`` are over, or ``ended`` says so (asked twice a second).

        What the news was does not matter: whoever calls searches the inbox again in any case.
        """
        deadline = time.monotonic() + seconds
        client = self._client
        tag = client._command("IDLE")  # noqa: SLF001 - imaplib has no IDLE before Python 3.14; imap-tools does so too
        news = False
        while client._get_response() is not None:  # noqa: SLF001 - news may come before the "+ idling"
            news = True
            if client.tagged_commands[tag]:
                raise client.abort("the server refuses IDLE")
        while not (news or ended()) and (left := deadline - time.monotonic()) > 0:
            if client.has_line(min(_TICK, left)):
                line = client._get_response()  # noqa: SLF001 - raises at the connection's end
                news = not (line or b"").upper().startswith(b"* OK")  # "* OK Still here"
        if client.tagged_commands[tag] is None:
            client.send(b"DONE\r\n")
        while client.tagged_commands[tag] is None:
            client._get_response()  # noqa: SLF001 - until the server has ended IDLE
        self._ok(cast("tuple[str, list[Any]]", client.tagged_commands.pop(tag)))

    def close(self) -> None:
        """Log out if the server still listens; never raises and never waits long."""
        disconnect(self._box)

    def _prepare(self) -> None:
        """Select the inbox, and make the folders for what is done with."""
        capabilities = self._ok(self._client.capability())[-1] or b""
        self._client.capabilities = tuple(capabilities.decode("ascii", "replace").upper().split())
        if "IDLE" not in self._client.capabilities or not {"MOVE", "UIDPLUS"} & {*self._client.capabilities}:
            raise MailboxError(
                f"O servidor {self._imap.host} não oferece IDLE e MOVE (ou UIDPLUS), necessários aqui.",
                "Use um servidor IMAP que os ofereça, como Dovecot ou Gmail.",
            )
        imap = self._imap
        for folder in (imap.processed, imap.parked):
            if not self._box.folder.exists(folder):
                self._folder(folder, self._box.folder.create)
        self._folder(imap.inbox, self._box.folder.set)
        self.uidvalidity = int(self._client.response("UIDVALIDITY")[1][-1] or 0)

    def _folder(self, name: str, action: Callable[[str], Any]) -> None:
        try:
            action(name)
        except imap_tools.UnexpectedCommandStatusError as error:
            raise MailboxError(
                f"A pasta {name} de {self._imap.user} não pode ser usada: {error}.",
                "Confira imap.inbox, imap.processed e imap.parked (alguns servidores pedem INBOX.Nome).",
            ) from None

    def _fetched(self, uid: int, parts: str) -> tuple[bytes, bytes | None]:
        """Return what is said about this mail, and its literal; news about flags may come in between."""
        text, literal = b"", None
        for item in self._ok(self._client.uid("FETCH", str(uid), parts)):
            line, content = item if isinstance(item, tuple) else (item or b"", None)
            if content is not None:
                literal = content
            if re.search(rb"\bUID %d\b" % uid, line):
                text += line
        return text, literal

    def _ok(self, answer: tuple[str, list[Any]]) -> list[Any]:
        status, data = answer
        if status != "OK":
            raise imap_tools.UnexpectedCommandStatusError((status, data), "OK")
        return data
