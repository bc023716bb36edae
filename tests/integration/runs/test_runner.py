"""Runs against the lab: what a command carries is data, and what the service knows stays with it."""

import os
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dispatcher.commands.checkip import CheckIp
from dispatcher.runs.runner import Runner
from dispatcher.settings import PROJECT, Runs, Settings

SERVERS = ("gv1p", "gv2p", "gv3p", "voip1")


class Hostile(CheckIp):
    """A command whose value a grammar with a hole let through."""

    value: ClassVar[Any] = ""

    def extravars(self) -> dict[str, Any]:
        return {"checkip_address": self.value}


@pytest.fixture
def settings(lab, tmp_path) -> Settings:
    return Settings(inventory=PROJECT / "inventory/lab", state_dir=tmp_path)


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_one_result_for_each_server_as_it_is_done(settings):
    """The report has the servers in order, and each was told of when it was ready."""
    told = []
    report = Runner(settings).run(
        CheckIp(checkip="203.0.113.99"),
        SERVERS,
        ident="1",
        check=True,
        on_result=lambda r: told.append(r.host),
    )
    assert "successful" == report.status
    assert report.check
    assert list(SERVERS) == [host.host for host in report.hosts]
    assert sorted(SERVERS) == sorted(told)


def test_only_the_locked_servers_are_touched(settings):
    """A server that joined the group after the job was queued is left alone."""
    report = Runner(settings).run(CheckIp(checkip="203.0.113.99"), ("gv2p",), ident="1", check=True)
    assert ["gv2p"] == [host.host for host in report.hosts]


@pytest.mark.parametrize(
    "value",
    [
        "{{ lookup('pipe', 'touch MARK') }}",
        "{% raw %}{{ lookup('pipe', 'touch MARK') }}{% endraw %}",
        ["{{ lookup('pipe', 'touch MARK') }}"],
        {"a": "{{ lookup('pipe', 'touch MARK') }}"},
        "203.0.113.7; touch MARK",
        "$(touch MARK)",
    ],
)
def test_a_template_in_a_value_is_never_executed(settings, tmp_path, value):
    """Whatever a value looks like, Ansible takes it as text: refused, and nothing is run anywhere."""
    mark = tmp_path / "executed"
    text = repr(value).replace("MARK", str(mark))
    Hostile.value = eval(text)  # noqa: S307 - the literal above with the path in it
    report = Runner(settings).run(Hostile(checkip="203.0.113.99"), SERVERS, ident="1", check=False)
    assert "failed" == report.status
    assert not mark.exists()


def test_the_services_secrets_reach_no_playbook_and_no_artefact(settings, monkeypatch):
    """The run's folder has neither the environment of the service nor, afterwards, the run's variables."""
    monkeypatch.setenv("ATHOME_IMAP_PASSWORD", "correct-horse-battery")
    monkeypatch.setenv("SOME_OTHER_TOKEN", "7E57C0DE")
    Runner(settings).run(CheckIp(checkip="203.0.113.99"), ("gv1p",), ident="1", check=True)
    written = everything_in(settings.state_dir)
    assert b"ansible-playbook" in written
    assert b"correct-horse-battery" not in written
    assert b"7E57C0DE" not in written
    assert b"ANSIBLE_HOST_KEY_CHECKING" in written
    assert not (settings.state_dir / "runs/1/env/extravars").exists()


def test_a_reused_number_starts_from_an_empty_folder(settings):
    """Nothing of an earlier run with the same ident becomes part of this one."""
    left_over = settings.state_dir / "runs/1/env"
    left_over.mkdir(parents=True)
    (left_over / "cmdline").write_text("--limit voip3")
    report = Runner(settings).run(CheckIp(checkip="203.0.113.99"), ("gv1p",), ident="1", check=True)
    assert ["gv1p"] == [host.host for host in report.hosts]


def test_a_run_that_is_canceled_ends_at_once(settings):
    """Every server has a result that says so, and no ansible-playbook of the run is left."""
    stop = threading.Event()
    threading.Timer(0.4, stop.set).start()
    report = Runner(settings).run(
        CheckIp(checkip="203.0.113.99"), SERVERS, ident="1", check=True, canceled=stop.is_set
    )
    assert "canceled" == report.status
    assert {"run.canceled"} >= {host.code for host in report.hosts if host.outcome == "failed"}
    time.sleep(0.2)
    assert not any(str(settings.state_dir).encode() in line for line in _command_lines())


def test_a_run_over_its_time_limit_is_ended(settings):
    """A server that accepts the connection and never answers does not hold its job for ever."""
    slow = settings.model_copy(update={"runs": Runs(timeout=1)})
    inventory = settings.state_dir / "hosts.yml"
    tarpit = "{ansible_host: 127.0.0.1, ansible_port: 2222, ansible_timeout: 30}"
    inventory.write_text(f"checkip_servers: {{hosts: {{tarpit: {tarpit}}}}}\n")
    listener = _tarpit()
    with listener:
        report = Runner(slow.model_copy(update={"inventory": inventory})).run(
            CheckIp(checkip="203.0.113.99"), ("tarpit",), ident="1", check=True
        )
    assert ("timeout", ["run.timeout"]) == (report.status, [host.code for host in report.hosts])


def _tarpit():
    import socket  # noqa: PLC0415

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 2222))
    listener.listen()
    return listener


def _command_lines() -> list[bytes]:
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        if process.name != str(os.getpid()):
            try:
                lines.append((process / "cmdline").read_bytes())
            except OSError:
                continue
    return lines
