"""The service shows that it makes progress: to systemd, and in a file for other processes."""

import os
import socket
import threading
import time
from contextlib import closing

import pytest

from dispatcher.health import pulse as module
from dispatcher.health import systemd
from dispatcher.health.pulse import QUIET, Beating, Pulse, read
from dispatcher.health.watch import Watch


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""

    class Clock:
        at = 1000.0

        def __call__(self):
            return self.at

    made = Clock()
    monkeypatch.setattr(module, "now", made)
    monkeypatch.setattr("dispatcher.health.watch.now", made)
    return made


@pytest.fixture(params=["path", "abstract"])
def told(request, tmp_path, monkeypatch):
    """What systemd's socket, of either kind, has received so far."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@athome-test-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as channel:
        channel.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        channel.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", address)

        def received():
            lines = []
            try:
                while True:
                    lines += channel.recv(4096).decode().split("\n")
            except BlockingIOError:
                return lines

        yield received


def in_thread(name, target):
    thread = threading.Thread(target=target, name=name)
    thread.start()
    thread.join()


def test_the_watchdog_is_fed_only_while_every_part_makes_progress(told, clock, tmp_path, caplog):
    """One thread that says nothing for too long stops it, whatever the others do, until it is heard again."""
    pulse = Pulse()
    watch = Watch(pulse, tmp_path)
    for name in ("mailbox", "outbox", "worker-0"):
        in_thread(name, pulse.beat)
    assert watch.look(stopping=False)
    assert "WATCHDOG=1" in told()
    clock.at += QUIET + 1
    in_thread("mailbox", pulse.beat)
    in_thread("worker-0", pulse.beat)
    assert not watch.look(stopping=False)
    said = told()
    assert "WATCHDOG=1" not in said
    assert "STATUS=outbox HANGS; no job running" in said
    assert "outbox has made no progress for 121 s" in caplog.text
    in_thread("outbox", pulse.beat)
    assert watch.look(stopping=False)
    assert "WATCHDOG=1" in told()
    assert "outbox makes progress again" in caplog.text


def test_a_part_may_announce_that_it_will_be_silent(clock, tmp_path):
    """A playbook of two hours is progress for as long as it may take, and no longer."""
    pulse = Pulse()
    in_thread("worker-0", lambda: pulse.beat(7200, "job 7"))
    clock.at += 7200
    assert Watch(pulse, tmp_path).look(stopping=False)
    clock.at += 1
    assert not Watch(pulse, tmp_path).look(stopping=False)


def test_a_part_that_has_ended_is_not_waited_for(clock, tmp_path):
    """At the service's end, the mailbox is closed long before the last job is done."""
    pulse = Pulse()
    in_thread("mailbox", lambda: (pulse.say("listening"), pulse.over()))
    clock.at += 10 * QUIET
    assert Watch(pulse, tmp_path).look(stopping=True)


def test_systemd_hears_ready_the_status_and_the_end(told, tmp_path):
    """READY comes when the parts are started, a STATUS only when it is a new one, STOPPING once."""
    pulse, stop = Pulse(), threading.Event()
    watch = Watch(pulse, tmp_path)
    with watch.over(stop):
        in_thread("mailbox", lambda: pulse.say("listening"))
        in_thread("worker-1", lambda: pulse.beat(9, "job 8"))
        in_thread("worker-0", lambda: pulse.beat(9, "job 7"))
        watch.ready()
        watch.look(stopping=False)
        watch.look(stopping=False)
        stop.set()
        watch.look(stopping=True)
    said = told()
    assert 1 == said.count("READY=1") == said.count("STOPPING=1")
    assert 1 == said.count("STATUS=mailbox listening; running job 7, job 8")
    assert "STATUS=ending: no new mail; running job 7, job 8" in said
    assert said.index("READY=1") < said.index("STOPPING=1")


def test_the_file_tells_another_process(tmp_path):
    """Who it is, since when, and each part with its own words; only its owner can read it."""
    pulse = Pulse()
    in_thread("mailbox", lambda: pulse.say("listening"))
    Watch(pulse, tmp_path).look(stopping=False)
    found = read(tmp_path)
    assert (os.getpid(), False) == (found.pid, found.stopping)
    assert [("mailbox", "listening")] == [(part.name, part.state) for part in found.parts]
    assert 0o600 == (tmp_path / "serve.json").stat().st_mode & 0o777


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"parts": [{"x": 1}]}', '{"parts": 3}'])
def test_a_file_that_cannot_be_read_tells_nothing(tmp_path, content):
    """What a full disk or another version has left there is not believed, and breaks nobody."""
    if content is not None:
        (tmp_path / "serve.json").write_text(content)
    assert read(tmp_path) is None


def test_a_state_folder_that_takes_no_file_stops_nothing(told, tmp_path, caplog):
    """The disk may be full: the watchdog is fed all the same, and the log says it once."""
    watch = Watch(Pulse(), tmp_path / "missing")
    assert watch.look(stopping=False)
    assert watch.look(stopping=False)
    assert 1 == caplog.text.count("the state file cannot be written")
    assert "WATCHDOG=1" in told()


def test_without_systemd_nothing_is_told(monkeypatch):
    """A socket that is not named, is none, or has no listener is no error."""
    for address in ("", "relative", "/nonexistent/socket", "@nobody-listens-here"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        assert not systemd.notify("READY=1")


@pytest.mark.parametrize(
    ("microseconds", "pid", "expected"),
    [
        ("60000000", None, 60.0),
        ("60000000", "1", None),
        ("", None, None),
        ("x", None, None),
        ("0", None, None),
    ],
)
def test_the_watchdog_is_the_one_that_systemd_asks_of_this_process(monkeypatch, microseconds, pid, expected):
    """WATCHDOG_USEC counts for the process of WATCHDOG_PID alone: a child inherits both."""
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", pid or str(os.getpid()))
    assert expected == systemd.watchdog()


def test_who_waits_for_an_event_is_heard(monkeypatch):
    """Asking and waiting are signs of life, also in a wait longer than a part may be silent."""
    monkeypatch.setattr(module, "_SLICE", 0.01)
    event, pulse = threading.Event(), Pulse()
    beating = Beating(event, pulse)
    heard = []

    def body():
        assert not beating.wait(0.05)
        assert not beating.is_set()
        heard.append(pulse.parts()[0].heard)
        assert beating.wait(30)
        heard.append(pulse.parts()[0].heard)

    thread = threading.Thread(target=body, name="mailbox")
    thread.start()
    deadline = time.monotonic() + 30
    while len(heard) < 1 and time.monotonic() < deadline:
        time.sleep(0.005)
    before = pulse.parts()[0].heard
    while pulse.parts()[0].heard == before and time.monotonic() < deadline:
        time.sleep(0.005)
    beating.set()
    thread.join(30)
    assert event.is_set()
    assert heard[0] < heard[1]
    assert ["mailbox"] == [part.name for part in pulse.parts()]
