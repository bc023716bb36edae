"""The log is lines that a program can read, each with its job, and none with a secret."""

import io
import json
import logging
import sys
import threading

import pytest

from dispatcher.logs import REDACTED, Redaction, inherited, of_job, set_up
from dispatcher.settings import Log

log = logging.getLogger("dispatcher.test")
KEY = "PRIVATE KEY"  # put in where it is needed: nothing here looks like one


@pytest.fixture
def written():
    """Set the log up to write to this stream; put everything back afterwards."""
    root, hooks = logging.getLogger(), (threading.excepthook, sys.excepthook)
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()

    def start(form="auto", *, secrets=(), **options):
        set_up(Log(format=form), secrets, to=stream, **options)
        return lambda: stream.getvalue().splitlines()

    yield start
    root.handlers[:], (threading.excepthook, sys.excepthook) = handlers, hooks
    root.setLevel(level)
    logging.captureWarnings(False)  # noqa: FBT003 - a positional of the standard library


def test_off_a_terminal_a_record_is_one_json_object_on_one_line(written):
    """Line breaks of every kind, in messages and tracebacks, stay inside their record."""

    def fail():
        raise ValueError("with\nbreak")

    lines = written()
    log.warning("first\nsecond\r\u2028third\x85%s", "é")
    try:
        fail()
    except ValueError:
        log.exception("failed")
    first, second = (json.loads(line) for line in lines())
    assert "first\nsecond\r\u2028third\x85é" == first["message"]
    assert ("warning", "dispatcher.test", "MainThread") == (first["level"], first["logger"], first["thread"])
    assert first["time"].endswith("Z")
    assert {"job", "traceback"}.isdisjoint(first)
    assert second["traceback"].endswith("ValueError: with\nbreak")


def test_at_a_terminal_a_message_cannot_forge_a_line(written):
    """What a mail brings into a message, a line break or an escape sequence, starts no line and no colour."""
    lines = written("text")
    log.warning("a\n12:00:00 ERROR\x1b[31m")
    (line,) = lines()
    assert line.endswith(r"a\x0a12:00:00 ERROR\x1b[31m")


def test_every_line_of_a_job_bears_its_number(written):
    """Also a library's, and that of a thread which was started for it; after the job, none does."""
    lines = written()
    with of_job(7):
        log.info("mine")
        logging.getLogger("some.library").warning("its")
        thread = threading.Thread(target=inherited(lambda: log.info("the thread's")))
        thread.start()
        thread.join()
    log.info("not mine")
    log.info("of one line alone", extra={"job": 8})
    assert [7, 7, 7, None, 8] == [json.loads(line).get("job") for line in lines()]


def test_two_jobs_at_once_do_not_mix(written):
    """Two workers that log in turns bear each its own job's number."""
    lines = written()
    turns = threading.Barrier(2)

    def work(number):
        with of_job(number):
            for _turn in range(20):
                turns.wait()
                log.info("job %d", number)

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [json.loads(line) for line in lines()]
    assert 40 == len(found)
    assert [] == [line for line in found if line["message"] != f"job {line['job']}"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_ends_a_thread_or_the_process_is_a_record(written):
    """Python's own traceback on stderr would be many lines, and would quote whatever there is."""
    lines = written(secrets=["hunter2hunter2"])

    def fail():
        raise RuntimeError("hunter2hunter2")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    error = RuntimeError("hunter2hunter2")
    sys.excepthook(RuntimeError, error, None)
    found = [json.loads(line) for line in lines()]
    assert ["critical", "critical"] == [line["level"] for line in found]
    assert all(line["traceback"].endswith(f"RuntimeError: {REDACTED}") for line in found)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("subject '[7E57C0DE] CHECKIP=203.0.113.7'", "7E57C0DE"),
        ("[7e57c0de] CHECKIP", "7e57c0de"),
        ("CONFIRMAR 2345-ABCD-WXYZ", "2345-ABCD-WXYZ"),
        ("https://s3.example.com/a.zip?X-Amz-Credential=AKIA%2Fx&X-Amz-Signature=0badc0ffee", "0badc0ffee"),
        ("https://s3.example.com/a.zip?X-Amz-Credential=AKIA%2Fx&X-Amz-Signature=0badc0ffee", "AKIA%2Fx"),
        ("https://s3.example.com/a.zip?AWSAccessKeyId=AKIAX&Signature=q%2Bw%3D&Expires=1", "q%2Bw%3D"),
        ("cannot connect to postgresql+psycopg://athome:s3cr3t!@db.example.com/athome", "s3cr3t!"),
        ("login(user='x', password='hunter two')"[:33], "hunter"),
        ("{'password': 'a b', 'user': 'x'}", "a b"),
        ('{"smtp_password": "p\'q"}', "p'q"),
        ("ATHOME_IMAP_PASSWORD=swordfish", "swordfish"),
        (f"-----BEGIN OPENSSH {KEY}-----\nb3Blbn\n-----END OPENSSH {KEY}-----", "b3Blbn"),
        (f"-----BEGIN {KEY}-----\nb3Blbn", "b3Blbn"),
        ("the server said: correct-horse", "correct-horse"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text, secret):
    """Tokens, codes, signatures of links, passwords in every notation, keys, and values that are known."""
    assert secret in text
    redacted = Redaction(["correct-horse"])(text)
    assert secret not in redacted
    assert REDACTED in redacted


@pytest.mark.parametrize(
    "text",
    [
        "job 12: CHECKIP=203.0.113.7, attempt 1",
        "mail INBOX/1234567: refused by rule token (wrong token: 3 of 10)",
        "reply <result.0123456789abcdef0123456789abcdef@example.com> sent to ana@example.com",
        "[Errno 28] No space left on device [AUTHENTICATIONFAILED]",
        "https://s3.example.com/grava%C3%A7%C3%B5es.zip?versionId=3",
        "MACCHANGE=3010 MACATUAL=0004F2AABBCC MACFUTURO=0004F2AABBCD SERVER=gv2p",
        "123e4567-e89b-12d3-a456-426614174000 test-case-name",
    ],
)
def test_what_is_no_secret_stays(text):
    """The log stays of use: addresses, Message-IDs, errors, MACs and links without a signature are in it."""
    assert text == Redaction(["", "abc"])(text)


def test_verbose_and_level_say_what_is_written(written):
    """--verbose writes what is of routine too, except of libraries that quote what they get."""
    lines = written(verbose=True)
    log.debug("routine")
    logging.getLogger("imap_tools").info("LOGIN")
    assert ["routine"] == [json.loads(line)["message"] for line in lines()]
