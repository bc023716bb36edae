"""The folder of sent mails: what is in it was taken by the server, whatever became of the answer.

Some servers keep a copy of each mail that they take (Gmail; Postfix when it is told to). Then whether a
Message-ID is there settles a doubt. Copies that we put there ourselves, for people to read, come after the
server's answer: they prove that a mail was taken, and their absence proves nothing.
"""

from __future__ import annotations

import imaplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import imap_tools

from dispatcher.errors import MailboxError
from dispatcher.mail.reader import FAILURES, connect, disconnect
from dispatcher.settings import Imap

_SKEW = 600.0  # seconds by which the server's clock may differ from ours
_LAST = 10  # copies of one Message-ID that are looked at: an answer goes out again a few times at most


class SentFolder:
    """The folder of the account in ``imap``, by its name."""

    def __init__(self, imap: Imap, name: str) -> None:
        self._imap = imap
        self._name = name

    @contextmanager
    def opened(self) -> Iterator[Copies]:
        """Log in. Raises MailboxError with the way out, whatever goes wrong, also inside of the block."""
        try:
            box = connect(self._imap)
            try:
                yield Copies(box, self._imap, self._name)
            finally:
                disconnect(box)
        except FAILURES as error:
            raise MailboxError(
                f"O servidor {self._imap.host} não responde sobre a pasta {self._name}:"
                f" {error or type(error).__name__}.",
                "A consulta é repetida; se persistir, confira a seção imap e smtp.sent_folder.",
            ) from None


class Copies:
    """The folder over one connection. Its methods raise MailboxError or FAILURES."""

    def __init__(self, box: imap_tools.BaseMailBox, imap: Imap, name: str) -> None:
        self._box = box
        self._client = box.client
        self._imap = imap
        self._name = name
        self._mailbox = imap_tools.utils.encode_folder(name).decode("ascii")
        self._selected = False

    def has(self, message_id: str, since: float) -> bool:
        """Whether a mail of this Message-ID came into the folder ``since`` then (seconds since 1970).

        Older ones do not count: the same answer may have been sent before, and now again.
        """
        if not self._selected:
            answer = self._client.select(self._mailbox, readonly=True)
            self._selected = self._there(answer)
        quoted = '"' + message_id.replace("\\", r"\\").replace('"', r"\"") + '"'
        found = self._ok(self._client.uid("SEARCH", "HEADER", "Message-ID", quoted))
        uids = b" ".join(line for line in found if line).decode("ascii").split()[-_LAST:]
        if not uids:
            return False
        about = self._ok(self._client.uid("FETCH", ",".join(uids), "(INTERNALDATE)"))
        arrived = [imaplib.Internaldate2tuple(line) for line in about if isinstance(line, bytes)]
        return any(time.mktime(at) >= since - _SKEW for at in arrived if at)

    def save(self, message: bytes) -> None:
        """Put a copy into the folder, as one that has been read. Makes the folder when it is not there."""
        answer = self._append(message)
        if answer[0] != "OK" and not self._box.folder.exists(self._name):
            self._box.folder.create(self._name)
            answer = self._append(message)
        self._there(answer)

    def _append(self, message: bytes) -> tuple[str, list[Any]]:
        return self._client.append(self._mailbox, r"(\Seen)", "", message)

    def _there(self, answer: tuple[str, list[Any]]) -> bool:
        if answer[0] != "OK":
            said = b" ".join(part for part in answer[1] if part).decode("utf-8", "replace")
            raise MailboxError(
                f"A pasta {self._name} de {self._imap.user} não pode ser usada: {said}.",
                "Confira smtp.sent_folder; se o servidor não guarda cópias do que envia, deixe-a de fora.",
            )
        return True

    @staticmethod
    def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
        status, data = answer
        if status != "OK":
            raise imap_tools.UnexpectedCommandStatusError((status, data), "OK")
        return data
