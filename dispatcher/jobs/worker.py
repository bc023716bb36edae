"""Takes jobs out of the queue one by one, runs them, and writes result and reply as one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from threading import Event
from typing import TypeVar

from dispatcher.commands import COMMANDS, Command
from dispatcher.commands.local import LocalCommand
from dispatcher.errors import RunLostError, StoreError
from dispatcher.jobs.announcement import Announcement
from dispatcher.jobs.answering import Answering
from dispatcher.jobs.expiry import expire
from dispatcher.jobs.job import Job
from dispatcher.jobs.lease import Keeper, kept
from dispatcher.jobs.listening import listening
from dispatcher.jobs.local import LocalRunner
from dispatcher.jobs.offering import Offering
from dispatcher.jobs.running import SHORT, Running, failure
from dispatcher.jobs.store import Store
from dispatcher.logs import of_job
from dispatcher.replies.compose import Composer
from dispatcher.runs.report import HostResult, Notice, Progress, Report, canceled, who_canceled
from dispatcher.runs.runner import Runner
from dispatcher.settings import Runs

log = logging.getLogger(__name__)

_Written = TypeVar("_Written")

POLL = 1.0  # seconds: work queued by another process is found at the latest after this
_LONGEST = 60.0  # seconds until a job whose run was lost is started again
_RETRY = 2.0  # seconds between tries to write a result while the database is away


class Worker:
    """Shares a store with others. ``wake`` is set when there may be work, ``posted`` when mail is due.

    ``beat`` hears that the calling thread lives, with which job, and for how many seconds it may be silent.
    ``room`` tells whether a playbook may be started here. ``offering``: None where previews are offered to
    nobody.
    """

    def __init__(
        self,
        store: Store,
        runner: Runner,
        composer: Composer,
        runs: Runs,
        local: LocalRunner,
        *,
        beat: Callable[[float, str], None] = lambda _quiet, _state: None,
        room: Callable[[], bool] = lambda: True,
        offering: Offering | None = None,
    ) -> None:
        self._store = store
        self._running = Running(store, runner, runs, beat)
        self._answering = Answering(store, composer, offering)
        self._local = local
        self._composer = composer
        self._runs = runs
        self._beat = beat
        self._room = room
        self.wake = Event()
        self.posted = Event()

    def run(self, stop: Event, only: Collection[str] | None = None) -> None:
        """Work until told to stop; what has been started is finished first. ``only``: these commands."""
        while not stop.is_set():
            try:
                if expire(self._store, self._composer):
                    self.posted.set()
                job = self._store.claim(only=only) if only is not None or self._room() else None
            except StoreError as error:
                log.error("cannot claim: %s", error)
                job = None
            if job is None:
                self.wake.wait(POLL)
                self.wake.clear()
            else:
                with of_job(job.id):
                    self._beat(SHORT, f"job {job.id}")
                    try:
                        self.work(job)
                    except StoreError as error:
                        log.error("job %d is left to whoever can keep it: %s", job.id, error)
                    self._beat(SHORT, "")

    def work(
        self,
        job: Job,
        on_result: Callable[[HostResult], None] = lambda _result: None,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
        canceled: Callable[[], bool] = lambda: False,
    ) -> Report:
        """Run one claimed job to its end and return its report.

        Raises StoreError when it could not even be kept for the start: it is then given up in time.
        """
        log.info("job %d: %s, attempt %d", job.id, job.order.subject, job.attempts)
        with kept(self._store, job) as keeper:
            if keeper.lost:
                return Report(status="canceled", check=job.order.check)
            report = self._worked(job, keeper, on_result, on_progress, canceled)
        log.info("job %d: %s in %.1f s", job.id, report.status, report.seconds)
        self.wake.set()  # a job that waited for these servers may start
        self.posted.set()
        return report

    def _worked(
        self,
        job: Job,
        keeper: Keeper,
        on_result: Callable[[HostResult], None],
        on_progress: Callable[[Progress], None],
        interrupted: Callable[[], bool],
    ) -> Report:
        if job.canceled_by:  # while a worker had it that has died
            return self._written(job, canceled(job.canceled_by, job.order.sender, check=job.order.check))
        if job.attempts > self._runs.attempts:
            return self._written(job, self._crashed(job))
        if issubclass(COMMANDS.get(job.order.keyword, Command), LocalCommand):
            return self._carried_out(job)
        announcement = Announcement(self._store, self._composer, job, self._runs, self.posted.set)

        def tell(progress: Progress) -> None:
            on_progress(progress)
            announcement.tell(progress)

        try:
            with listening(self._store, job) as asked:

                def ended() -> bool:
                    return keeper.lost or asked.is_set() or interrupted()

                report = self._running.report(job, keeper, on_result, tell, ended)
        except RunLostError as error:
            return self._given_back(job, error)
        return self._written(job, self._said(job, report))

    def _said(self, job: Job, report: Report) -> Report:
        """Return the report of a run that was ended with who wanted that, if not whoever watches it."""
        if report.status != "canceled":
            return report
        by = self._insist(job, lambda: self._store.job(job.id)).canceled_by
        return report.model_copy(update={"problem": who_canceled(by, job.order.sender)}) if by else report

    def _written(self, job: Job, report: Report) -> Report:
        """Write down how it ended; return the report. What is done on the servers must not be forgotten."""
        answer = self._insist(job, lambda: self._answering.of(job, report))
        report, reply, offered = answer.report, answer.reply, answer.offered
        if not self._insist(job, lambda: self._store.finish(job, report, reply, offered)):
            log.warning("job %d is no longer ours: its result is not written", job.id)
        return report

    def _given_back(self, job: Job, error: RunLostError) -> Report:
        """Queue a job again whose run was ended, or not begun, for no reason of its own."""
        log.warning("job %d: %s", job.id, error)
        if self._insist(job, lambda: self._store.give_back(job, min(2.0**job.attempts, _LONGEST))):
            log.warning("job %d: queued again", job.id)
        else:
            log.warning("job %d is no longer ours", job.id)
        return Report(status="canceled", check=job.order.check)

    def _insist(self, job: Job, write: Callable[[], _Written]) -> _Written:
        """Write until the database takes it."""
        while True:
            try:
                return write()
            except StoreError as error:  # noqa: PERF203 - it is a loop for this
                log.error("job %d: cannot write what became of it yet: %s", job.id, error)
                self._beat(SHORT, f"job {job.id}")
                time.sleep(_RETRY)

    def _carried_out(self, job: Job) -> Report:
        """Do what needs no playbook in the transaction of its result: it is done once, or not at all."""
        try:
            work = self._local.prepare(job)
            report = self._insist(job, lambda: self._store.carry_out(job, work))
        except Exception as error:
            log.exception("job %d: it cannot be carried out", job.id)
            return self._written(job, failure(job, error))
        if report is None:
            log.warning("job %d is no longer ours: it is not carried out", job.id)
        return report or Report(status="canceled", check=job.order.check)

    def _crashed(self, job: Job) -> Report:
        crashed = Notice(code="run.crashed", data={"attempts": self._runs.attempts})
        return Report(status="failed", check=job.order.check, problem=crashed)
