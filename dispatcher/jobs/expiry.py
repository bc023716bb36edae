"""Ends what nobody has answered in time, and tells whoever counted on it."""

from __future__ import annotations

import logging
import time

from dispatcher.jobs.job import Job
from dispatcher.jobs.store import Store
from dispatcher.replies.compose import Composer, Reply
from dispatcher.replies.confirming import unconfirmed

log = logging.getLogger(__name__)


def expire(store: Store, composer: Composer) -> bool:
    """End all that is overdue; return whether there is mail about it. Raises StoreError."""
    told = False
    for job in store.overdue(time.time()):
        reply = _reply(composer, job)
        if store.expire(job, reply):
            log.info("job %d: not confirmed in time", job.id, extra={"job": job.id})
            told = told or reply is not None
    return told


def _reply(composer: Composer, job: Job) -> Reply | None:
    """Return what its sender is told. Who asked for a preview has seen it, and need not go on."""
    if job.order.offer == "asked":
        return None
    try:
        return unconfirmed(composer, job)
    except Exception:
        log.exception("job %d: nobody is told that it was not confirmed", job.id)
        return None
