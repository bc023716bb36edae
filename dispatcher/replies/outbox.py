"""Sends what is due, at least once, and where the server keeps copies of what it takes, exactly once.

A mail is `sending` from before it is handed over until what became of it is written down. One that is found
so later, after a crash or a lost connection, is a doubt: it is sent again only when no copy of it is in the
folder of sent mails. Without such a folder it is sent again with the same Message-ID, and counted.
"""

from __future__ import annotations

import logging
import random
import smtplib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Event

from sqlalchemy import Engine, func, select, update
from sqlalchemy.exc import DatabaseError

from dispatcher.errors import AthomeError, DeliveryError
from dispatcher.jobs.schema import outbox
from dispatcher.logs import of_job
from dispatcher.replies.sent import SentFolder
from dispatcher.replies.submission import LoginRefusedError, Outcome, hand_over, submission
from dispatcher.replies.visible import visible
from dispatcher.settings import Imap, Smtp

log = logging.getLogger(__name__)

POLL = 5.0  # seconds: what another process has posted goes out at the latest after this
_FIRST, _LONGEST = 2.0, 600.0  # seconds until the next try of a mail
_LONGEST_AWAY = 60.0  # seconds until a server that was not there is tried again
_LOGIN = 300.0  # seconds until a refused password is tried again: sooner, and the account may be locked
_BATCH = 100  # mails over one connection
_ANSWERS = 6  # that the server may be waited for while one mail is handed over, each for smtp.timeout at most


@dataclass(frozen=True, slots=True)
class _Due:
    id: int
    recipient: str
    message: bytes
    state: str  # waiting | sending
    attempts: int
    not_before: float  # of one that is being sent: until when it is ours
    sent_at: float | None  # when it was handed over
    message_id: str
    job_id: int | None


class Outbox:
    """The table of replies that are due, and the server that takes them. Several may serve one table.

    ``counts``, since the start: sent, refused, doubtful, and of the doubtful: found (its copy was there),
    again (sent once more, and maybe twice). ``beat`` hears for how many seconds the caller may be silent now.
    """

    def __init__(
        self,
        engine: Engine,
        smtp: Smtp,
        imap: Imap | None = None,
        beat: Callable[[float], None] = lambda _quiet: None,
    ) -> None:
        self._engine = engine
        self._smtp = smtp
        self._sent = SentFolder(imap, smtp.sent_folder) if imap and smtp.sent_folder else None
        self._proves = self._sent is not None and not smtp.save_copy  # that no copy means not taken
        self._delay = smtp.sent_delay if self._sent else 0.0
        self._hold = smtp.timeout * _ANSWERS
        self._away = 0  # how often in a row there was no connection
        self._again_at = 0.0  # monotonic
        self._up_since: float | None = None  # monotonic: since when no connection has failed
        self._beat = beat
        self.counts: Counter[str] = Counter()

    def run(self, stop: Event, wake: Event) -> None:
        """Send until told to stop; ``wake`` is set when a reply has been posted.

        On SQLite the caller holds the state folder's lock file: what is being sent is left over from before.
        """
        if self._engine.dialect.name == "sqlite":
            self._release()
        while not stop.is_set():
            self._round()
            wake.wait(POLL)
            wake.clear()
        self._again_at = 0.0
        self._round()  # what the last job has posted

    def send_due(self, now: float) -> int:
        """Send the replies whose time has come, over one connection; return how many turned out as sent.

        Raises DeliveryError when there is no connection at all: then they wait for the server, and not for
        times of their own.
        """
        due = self._due(now)
        if not due:
            return 0
        settled: dict[int, bool] = {}
        taken: list[_Due] = []
        try:
            with submission(self._smtp) as server:
                self._up_since = self._up_since or time.monotonic()
                if self._sent:
                    doubts = [row for row in due if row.state == "sending"]
                    settled = self._settle(self._sent, doubts) if doubts else {}
                for row in due:
                    if row.id not in settled:
                        with of_job(row.job_id):
                            self._send(server, row, taken)
                    if server.sock is None:  # lost: what is left has not been tried, and stays due
                        self._up_since = None
                        break
        except DeliveryError as error:
            self._up_since = None
            self._explain(due, error)
            raise
        finally:
            if taken and self._sent and self._smtp.save_copy:
                self._save_copies(self._sent, taken)
        return len(taken) + sum(settled.values())

    def _round(self) -> None:
        if time.monotonic() < self._again_at:
            return
        try:
            while self.send_due(time.time()) >= _BATCH:
                pass
            self._away = 0
        except DeliveryError as error:
            self._away += 1
            refused = isinstance(error, LoginRefusedError)
            wait = _LOGIN if refused else _jittered(min(_LONGEST_AWAY, 2.0 ** min(self._away, 20)))
            self._again_at = time.monotonic() + wait
            log.error("outbox: again in %.0f s: %s", wait, error)
        except DatabaseError as error:
            log.error("outbox: the database cannot be used, again in %.0f s: %s", POLL, error.orig)

    def _due(self, now: float) -> Sequence[_Due]:
        with self._engine.begin() as connection:
            found = connection.execute(
                select(*(outbox.c[field] for field in _Due.__dataclass_fields__))
                .where(outbox.c.state.in_(("waiting", "sending")), outbox.c.not_before <= now)
                .order_by(outbox.c.id)
                .limit(_BATCH)
            )
            return [_Due(*row) for row in found]

    def _settle(self, sent: SentFolder, doubts: Sequence[_Due]) -> dict[int, bool]:
        """Look for copies; return what is not to be sent now. True: it was sent; False: it is asked later.

        A server that has only just come back delivers what it had taken before, the copies too: its folder
        is not asked before it has had the time to.
        """
        early = (self._up_since or 0.0) + self._delay - time.monotonic()
        if early > 0:
            for row in doubts:
                self._set(row, not_before=time.time() + early)
            return dict.fromkeys((row.id for row in doubts), False)
        settled: dict[int, bool] = {}
        try:
            with sent.opened() as copies:
                for row in doubts:
                    self._beat(2 * self._hold)
                    if copies.has(row.message_id, row.sent_at or 0.0):
                        settled[row.id] = self._set(row, state="sent", error=None)
                        self.counts["found"] += 1
                        log.info(
                            "reply %s was sent: its copy is there", row.message_id, extra={"job": row.job_id}
                        )
        except AthomeError as error:
            log.error("outbox: %s", error)
            for row in doubts:
                if row.id not in settled:
                    wait = _jittered(_LONGEST_AWAY)
                    self._set(row, not_before=time.time() + wait, error=visible(error.problem))
                    settled[row.id] = False
        return settled

    def _send(self, server: smtplib.SMTP, row: _Due, taken: list[_Due]) -> None:
        """Hand over one mail, unless somebody else does, and write down what has become of it."""
        self._beat(2 * self._hold)
        until = time.monotonic() + self._hold / 2
        mine = self._claim(row)
        if mine is None:
            return
        answer = hand_over(server, row.recipient, row.message, until)
        if answer.outcome is Outcome.TAKEN:
            taken.append(mine)
            self._set(mine, state="sent", sent_at=time.time(), error=None)
            self.counts["sent"] += 1
            log.info("reply %s sent to %s", row.message_id, row.recipient)
        elif answer.outcome is Outcome.REFUSED:
            self._set(mine, state="dead", sent_at=None, error=answer.words)
            self.counts["refused"] += 1
            log.error("reply %s is refused for good: %s", row.message_id, answer.words)
        elif answer.outcome is Outcome.LATER:
            later = time.time() + _backoff(row.attempts)
            self._set(mine, state="waiting", sent_at=None, not_before=later, error=answer.words)
            log.warning("reply %s is sent later: %s", row.message_id, answer.words)
        else:
            later = time.time() + max(_backoff(row.attempts), self._delay)
            self._set(mine, not_before=later, error=answer.words)
            self.counts["doubtful"] += 1
            log.warning("nobody knows whether reply %s was taken: %s", row.message_id, answer.words)

    def _claim(self, row: _Due) -> _Due | None:
        """Write down that it is being handed over; None when somebody else was faster.

        Before, so that a database that takes nothing lets no mail go out again and again.
        """
        now = time.time()
        until = now + self._hold
        mine = replace(row, state="sending", attempts=row.attempts + 1, not_before=until, sent_at=now)
        claim = {field: getattr(mine, field) for field in ("state", "attempts", "not_before", "sent_at")}
        if not self._set(row, **claim, error=None):
            return None
        if row.state == "sending" and not self._proves:
            self.counts["again"] += 1
            log.warning("reply %s is sent again, and may arrive twice", row.message_id)
        return mine

    def _set(self, row: _Due, **values: object) -> bool:
        """Change a row that is still as it was read or claimed; tell whether it was."""
        same = (
            (outbox.c.id == row.id) & (outbox.c.state == row.state) & (outbox.c.not_before == row.not_before)
        )
        with self._engine.begin() as connection:
            return connection.execute(update(outbox).where(same).values(**values)).rowcount == 1

    def _explain(self, due: Sequence[_Due], error: DeliveryError) -> None:
        """Let a person who looks at the rows see what they wait for."""
        waiting = outbox.c.id.in_([row.id for row in due]) & (outbox.c.state == "waiting")
        with self._engine.begin() as connection:
            connection.execute(update(outbox).where(waiting).values(error=visible(error.problem)))

    def _save_copies(self, sent: SentFolder, taken: Sequence[_Due]) -> None:
        """Put copies into the folder, for people. One that fails is missed by nobody but them."""
        try:
            with sent.opened() as copies:
                for row in taken:
                    self._beat(2 * self._hold)
                    copies.save(row.message)
        except AthomeError as error:
            log.warning("outbox: sent, but without a copy in the folder of sent mails: %s", error)

    def _release(self) -> None:
        """Let what a dead process had in hand be settled as soon as a copy of it must be there."""
        left = (outbox.c.state == "sending") & outbox.c.error.is_(None)
        with self._engine.begin() as connection:
            settled_at = func.coalesce(outbox.c.sent_at, 0.0) + self._delay
            connection.execute(update(outbox).where(left).values(not_before=settled_at))


def _backoff(attempts: int) -> float:
    return _jittered(min(_LONGEST, _FIRST * 2 ** min(attempts, 20)))


def _jittered(seconds: float) -> float:
    """Return between half of it and all: mails that failed together do not come again together."""
    return random.uniform(seconds / 2, seconds)  # noqa: S311 - not for secrets
