"""The fleet as Ansible sees it: one run of playbooks/doctor.yml, shared by the areas that need it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from dispatcher.errors import InventoryError
from dispatcher.runs.events import host_result
from dispatcher.runs.report import HostResult
from dispatcher.runs.runner import Runner
from dispatcher.settings import PROJECT, Settings

SECONDS = 90  # for the whole run: one SSH time-out, one of a bucket, and time to spare
_PLAYBOOK = "doctor.yml"
# Its tasks: the one that settles variables, and those that collectors are asked by.
_VARIABLES = "The roles' variables"
_RECORDINGS = ("See whether the recordings can be read", "See whether an archive could be published")


@dataclass(frozen=True)
class Look:
    """What one task said of a host. ``words`` are a failure's own; ``during`` is when the task ran, UTC."""

    host: str
    result: HostResult
    words: str
    during: tuple[float, float]
    of_recordings: bool  # asked of whoever collects them, which is another host, or this machine


@dataclass
class Seen:
    """All that the run said. ``variables``: host → the roles' variables, as Ansible fills them in."""

    variables: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    unsettled: dict[str, str] = field(default_factory=dict)  # host → why its variables cannot be filled in
    looks: list[Look] = field(default_factory=list)

    @property
    def recordings(self) -> list[Look]:
        """What was said of the recordings and the archives of a host."""
        return [look for look in self.looks if look.of_recordings]

    @property
    def servers(self) -> list[Look]:
        """What the hosts themselves said."""
        return [look for look in self.looks if not look.of_recordings]

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take in one event of Ansible Runner's."""
        data = event.get("event_data", {})
        result = data.get("res") or {}
        if data.get("task") == _VARIABLES:
            if event["event"] == "runner_on_ok":
                self.variables[data["host"]] = result.get("msg") or {}
            elif event["event"] == "runner_on_failed":
                self.unsettled[data["host"]] = str(result.get("msg", ""))
            return
        if found := host_result(event):
            words = str(result.get("module_stderr") or result.get("msg") or "")
            during = _moment(data.get("start")), _moment(data.get("end"))
            self.looks.append(Look(found.host, found, words, during, data.get("task") in _RECORDINGS))


class Fleet:
    """Runs the playbook when it is first asked for. ``parts``: inventory, recordings, servers, or some."""

    def __init__(self, settings: Settings, parts: Collection[str]) -> None:
        self._settings, self._parts = settings, sorted(parts)
        self._lock = Lock()
        self._seen: Seen | None = None

    def seen(self) -> Seen:
        """Return what the run said. Raises InventoryError when Ansible said nothing at all."""
        with self._lock:
            if self._seen is None:
                self._seen = self._run()
            if not (self._seen.variables or self._seen.unsettled or self._seen.looks):
                raise InventoryError(
                    "O Ansible não examinou nenhum servidor.", f"Veja o que ele diz:\n{self.by_hand()}"
                )
            return self._seen

    def by_hand(self) -> str:
        """Return the line that shows in full what Ansible says."""
        playbook = PROJECT / "playbooks" / _PLAYBOOK
        return f"ansible-playbook -i {self._settings.inventory} {playbook}"

    def _run(self) -> Seen:
        seen = Seen()
        with TemporaryDirectory(prefix="athome-", ignore_cleanup_errors=True) as folder:
            Runner(self._settings).look(
                _PLAYBOOK, Path(folder), {"doctor_looks": self._parts}, SECONDS, seen.hear
            )
        return seen


def _moment(text: str | None) -> float:
    try:
        return datetime.fromisoformat(text or "").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return 0.0
