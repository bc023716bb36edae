"""`athome work` with one more command, and with leases that do not outlast a test: SETTINGS LEASE."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from threading import Event
from typing import Any, ClassVar

from dispatcher.commands import COMMANDS
from dispatcher.commands.checkip import CheckIp
from dispatcher.settings import load
from dispatcher.work import stop_on_signals, worker_only


class Steps(CheckIp):
    """A command with a playbook of many short steps, which it writes down on the server."""

    keyword: ClassVar[str] = "STEPS"
    playbook: ClassVar[str] = str(Path(__file__).with_name("steps.yml"))
    job: str
    steps: int

    def extravars(self) -> dict[str, Any]:
        return {"job": self.job, "steps": self.steps, "run": os.urandom(4).hex()}


def main(settings_path: str, lease: str) -> None:
    """Work until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(threadName)s %(message)s")
    COMMANDS["STEPS"] = Steps
    settings = load(Path(settings_path))
    runs = settings.runs.model_copy(update={"lease": int(lease)})
    stop = Event()
    worker = worker_only(settings.model_copy(update={"runs": runs}))
    stop_on_signals(stop)
    worker.run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
