"""Tells whoever sent a long command that it is being worked on: once, whatever crashes."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dispatcher.errors import StoreError
from dispatcher.jobs.job import Job
from dispatcher.jobs.store import Store
from dispatcher.replies.compose import Composer
from dispatcher.runs.report import Progress
from dispatcher.settings import Runs

log = logging.getLogger(__name__)


class Announcement:
    """One job's. ``posted`` is called when the mail is in the outbox.

    Nothing is announced of work that is small, or that has not begun: what an earlier command has made is
    answered at once. A second worker of the job composes a mail of the same Message-ID, which the store
    already has.
    """

    def __init__(
        self, store: Store, composer: Composer, job: Job, runs: Runs, posted: Callable[[], None]
    ) -> None:
        self._store = store
        self._composer = composer
        self._job = job
        self._runs = runs
        self._posted = posted
        self._made = job.order.sender is None

    def tell(self, progress: Progress) -> None:
        """Look at how far the work is. Never raises: the work is what matters."""
        much = progress.of > self._runs.tell_above_files or progress.of_bytes > self._runs.tell_above_bytes
        if self._made or not much or not progress.files:
            return
        try:
            self._store.post(self._job, self._composer.collecting(self._job, progress))
        except StoreError as error:
            log.error("job %d: cannot announce it yet: %s", self._job.id, error)
            return
        except Exception:  # a fault in the template is no reason to end the run
            log.exception("job %d: it cannot be announced", self._job.id)
        self._made = True
        self._posted()
