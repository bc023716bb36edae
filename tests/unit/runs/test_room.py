"""A machine whose disk is full starts no playbook, and says so."""

import logging
import os
from types import SimpleNamespace

import pytest

from dispatcher.commands.checkip import CheckIp
from dispatcher.errors import RunLostError
from dispatcher.runs.room import Room
from dispatcher.runs.runner import Runner
from dispatcher.settings import Settings


@pytest.fixture
def disk(monkeypatch):
    """A disk whose figures a test may change."""
    figures = SimpleNamespace(f_bavail=1_000_000, f_frsize=4096, f_favail=1000, f_files=2000)
    monkeypatch.setattr(os, "statvfs", lambda _folder: figures)
    return figures


def test_a_full_disk_is_noticed_and_so_is_room_again(disk, tmp_path, caplog):
    """No bytes, or no files any more: no run is started until there are some; each change is said once."""
    caplog.set_level(logging.WARNING)
    room = Room(tmp_path)
    assert room.enough()
    disk.f_bavail = 10
    assert not room.enough()
    assert not room.enough()
    disk.f_bavail = 1_000_000
    assert room.enough()
    disk.f_favail = 0
    assert not room.enough()
    disk.f_files = 0  # a file system that does not count them
    assert room.enough()
    said = [record.levelname for record in caplog.records]
    assert ["CRITICAL", "WARNING", "CRITICAL", "WARNING"] == said


def test_a_run_whose_files_cannot_be_written_is_not_the_commands_fault(tmp_path):
    """It is lost, to be started again, rather than failed: nothing has happened on any server."""
    (tmp_path / "runs").write_text("a file in the folder's place")
    with pytest.raises(RunLostError, match="Não é possível gravar"):
        Runner(Settings(state_dir=tmp_path)).run(
            CheckIp(checkip="203.0.113.7"), ("gv1p",), ident="1", check=False
        )
