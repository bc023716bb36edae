"""What one process at a time does, of all that share a database: read the mailbox.

On PostgreSQL it is an advisory lock of a session: whoever dies, hangs or is cut off loses it, as the server
drops the session, and the next one to ask has it. On SQLite there is one service, which has its lock file.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Lock, Thread

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError

from dispatcher.errors import StoreError
from dispatcher.jobs.database import is_postgresql

log = logging.getLogger(__name__)

_ASK = 2.0  # seconds between two tries to become the one, and between two looks whether we still are


class NotLeadingError(StoreError):
    """Somebody else does it now: what was begun here is left to them."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Este processo perdeu a vez ({name}): a conexão com o banco de dados caiu.",
            "Outro processo a assume; este volta a tentar em seguida.",
        )


class Lead:
    """The right to do something alone. ``name`` says what; the same on every machine."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._key = zlib.crc32(f"athome {name}".encode())
        self._lock = Lock()  # one statement at a time over the session
        self._session: Connection | None = None

    def run(self, work: Callable[[Event], None], stop: Event, waits: Callable[[], None]) -> None:
        """Do the work whenever it is ours to do, until told to stop.

        ``work`` gets an event that is set when it has to end; ``waits`` is called while others do it.
        """
        if not is_postgresql(self._engine):
            work(stop)
            return
        while not stop.is_set():
            with self._elected() as leads:
                if leads:
                    log.info("%s: this process does it now", self._name)
                    with self._watched(stop) as over:
                        work(over)
                else:
                    waits()
            stop.wait(_ASK)

    def sure(self) -> None:
        """Raise NotLeadingError unless it is still ours."""
        if is_postgresql(self._engine) and not self._alive():
            raise NotLeadingError(self._name)

    @contextmanager
    def _elected(self) -> Iterator[bool]:
        with ExitStack() as closing:
            try:
                session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                closing.callback(self._end, session)
                if session.execute(select(func.pg_try_advisory_lock(self._key))).scalar():
                    self._session = session
            except DBAPIError as error:
                log.warning("%s: %s", self._name, error.orig)
            yield self._session is not None

    def _end(self, session: Connection) -> None:
        """End the session: the lock goes with it, so it must not return to the pool."""
        with self._lock, suppress(DBAPIError):
            self._session = None
            session.invalidate()
            session.close()

    @contextmanager
    def _watched(self, stop: Event) -> Iterator[Event]:
        over, done = Event(), Event()

        def watch() -> None:
            while not done.wait(_ASK / 4):
                if stop.is_set() or not self._alive():
                    over.set()
                    return

        thread = Thread(target=watch, name=f"{self._name}-lead", daemon=True)
        thread.start()
        try:
            yield over
        finally:
            done.set()

    def _alive(self) -> bool:
        with self._lock:
            if self._session is None:
                return False
            try:
                self._session.execute(select(1))
            except DBAPIError as error:
                log.warning("%s: no longer this process's: %s", self._name, error.orig)
                self._session = None
                return False
            return True
