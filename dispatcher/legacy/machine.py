"""One machine of the predecessor's: the files that its folder has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dispatcher.legacy import files, monitor_config, servers_config, tokens_json
from dispatcher.legacy.files import LegacyError, Source
from dispatcher.legacy.monitor_config import MonitorConfig
from dispatcher.legacy.servers_config import OldServers
from dispatcher.legacy.tokens_json import OldTokens

T = TypeVar("T")
_NAMES = (monitor_config.NAME, tokens_json.NAME, servers_config.NAME)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a folder has; each file may be missing. ``unusable``: files that are not what their names say."""

    config: tuple[Source, MonitorConfig] | None = None
    tokens: tuple[Source, OldTokens] | None = None
    servers: tuple[Source, OldServers] | None = None
    unusable: tuple[LegacyError, ...] = ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """The files that were understood."""
        return tuple(found[0] for found in (self.config, self.tokens, self.servers) if found)


def read(folders: tuple[Path, ...]) -> tuple[Machine, ...]:
    """Return each folder's machine, the one that read the mailbox first.

    Raises NotFoundError when a folder has none of the files.
    """
    machines = [_machine(folder) for folder in folders]
    for folder, machine in zip(folders, machines, strict=True):
        if not machine.sources and not machine.unusable:
            raise files.nothing(folder, _NAMES)
    return tuple(sorted(machines, key=lambda machine: not (machine.config and machine.config[1].master)))


def _machine(folder: Path) -> Machine:
    unusable: list[LegacyError] = []

    def parsed(name: str, parse: Callable[[str, str], T]) -> tuple[Source, T] | None:
        try:
            source = files.read(folder / name)
            return (source, parse(source.text, source.name)) if source else None
        except LegacyError as error:
            unusable.append(error)
            return None

    return Machine(
        parsed(monitor_config.NAME, lambda text, _name: monitor_config.parse(text)),
        parsed(tokens_json.NAME, tokens_json.parse),
        parsed(servers_config.NAME, servers_config.parse),
        tuple(unusable),
    )
