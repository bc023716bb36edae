"""ARA records each run for web pages of its own: a callback plugin of Ansible, when the settings ask for it.

Of the files that Ansible reads it keeps our playbooks and roles alone: an inventory may have passwords in it.
"""

from __future__ import annotations

import fcntl
import logging
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from dispatcher.runs.environment import clean_environment
from dispatcher.settings import ARA_LOCAL, PROJECT, Settings

log = logging.getLogger(__name__)

_ANSWER = "5"  # seconds for ARA's server: without it the run goes on, unrecorded
_PATIENCE = 600  # seconds to make the database, or to forget a day's recordings
# Runs at the same time write into one SQLite file: each waits for its turn, and loses nothing.
_TOGETHER = (
    '@json {"timeout": 30, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}'
)


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables that make Ansible record what it does; none when the settings do not ask for it.

    ``local``: into the folder ``ara`` of the state folder, which is made for the service alone.
    """
    where = settings.runs.ara
    if where is None:
        return {}
    package = find_spec("ara")
    if package is None or not package.submodule_search_locations:
        return {}  # gone since the settings were read
    plugins = Path(package.submodule_search_locations[0], "plugins", "callback")
    kept = f"{re.escape(str(PROJECT))}/(playbooks|roles)/"
    found = {"ANSIBLE_CALLBACK_PLUGINS": str(plugins), "ARA_IGNORED_FILES": f"regex:^(?!{kept})"}
    if where != ARA_LOCAL:
        return found | {"ARA_API_CLIENT": "http", "ARA_API_SERVER": where, "ARA_API_TIMEOUT": _ANSWER}
    return found | _local(settings)


def forget(settings: Settings) -> None:
    """Have what was recorded here forgotten after the days of the runs' folders."""
    if settings.runs.ara != ARA_LOCAL:
        return  # a server forgets by itself, or has somebody who looks after it
    days = str(settings.retention.runs_days)
    prune = ["playbook", "prune", "--confirm", "--limit", "100000", "--days", days]
    _asked("ara", prune, _local(settings))


def _local(settings: Settings) -> dict[str, str]:
    folder = settings.state_dir / "ara"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = {"ARA_API_CLIENT": "offline", "ARA_BASE_DIR": str(folder), "ARA_DATABASE_OPTIONS": _TOGETHER}
    ready = folder / "ready"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several first runs, one makes the database
        if not ready.exists() and _asked("ara-manage", ["migrate"], found):
            ready.touch()
    return found


def _asked(program: str, arguments: list[str], environment: dict[str, str]) -> bool:
    """Run a program of ARA's; what goes wrong is in the log, and nothing else depends on it."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    try:
        subprocess.run(
            command, env=clean_environment() | environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_PATIENCE, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("ARA: %s", getattr(error, "stderr", None) or error)
        return False
    return True
