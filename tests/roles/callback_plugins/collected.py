"""Writes each task's result as one JSON line to the file $COLLECTED, for the tests to read."""

import json
import os
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: collected
    type: notification
    short_description: results as JSON lines
    description: One JSON line a result, into the file that COLLECTED names.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "collected"

    def _write(self, event, result):
        line = {"event": event, "host": result._host.get_name(), "task": result._task.action}
        with Path(os.environ["COLLECTED"]).open("a") as file:
            file.write(json.dumps({**line, "result": result._result}, default=str) + "\n")

    def v2_runner_on_ok(self, result):
        self._write("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):  # noqa: FBT002, ARG002 — Ansible calls it so
        self._write("failed", result)

    def v2_runner_on_unreachable(self, result):
        self._write("unreachable", result)
