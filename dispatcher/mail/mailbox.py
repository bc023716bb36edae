"""The inbox as a queue: each mail is handed over at least once, then moved; the inbox empties.

A mail leaves the inbox only after ``handle`` has returned, that is after its database has committed. If we
die in between, the mail comes again, and the database knows it. The move is for people who look there.
"""

from __future__ import annotations

import enum
import logging
import math
import random
import time
from collections.abc import Callable
from datetime import date, timedelta
from threading import Event
from typing import NamedTuple

import imap_tools

from dispatcher.errors import AthomeError, MailboxError
from dispatcher.mail.connection import Connection
from dispatcher.mail.message import RawMessage
from dispatcher.mail.reader import FAILURES, LoginError
from dispatcher.settings import Imap

log = logging.getLogger(__name__)

_SLOW = 300.0  # seconds until a refused password is tried again: sooner, and the account may be locked
_LATER = 30.0, 300.0  # seconds until a mail comes again that could not be decided: at first, and at most
_DAY = 86400.0
_ROUNDS = 10  # searches without a mail to handle, until even a talkative server is believed to be quiet


class Disposition(enum.Enum):
    """Where a mail goes that has been handled."""

    PROCESSED = "processed"
    PARKED = "parked"  # kept for a person
    LATER = "later"  # stays in the inbox, and is handed over again; the mails behind it do not wait


Handle = Callable[[RawMessage], Disposition]


class Backoff:
    """Full jitter: many clients of a server that comes back do not all come at once."""

    def __init__(self, first: float = 0.2, longest: float = 60.0) -> None:
        self._first, self._longest = first, longest
        self._failures = 0

    def next(self) -> float:
        """Return the seconds to wait after one more failure."""
        ceiling = min(self._longest, self._first * 2 ** min(self._failures, 20))
        self._failures += 1
        return random.uniform(0, ceiling)  # noqa: S311 - not for secrets

    def reset(self) -> None:
        """Start again from the shortest wait."""
        self._failures = 0


class _Wait(NamedTuple):
    seconds: float
    until: float  # time.monotonic()


class Mailbox:
    """The dispatcher's mailbox. One reader at a time: two would break the order of commands."""

    def __init__(self, imap: Imap, *, max_bytes: int = 256 * 1024) -> None:
        self._imap = imap
        self._max_bytes = max_bytes
        self._settled: dict[
            tuple[int, int], Disposition
        ] = {}  # handled, but the move failed: by UIDVALIDITY, UID
        self._waiting: dict[tuple[int, int], _Wait] = {}  # to be handed over again, by the same
        self._tidied = -math.inf

    def check(self) -> None:
        """Log in once. Raises MailboxError, with the way out, when that is not possible."""
        try:
            Connection(self._imap).close()
        except FAILURES as error:
            raise MailboxError(
                f"O servidor {self._imap.host} interrompeu a conversa: {error or type(error).__name__}.",
                "Tente de novo; se persistir, confira o registro do servidor.",
            ) from None

    def run(self, handle: Handle, stop: Event, on_state: Callable[[str], None] | None = None) -> None:
        """Hand over every mail that is or comes in the inbox, until ``stop`` is set. Never gives up.

        ``handle`` may raise AthomeError when it cannot do its work now: the mail stays, the first in the
        queue, and is handed over again. Any other exception is a fault: the mail is parked. One that alone
        has to wait is handed over again too, after half a minute at first, and holds up no other.
        ``on_state`` hears "connecting", "listening" and "waiting: reason".
        """
        tell = on_state or (lambda _state: None)
        backoff = Backoff()
        while not stop.is_set():
            tell("connecting")
            try:
                self._session(handle, stop, tell, backoff)
            except LoginError as error:
                log.error("mailbox: no mail is read until the password is put right")
                self._wait(_SLOW, error, stop, tell)
            except (AthomeError, *FAILURES) as error:
                self._wait(backoff.next(), error, stop, tell)

    def _session(self, handle: Handle, stop: Event, tell: Callable[[str], None], backoff: Backoff) -> None:
        """Serve one connection until it breaks or ``stop`` is set."""
        connection = Connection(self._imap)
        try:
            log.info("listening to %s of %s on %s", self._imap.inbox, self._imap.user, self._imap.host)
            tell("listening")
            again = Backoff()
            while not stop.is_set():
                try:
                    self._drain(connection, handle, stop)
                except AthomeError as error:
                    self._wait(again.next(), error, stop, tell)
                    continue
                again.reset()
                backoff.reset()  # not before: a server may take the login and fail at the first mail
                if self._tidy(connection):
                    continue  # selecting the inbox again has hidden what came meanwhile: search once more
                connection.idle(self._until_next(), stop.is_set)
        finally:
            connection.close()

    def _tidy(self, connection: Connection) -> bool:
        """Once a day, delete what was put away long ago: it has tokens, and strangers could fill it."""
        if time.monotonic() < self._tidied + _DAY:
            return False
        self._tidied = time.monotonic()
        before = date.today() - timedelta(days=self._imap.keep_days)  # noqa: DTZ011 - days as the server has them
        for folder in (self._imap.processed, self._imap.parked):
            try:
                if gone := connection.forget(folder, before):
                    log.info("%s: %d mails deleted that came before %s", folder, gone, before)
            except (MailboxError, imap_tools.ImapToolsError) as error:  # noqa: PERF203 - commands come first
                log.warning("%s: old mails stay: %s", folder, error)
        return True

    def _drain(self, connection: Connection, handle: Handle, stop: Event) -> None:
        """Handle all there is. A round during which a mail was announced may have missed it: once more."""
        fruitless = 0
        while fruitless < _ROUNDS:
            connection.arrivals_announced()  # forget older news: the search that follows sees those mails
            fruitless += 1
            uids = connection.uids()
            here = {(connection.uidvalidity, uid) for uid in uids}
            self._waiting = {key: wait for key, wait in self._waiting.items() if key in here}
            for uid in uids:
                if stop.is_set():
                    return
                if self._take(connection, uid, handle):
                    fruitless = 0
            if not connection.arrivals_announced():
                return

    def _take(self, connection: Connection, uid: int, handle: Handle) -> bool:
        """Handle one mail and move it away; False when it stays, or was gone already."""
        key = connection.uidvalidity, uid
        waiting = self._waiting.get(key)
        if waiting and time.monotonic() < waiting.until:
            return False
        try:
            if key not in self._settled:
                raw = connection.fetch(uid, self._max_bytes)
                if raw is None:  # somebody else has moved or deleted it
                    return False
                disposition = self._handled(raw, handle)
                if disposition is Disposition.LATER:
                    first, longest = _LATER
                    seconds = min(2 * waiting.seconds, longest) if waiting else first
                    self._waiting[key] = _Wait(seconds, time.monotonic() + seconds)
                    return False
                self._settled[key] = disposition
            parked = self._settled[key] is Disposition.PARKED
            connection.move(uid, self._imap.parked if parked else self._imap.processed)
        except imap_tools.UnexpectedCommandStatusError as error:
            log.error("mail %s/%d/%d stays where it is: %s", self._imap.inbox, *key, error)
            return False
        del self._settled[key]
        return True

    def _until_next(self) -> float:
        """Return for how many seconds there is nothing to do but to listen."""
        soonest = min((wait.until for wait in self._waiting.values()), default=math.inf)
        return min(self._imap.idle, max(soonest - time.monotonic(), 0.1))

    @staticmethod
    def _handled(raw: RawMessage, handle: Handle) -> Disposition:
        try:
            return handle(raw)
        except AthomeError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the next mail must not wait for it
            # The exception's text may quote the mail, and with it a token: its kind has to do.
            kind = type(error).__name__
            log.error("mail %s/%d/%d parked: %s in its handling", raw.folder, raw.uidvalidity, raw.uid, kind)
            return Disposition.PARKED

    @staticmethod
    def _wait(seconds: float, error: Exception, stop: Event, tell: Callable[[str], None]) -> None:
        log.warning("mailbox: again in %.1f s: %s", seconds, error or type(error).__name__)
        tell(f"waiting: {error or type(error).__name__}")
        stop.wait(seconds)
