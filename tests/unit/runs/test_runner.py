"""A long piece of work, run by Ansible itself on this machine alone."""

from typing import ClassVar

import pytest

from dispatcher.commands.checkip import CheckIp
from dispatcher.runs.report import Progress
from dispatcher.runs.runner import Runner
from dispatcher.settings import Runs, Settings

# Each time it is asked it is one further; the third time it is done.
MODULE = """#!/usr/bin/python
import json
import os
given = json.loads(r'''<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>''')
count = os.path.join(given["folder"], "asked")
with open(count, "a+") as file:
    file.write("x")
    file.seek(0)
    asked = len(file.read())
result = {"msg": "step", "progress": {"files": asked, "of": 3, "bytes": asked * 10, "of_bytes": 30}}
if asked == 3:
    result = {"changed": True, "outcome": "changed", "code": "audio.collected", "finished": True}
print(json.dumps(result))
"""
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Work on it
      step:
        folder: {folder}
      until: done.finished | default(false)
      retries: 9
      delay: 0
      register: done
"""
ENDLESS = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Never come to an end
      ansible.builtin.wait_for:
        path: {folder}/never
        timeout: 120
"""


class Long(CheckIp):
    """Stands for a command that takes its time."""

    playbook: ClassVar[str]
    timeout: ClassVar[int | None] = None


@pytest.fixture
def runner(tmp_path) -> Runner:
    (tmp_path / "library").mkdir()
    (tmp_path / "library/step.py").write_text(MODULE)
    (tmp_path / "work.yml").write_text(PLAYBOOK.format(folder=tmp_path))
    (tmp_path / "endless.yml").write_text(ENDLESS.format(folder=tmp_path))
    (tmp_path / "hosts.yml").write_text("all: {hosts: {here: {ansible_connection: local}}}\n")
    runs = Runs(timeout=100)
    return Runner(Settings(inventory=tmp_path / "hosts.yml", state_dir=tmp_path / "state", runs=runs))


def test_each_step_of_a_long_task_is_told_of_and_only_the_last_is_its_result(runner, tmp_path, monkeypatch):
    """Ansible's retries arrive one by one while it works, with files and bytes."""
    monkeypatch.setattr(Long, "playbook", str(tmp_path / "work.yml"), raising=False)
    steps, results = [], []
    report = runner.run(
        Long(checkip="203.0.113.7"), ("here",), ident="1", check=False,
        on_result=results.append, on_progress=steps.append,
    )  # fmt: skip
    assert [Progress(files=n, of=3, bytes=10 * n, of_bytes=30) for n in (1, 2)] == steps
    assert ["audio.collected"] == [result.code for result in results]
    assert "successful" == report.status


def test_a_command_may_have_its_own_longest_time(runner, tmp_path, monkeypatch):
    """It counts instead of the settings' one, and the run is ended when it is over."""
    monkeypatch.setattr(Long, "playbook", str(tmp_path / "endless.yml"), raising=False)
    monkeypatch.setattr(Long, "timeout", 3)
    report = runner.run(Long(checkip="203.0.113.7"), ("here",), ident="1", check=False)
    assert ("timeout", ["run.timeout"]) == (report.status, [host.code for host in report.hosts])
