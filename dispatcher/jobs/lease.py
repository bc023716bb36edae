"""Keeps a job that is being run: says to the store that it is, and knows when that last worked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Event, Thread

from dispatcher.errors import StoreError
from dispatcher.jobs.job import Job
from dispatcher.jobs.store import Store
from dispatcher.runs.guard import now

log = logging.getLogger(__name__)

_BEATS = 6  # in a lease: it outlasts several that fail


class Keeper:
    """What is known of our hold on a job. ``lost``: it is somebody else's, or was given up."""

    def __init__(self, store: Store, job: Job) -> None:
        self._store = store
        self._job = job
        self._known = now()
        self._leased = store.leased(job)
        self.lost = False

    def since(self) -> float:
        """Return the moment (``guard.now``) at which the job was last known to be ours."""
        return self._known if self._leased else now()

    def ask(self) -> None:
        """Renew. Raises StoreError while the database does not say whether the job is still ours."""
        asked = now()
        if self._store.renew(self._job):
            self._known = asked
        elif not self.lost:
            self.lost = True
            log.warning("job %d is no longer ours", self._job.id)


def kept(store: Store, job: Job) -> AbstractContextManager[Keeper]:
    """Keep a job while the block lasts. Raises StoreError when it cannot be renewed at the start."""
    keeper = Keeper(store, job)
    return _beating(keeper, store.lease / _BEATS) if store.leased(job) else nullcontext(keeper)


@contextmanager
def _beating(keeper: Keeper, pause: float) -> Iterator[Keeper]:
    over = Event()

    def beat() -> None:
        while not over.wait(pause) and not keeper.lost:
            try:
                keeper.ask()
            except StoreError as error:  # noqa: PERF203 - the database may be back at the next
                log.warning("the lease is not renewed: %s", error)

    keeper.ask()
    thread = Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield keeper
    finally:
        over.set()  # a beat that still waits for the database can do no harm: who has finished has no claim
