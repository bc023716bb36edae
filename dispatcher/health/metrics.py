"""The service's numbers in Prometheus's format.

What can be read from the database is read from there at each scrape, so it survives restarts, also of another
machine, and says the same on each. What only this process knows (its parts, its deliveries) starts with it.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Lock, Thread

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from dispatcher import __version__
from dispatcher.errors import SettingsError, StoreError
from dispatcher.health.pulse import Pulse
from dispatcher.jobs import totals
from dispatcher.jobs.database import reading
from dispatcher.jobs.totals import BOUNDS
from dispatcher.jobs.vitals import Vitals, vitals
from dispatcher.runs.guard import now
from dispatcher.settings import Metrics

log = logging.getLogger(__name__)

_FRESH = 2.0  # seconds: scrapes that follow each other sooner share one reading


class DatabaseCollector(Collector):
    """Queue, runs, intake and outbox, as the database has them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._read: tuple[float, list[Metric]] | None = None

    def collect(self) -> Iterator[Metric]:
        """Read them. While the database is away, only that is said."""
        with self._lock:
            if self._read is None or time.monotonic() > self._read[0] + _FRESH:
                self._read = time.monotonic(), list(self._metrics())
            yield from self._read[1]

    def _metrics(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("athome_database_up", "Whether the database could be read for this scrape.")
        try:
            with reading(self._engine) as connection:
                found = vitals(connection)
                runs, mails = totals.runs(connection), totals.mails(connection)
        except StoreError as error:
            log.warning("metrics: %s", error)
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _queue(found)
        yield from _runs(runs)
        yield _mails(mails)
        yield from _replies(found)


class ProcessStateCollector(Collector):
    """The parts of this process, and its deliveries."""

    def __init__(self, pulse: Pulse, delivered: Mapping[str, int]) -> None:
        self._pulse = pulse
        self._delivered = delivered

    def collect(self) -> Iterator[Metric]:
        """Read them."""
        info = InfoMetricFamily("athome", "The program.")
        info.add_metric([], {"version": __version__})
        yield info
        silent = GaugeMetricFamily(
            "athome_part_silent_seconds",
            "How long nothing was heard of a part of the service beyond what it may be silent; 0 is well.",
            labels=["part"],
        )
        listening = GaugeMetricFamily("athome_mailbox_listening", "Whether this process reads the mailbox.")
        for part in self._pulse.parts():
            silent.add_metric([part.name], max(0.0, part.late(now())))
            if part.name == "mailbox":
                listening.add_metric([], float(part.state == "listening"))
        yield silent
        yield listening
        deliveries = CounterMetricFamily(
            "athome_deliveries",
            "Mails handed to the mail server by this process, by what became of them: sent, refused, doubtful"
            " (nobody knows), and of those: found (a copy was there), again (sent once more).",
            labels=["outcome"],
        )
        for outcome in ("sent", "refused", "doubtful", "found", "again"):
            deliveries.add_metric([outcome], self._delivered.get(outcome, 0))
        yield deliveries


def _queue(found: Vitals) -> Iterator[Metric]:
    depth = GaugeMetricFamily("athome_jobs", "Jobs that have not ended, by state.", labels=["state"])
    for state, number in sorted(found.jobs.items()):
        depth.add_metric([state], number)
    yield depth
    oldest = GaugeMetricFamily(
        "athome_oldest_waiting_job_seconds", "Age of the job that has waited the longest; 0 when none waits."
    )
    oldest.add_metric([], found.oldest_job.seconds if found.oldest_job else 0.0)
    yield oldest
    by_server = GaugeMetricFamily(
        "athome_server_oldest_waiting_job_seconds",
        "Age of the oldest job that waits for a server; no sample when none does.",
        labels=["server"],
    )
    for server, seconds in sorted(found.oldest_by_server.items()):
        by_server.add_metric([server], seconds)
    yield by_server
    running = GaugeMetricFamily(
        "athome_longest_running_job_seconds",
        "For how long the longest of the running jobs has run, by command.",
        labels=["command"],
    )
    longest: dict[str, float] = {}
    for job in found.running:
        longest[job.keyword] = max(job.seconds, longest.get(job.keyword, 0.0))
    for command, seconds in sorted(longest.items()):
        running.add_metric([command], seconds)
    yield running


def _runs(runs: totals.Runs) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "athome_runs", "Jobs that have ended, by command and outcome.", labels=["command", "outcome"]
    )
    outcomes: Counter[tuple[str, str]] = Counter()
    for (command, outcome, _place), count in runs.items():
        outcomes[command, outcome] += count.number
    for (command, outcome), number in sorted(outcomes.items()):
        ended.add_metric([command, outcome], number)
    yield ended
    took = HistogramMetricFamily(
        "athome_run_duration_seconds",
        "From a job's last start to its end, by command; without those that never started.",
        labels=["command"],
    )
    never = ("expired",)
    for command in sorted({command for command, outcome, _place in runs if outcome not in never}):
        mine = [
            (place, count)
            for (keyword, outcome, place), count in runs.items()
            if keyword == command and outcome not in never
        ]
        buckets, so_far = [], 0
        for place, bound in enumerate((*map(str, BOUNDS), "+Inf")):
            so_far += sum(count.number for at, count in mine if at == place)
            buckets.append((bound, so_far))
        took.add_metric([command], buckets, sum_value=sum(count.seconds for _place, count in mine))
    yield took


def _mails(mails: totals.Mails) -> Metric:
    judged = CounterMetricFamily(
        "athome_mails",
        "Mails that were judged, by verdict and the rule that decided.",
        labels=["verdict", "rule"],
    )
    for (verdict, rule), number in sorted(mails.items()):
        judged.add_metric([verdict, rule], number)
    return judged


def _replies(found: Vitals) -> Iterator[Metric]:
    replies = GaugeMetricFamily(
        "athome_replies", "Mails of the outbox that are kept, by state.", labels=["state"]
    )
    for state, number in sorted(found.replies.items()):
        replies.add_metric([state], number)
    yield replies
    oldest = GaugeMetricFamily(
        "athome_oldest_unsent_reply_seconds",
        "Age of the oldest mail that waits to be sent; 0 when none does.",
    )
    oldest.add_metric([], found.oldest_reply)
    yield oldest


def registry(engine: Engine, pulse: Pulse, delivered: Mapping[str, int]) -> CollectorRegistry:
    """Return everything that there is to be scraped, the process's memory and CPU time included."""
    made = CollectorRegistry(auto_describe=False)
    made.register(DatabaseCollector(engine))
    made.register(ProcessStateCollector(pulse, delivered))
    ProcessCollector(registry=made)
    return made


@contextmanager
def exposed(settings: Metrics, made: Callable[[], CollectorRegistry]) -> Iterator[None]:
    """Expose them as the settings say while the block lasts. Raises SettingsError."""
    with ExitStack() as stack:
        if settings.listen:
            stack.enter_context(_listening(settings.listen, made()))
        if settings.textfile:
            stack.enter_context(_written(settings.textfile, settings.interval, made()))
        yield


@contextmanager
def _listening(address: str, scraped: CollectorRegistry) -> Iterator[None]:
    host, _colon, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), scraped)
    except OSError as error:
        raise SettingsError(
            f"O endereço {address} (metrics.listen) não pode ser usado: {error.strerror}.",
            "Escolha outra porta, ou pare o programa que a usa.",
        ) from None
    log.info("metrics: http://%s/metrics", address)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _written(path: Path, interval: float, scraped: CollectorRegistry) -> Iterator[None]:
    """Write the file again and again; a reader finds the one before or the one after, and none at the end.

    A file that stayed would be scraped for ever: node_exporter does not see that nobody writes it any more.
    """
    done = Event()

    def body() -> None:
        told = False
        while True:
            try:
                _write(path, scraped)
                told = False
            except OSError as error:
                if not told:
                    log.error("metrics: %s cannot be written: %s", path, error.strerror)
                told = True
            if done.wait(interval):
                return

    thread = Thread(target=body, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        path.unlink(missing_ok=True)


def _write(path: Path, scraped: CollectorRegistry) -> None:
    new = path.with_name(f"{path.name}.new")  # not *.prom: the collector would read it half written
    new.write_bytes(generate_latest(scraped))
    new.chmod(0o644)  # node_exporter has an account of its own
    new.replace(path)
