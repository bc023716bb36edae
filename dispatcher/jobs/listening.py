"""Hears that a person wants the job which is being run to end, wherever that was said."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from dispatcher.errors import StoreError
from dispatcher.jobs.job import Job
from dispatcher.jobs.store import Store
from dispatcher.logs import inherited

log = logging.getLogger(__name__)

_PAUSE = 0.4  # seconds between two looks: with the guard's own, the playbook has ended within a second


@contextmanager
def listening(store: Store, job: Job) -> Iterator[Event]:
    """Listen while the block lasts. The event is set once somebody has asked for the job's end.

    In a thread of its own: a database that keeps us waiting must not silence the run's heartbeat. While it
    is away nothing is heard, and the run goes on.
    """
    over, asked = Event(), Event()

    def listen() -> None:
        while not over.wait(_PAUSE):
            try:
                if store.canceled(job):
                    log.warning("job %d: it is to end", job.id)
                    asked.set()
                    return
            except StoreError as error:  # noqa: PERF203 - the database may be back at the next look
                log.warning("whether the job is to end is not known: %s", error)

    Thread(target=inherited(listen), name="listening", daemon=True).start()
    try:
        yield asked
    finally:
        over.set()  # a look that still waits for the database can do no harm
