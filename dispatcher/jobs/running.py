"""Runs the playbook of a claimed job; what a preview has shown, only while the servers still show it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from dispatcher.errors import NotFoundError, RunLostError, StoreError
from dispatcher.jobs.job import Job, Owner
from dispatcher.jobs.lease import Keeper
from dispatcher.jobs.store import Store
from dispatcher.jobs.undoing import objection
from dispatcher.runs.foreseen import DRIFTED, INTERRUPTED, MOOT, digest, is_rest_of, would_change
from dispatcher.runs.report import HostResult, Notice, Progress, Report
from dispatcher.runs.runner import Runner
from dispatcher.settings import Runs

log = logging.getLogger(__name__)

SHORT = 120.0  # seconds in which whatever is no playbook must be done


class Running:
    """What a worker runs playbooks with. ``beat``: as the worker's own."""

    def __init__(self, store: Store, runner: Runner, runs: Runs, beat: Callable[[float, str], None]) -> None:
        self._store = store
        self._runner = runner
        self._runs = runs
        self._beat = beat

    def report(
        self,
        job: Job,
        keeper: Keeper,
        on_result: Callable[[HostResult], None],
        on_progress: Callable[[Progress], None],
        canceled: Callable[[], bool],
    ) -> Report:
        """Run it, and return the report, also of what went wrong. Raises RunLostError.

        What carries out a preview looks first, under the same locks: if that shows anything else, it is the
        report, and nothing is done. Nothing is done either for an undo that something came up against.
        """
        try:
            if (against := objection(self._store.engine, job)) is not None:
                return Report(status="failed", check=job.order.check, problem=against)
            command = job.order.command()
            run = partial(
                self._runner.run, command, job.order.servers,
                ident=str(job.id), canceled=canceled, locks=job.order.locks, kept=keeper.since,
            )  # fmt: skip
            # It may wait for what is left of an earlier run, and then have all its own time.
            quiet = 2 * (command.timeout or self._runs.timeout) + SHORT
            if job.order.foreseen is not None:
                self._beat(quiet, f"job {job.id}")
                if (instead := self._instead(job, run(check=True))) is not None:
                    return instead
            self._beat(quiet, f"job {job.id}")
            return run(check=job.order.check, on_result=on_result, on_progress=on_progress)
        except Exception as error:
            if isinstance(error, (RunLostError, StoreError)) and job.owner is Owner.SERVE:
                raise RunLostError(str(job.id)) from error  # begun again, once the database is back
            # Whatever went wrong, the sender gets an answer and the log gets the reason.
            log.exception("job %d: the run failed before Ansible could report", job.id)
            return failure(job, error)

    def _instead(self, job: Job, seen: Report) -> Report | None:
        """Return the report of a job that is not to be carried out after this look; None: it is."""
        if seen.status in ("timeout", "canceled"):
            return seen
        if digest(seen) == job.order.foreseen:
            return None
        again = job.attempts > 1  # an earlier start may have changed some servers already
        if again and self._is_rest(job, seen):
            return None
        log.warning("job %d: the servers are not as the preview showed them", job.id)
        if would_change(seen):
            problem = Notice(code=INTERRUPTED if again else DRIFTED)
            return seen.model_copy(update={"status": "failed", "problem": problem})
        if seen.status == "successful":
            return seen.model_copy(update={"problem": Notice(code=MOOT)})
        return seen

    def _is_rest(self, job: Job, seen: Report) -> bool:
        """Whether the servers show what is left of the preview, and nothing else.

        Where nothing is left, running it all the same gives its sender the true result.
        """
        try:
            before = self._store.job(job.order.preview_of or 0).report
        except NotFoundError:
            return False
        return before is not None and is_rest_of(seen, before)


def failure(job: Job, error: Exception) -> Report:
    """Return the report of a job that a fault of ours has ended. An exception's text may be anything."""
    problem = Notice(code="run.error", data={"error": type(error).__name__})
    return Report(status="failed", check=job.order.check, problem=problem)
