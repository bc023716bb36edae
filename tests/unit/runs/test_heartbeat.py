"""What a worker says to its run's guard."""

import os
import time
from pathlib import Path

from dispatcher.errors import StoreError
from dispatcher.runs import guard
from dispatcher.runs.heartbeat import beating


def heard(fifo: Path, beats: int) -> list[str]:
    """Listen as the guard does until so many lines have come."""
    file = os.open(fifo, os.O_RDONLY)
    said = b""
    while said.count(b"\n") < beats:
        said += os.read(file, 4096)
    os.close(file)
    return said.decode().splitlines()


def away(*_arguments: object) -> bool:
    raise StoreError("O banco não responde.", "Espere.")


def test_a_database_that_is_away_cancels_nothing(tmp_path):
    """While nobody can say whether the job was canceled, the worker goes on to say that it lives."""
    with beating(tmp_path / "fifo", guard.now, away) as heartbeat:
        said = heard(tmp_path / "fifo", 3)
        assert not heartbeat.unheeded()
    assert 3 == len(said)
    assert "end" not in said


def test_a_cancel_is_said_again_and_again(tmp_path):
    """Whatever the guard is busy with, it finds the word to end."""
    with beating(tmp_path / "fifo", guard.now, lambda: True):
        said = heard(tmp_path / "fifo", 4)
    assert ["end", "end"] == said[1::2]


def test_nothing_is_left_of_a_heartbeat(tmp_path):
    """After the block there is no FIFO, and who still listens hears that it is over."""
    with beating(tmp_path / "fifo", guard.now, lambda: False):
        file = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    assert [] == list(tmp_path.iterdir())
    while os.read(file, 4096):
        pass  # b"": nobody writes any more


def test_a_guard_that_does_not_listen_is_given_up_in_the_end(tmp_path, monkeypatch):
    """Told to end and still there after its time: Ansible Runner is asked to end it."""
    monkeypatch.setattr("dispatcher.runs.heartbeat._PATIENCE", 0.3)
    with beating(tmp_path / "fifo", guard.now, lambda: True) as heartbeat:
        assert not heartbeat.unheeded()
        deadline = time.monotonic() + 20
        while not heartbeat.unheeded():
            assert time.monotonic() < deadline
            time.sleep(0.01)
