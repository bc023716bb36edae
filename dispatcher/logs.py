"""The log: one line a record, with the job that it belongs to, and without a secret.

Lines go to stderr, where systemd's journal takes them; nothing is written to files of our own. On a terminal
they are for people; anywhere else each is a JSON object. Nothing that is secret is logged on purpose: what
``Redaction`` takes out is what an exception or a library might quote.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import datetime, timezone
from types import TracebackType
from typing import TextIO

from dispatcher.settings import Log

REDACTED = "········"
_QUIET = (
    "imap_tools",
    "imaplib",
    "smtplib",
    "sqlalchemy",
    "botocore",
    "boto3",
    "urllib3",
)  # quote what they get
_SHORTEST = 6  # characters of a secret that is looked for: a shorter one would be found in innocent words

_job: ContextVar[int | None] = ContextVar("job", default=None)

# The first group of each stays, and the mark follows.
_SECRETS = (
    re.compile(r"(?i)\b((?:X-Amz-[A-Za-z-]+|AWSAccessKeyId|Signature|Policy|Key-Pair-Id)=)[^&\s\"'<>]+"),
    re.compile(r"(?i)([a-z_-]*(?:password|passwd|secret|token|pepper|api_?key)[\"']?=)[^&\s<>,;]+"),
    re.compile(r"(?i)([\"'][a-z_-]*(?:password|passwd|secret|token|pepper)[\"']: )[\"'][^\"']*[\"']"),
    re.compile(r"(\b[a-z][a-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+(?=@)"),  # a URL's password
    re.compile(r"()\[[0-9A-Fa-f]{8}\]"),  # a token as it opens a subject
    re.compile(r"()\b[2-9A-HJKMNP-TV-Z]{4}(?:-[2-9A-HJKMNP-TV-Z]{4}){2}\b"),  # a code that confirms
    re.compile(r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*KEY-----|$)", re.DOTALL),
)  # fmt: skip


@contextmanager
def of_job(number: int | None) -> Iterator[None]:
    """Let every line of the block, whoever writes it, bear the job's number."""
    before = _job.set(number)
    try:
        yield
    finally:
        _job.reset(before)


def inherited(target: Callable[[], None]) -> Callable[[], None]:
    """Return what to give a new thread so that its lines bear the job of the thread that starts it."""
    context = copy_context()
    return lambda: context.run(target)


class Redaction:
    """Takes out what may be a secret: these values wherever they stand, and whatever looks like one."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = sorted({value for value in values if len(value) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """Return the text with a mark in each one's place."""
        if self._known:
            text = self._known.sub(REDACTED, text)
        for pattern in _SECRETS:
            text = pattern.sub(rf"\1{REDACTED}", text)
        return text


class _Formatter(logging.Formatter):
    def __init__(self, redact: Redaction) -> None:
        super().__init__()
        self._redact = redact

    def parts(self, record: logging.LogRecord) -> tuple[str, int | None, str]:
        """Return message, job and traceback of a record, as they may be shown."""
        job = getattr(record, "job", None) or _job.get()
        message = self._redact(record.getMessage())
        return message, job, self._redact(_traceback(record))


class JsonFormatter(_Formatter):
    """``{"time": …, "level": …, "logger": …, "thread": …, "job": …, "message": …, "traceback": …}``.

    ``time`` is UTC; ``job`` and ``traceback`` are there when there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        message, job, trace = self.parts(record)
        moment = datetime.fromtimestamp(record.created, tz=timezone.utc)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
        }
        if job is not None:
            line["job"] = job
        line["message"] = message
        if trace:
            line["traceback"] = trace
        return json.dumps(line, ensure_ascii=False).translate(_SEPARATORS)


class TextFormatter(_Formatter):
    """For a terminal. A line break in a message, which might be a mail's, starts no line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, with its traceback, indented, below."""
        message, job, trace = self.parts(record)
        moment = datetime.fromtimestamp(record.created, tz=timezone.utc).astimezone()
        number = f" [job {job}]" if job is not None else ""
        said = message.translate(_CONTROLS)
        below = "".join(f"\n    {line.translate(_CONTROLS)}" for line in trace.splitlines())
        return f"{moment:%H:%M:%S} {record.levelname:<7} {record.name}{number}: {said}{below}"


# Some readers of lines take these for a line's end; inside JSON's strings they may be written like this.
_SEPARATORS = {ord(separator): f"\\u{ord(separator):04x}" for separator in "\x85\u2028\u2029"}
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160))} | _SEPARATORS


def set_up(
    settings: Log, secrets: Iterable[str] = (), *, verbose: bool = False, to: TextIO | None = None
) -> None:
    """Send this process's log, what ends a thread and what ends the process included, to stderr.

    ``secrets`` are values that must be in no line, whoever should write them.
    """
    stream = to or sys.stderr
    as_json = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter((JsonFormatter if as_json else TextFormatter)(Redaction(secrets)))
    logging.basicConfig(
        level=logging.DEBUG if verbose else settings.level.upper(), handlers=[handler], force=True
    )
    for library in _QUIET:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.captureWarnings(True)  # noqa: FBT003 - a positional of the standard library
    threading.excepthook = _thread_ended
    sys.excepthook = _process_ended


def _traceback(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    return "".join(traceback.format_exception(record.exc_info[1])).rstrip()


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        logging.getLogger(__name__).critical("a thread has ended", exc_info=ended.exc_value)


def _process_ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger(__name__).critical("the process has ended", exc_info=error)
