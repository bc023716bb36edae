"""One command → one run of its playbook → one report. The only module that knows Ansible Runner.

Every run has a folder of its own, a clean environment, and its variables in a file that only the service can
read and that is gone when the run is over. Every string from a command is marked unsafe: Ansible never takes
it for a template. A guard (``guard.py``) stands between Ansible Runner and Ansible, and ends the run when
this process dies or sleeps.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote

from ansible_runner import Runner as AnsibleRunner
from ansible_runner import RunnerConfig

from dispatcher.commands import Command
from dispatcher.errors import RunLostError
from dispatcher.runs import ara, guard
from dispatcher.runs.environment import clean_environment
from dispatcher.runs.events import host_result, progress
from dispatcher.runs.heartbeat import beating
from dispatcher.runs.report import HostResult, Progress, Report, from_results
from dispatcher.runs.room import NoRoomError
from dispatcher.settings import PROJECT, Settings, credential

log = logging.getLogger(__name__)

# Without BatchMode, SSH would ask the terminal that Ansible Runner gives it whether to trust a new key.
_FRESH = "-o BatchMode=yes -o ControlMaster=auto -o ControlPersist=10s -o ConnectTimeout=10"


class Runner:
    """Runs playbooks with the settings' inventory, key and time limit."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.state_dir / "runs"

    def run(
        self,
        command: Command,
        servers: Sequence[str],
        *,
        ident: str,
        check: bool,
        on_result: Callable[[HostResult], None] = lambda _result: None,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
        canceled: Callable[[], bool] = lambda: False,
        locks: Sequence[str] | None = None,
        kept: Callable[[], float] = guard.now,
    ) -> Report:
        """Run the command's playbook on these inventory hosts.

        ``ident`` names the folder of the run, ``on_result`` is told of each host as it is done,
        ``on_progress`` of how far a long piece of work is, ``canceled`` is asked five times a second.

        Before it starts, whatever is left of an earlier run of this ``ident``, or of one that had any of
        these ``locks`` (the servers, unless given), has ended. ``kept`` returns the moment (``guard.now``)
        at which the job was last known to be ours: the run is ended 0.6 of a lease later.

        Raises RunLostError for a run that was ended, or not begun, for no reason of its own.
        """
        results: dict[str, HostResult] = {}

        def on_event(event: dict[str, Any]) -> bool:
            if result := host_result(event):
                results[result.host] = result
                on_result(result)
            if done := progress(event):
                on_progress(done)
            return False  # the report is what is kept, not one file for each event

        started = time.monotonic()
        limit = command.timeout or self._settings.runs.timeout
        try:
            folder = self._prepare(ident, command.extravars(), limit)
        except OSError as error:
            raise NoRoomError(self._folder, error) from error
        # A name of its own: the guard of a worker that has just died must not take it for its own.
        fifo = folder / f"heartbeat-{token_hex(8)}"
        try:
            config = self._config(
                folder, command.runs, servers, self._environment() | ara.environment(self._settings),
                cmdline="--diff --check" if check else "--diff",
            )  # fmt: skip
            with beating(fifo, kept, canceled) as heartbeat:
                guarding = self._guard(fifo, limit, servers if locks is None else locks)
                config.command = [*guarding, *config.command]
                # Without a cancel callback Ansible Runner would take over the service's signals.
                ansible = AnsibleRunner(
                    config=config, event_handler=on_event, cancel_callback=heartbeat.unheeded
                )
                status, code = ansible.run()
        finally:
            (folder / "env" / "extravars").unlink(missing_ok=True)
        if code in (guard.LOST, guard.BUSY):
            raise RunLostError(ident)
        status = {guard.CANCELED: "canceled", guard.TIMEOUT: "timeout"}.get(code, status)
        if not results:
            log.error("run %s gave no result; what Ansible said: %s", ident, folder / "artifacts" / "stdout")
        return from_results(status, results, servers, check=check, seconds=time.monotonic() - started)

    def look(
        self,
        playbook: str,
        folder: Path,
        variables: Mapping[str, Any],
        seconds: int,
        on_event: Callable[[Mapping[str, Any]], None],
    ) -> str:
        """Run a playbook that changes nothing, on everything it names; return Ansible Runner's status.

        No job: it locks nothing, waits for nobody, is not recorded. ``folder`` is the run's own, and empty;
        connections are made anew, as kept ones would hide what is wrong with keys and names by now.
        """

        def event(seen: dict[str, Any]) -> bool:
            on_event(seen)
            return False

        cp = folder / "cp"  # not ours to see, once the folder is gone: SSH's masters end by themselves
        config = self._config(
            folder, playbook, ("all",),
            self._environment() | {"ANSIBLE_SSH_ARGS": _FRESH, "ANSIBLE_HOME": str(folder / "ansible")},
            extravars={**variables, "ansible_control_path_dir": str(cp)},
        )  # fmt: skip
        config.job_timeout = seconds
        ansible = AnsibleRunner(config=config, event_handler=event, cancel_callback=lambda: False)
        return str(ansible.run()[0])

    def _prepare(self, ident: str, extravars: Mapping[str, Any], limit: int) -> Path:
        """Make a fresh folder: what an earlier run left in it would become part of this one."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = self._folder / ident
        if folder.exists():
            _wait_for(folder, limit)
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        (folder / "env").mkdir(mode=0o700)
        file = os.open(folder / "env" / "extravars", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            json.dump(_unsafe(extravars), stream)
        return folder

    def _config(
        self, folder: Path, playbook: str, servers: Sequence[str], ours: Mapping[str, str], **more: Any
    ) -> RunnerConfig:
        config = RunnerConfig(
            private_data_dir=str(folder),
            project_dir=str(PROJECT),
            playbook=str(PROJECT / "playbooks" / playbook),
            inventory=str(self._settings.inventory),
            limit=",".join(servers),
            skip_tags="report",  # a line for the operator at the shell: here it would only cost time
            **more,
            ident="artifacts",
            artifact_dir=str(folder),
            quiet=True,
            fact_cache_type="memory",
            settings={"pexpect_timeout": 0.2},  # how soon a guard that does not listen is noticed
            envvars=dict(ours),
        )
        config.prepare()
        # Ansible Runner starts from the whole environment of this process, and writes it to disk.
        config.env = {
            name: value for name, value in config.env.items() if name in ours or os.environ.get(name) != value
        }
        return config

    def _guard(self, fifo: Path, limit: int, names: Sequence[str]) -> list[str]:
        """Return what comes before Ansible's command line, so that the guard runs it."""
        locks = self._settings.state_dir / "locks"
        locks.mkdir(mode=0o700, exist_ok=True)
        silence = 0.6 * self._settings.runs.lease
        held = [str(fifo.parent), *(str(locks / quote(name, safe="")) for name in sorted(names))]
        # Without this process's environment and packages: it starts in a fraction of the time.
        python = [sys.executable, "-I", "-S", guard.__file__]
        return [*python, str(fifo), str(silence), str(limit), *held, "--"]

    def _environment(self) -> dict[str, str]:
        runs, state = self._settings.runs, self._settings.state_dir
        environment = clean_environment() | {"ANSIBLE_HOME": str(state / "ansible")}
        if runs.private_key_file:
            environment["ANSIBLE_PRIVATE_KEY_FILE"] = str(credential(runs.private_key_file))
        if runs.ssh_config_file:
            environment["ANSIBLE_SSH_COMMON_ARGS"] = f"-F {runs.ssh_config_file}"
        return environment


def _wait_for(folder: Path, limit: int) -> None:
    """Wait until an earlier run of the same job is gone: its worker has died, its guard is ending it."""
    file = os.open(folder, os.O_RDONLY)
    try:
        if guard.take(file, guard.now() + limit):
            raise RunLostError(folder.name)
    finally:
        os.close(file)


def _unsafe(value: Any) -> Any:
    """Mark every string so that Ansible takes it as data; ``{{ … }}`` from a mail stays text."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, Mapping):
        return {key: _unsafe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_unsafe(item) for item in value]
    return value
