"""The fleet, read by Ansible itself and kept until one of its files changes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from dispatcher.errors import InventoryError
from dispatcher.runs.environment import clean_environment
from dispatcher.settings import PROJECT

GROUPS = ("sip_servers", "checkip_servers", "macchange_servers", "audio_servers", "dispatchers")  # that count
_PATIENCE = 60  # seconds for Ansible to read the inventory


@dataclass(frozen=True)
class Inventory:
    """``groups``: name → hosts in inventory order. ``variables``: host → its untemplated variables."""

    groups: Mapping[str, tuple[str, ...]]
    variables: Mapping[str, Mapping[str, Any]]

    def group(self, name: str) -> tuple[str, ...]:
        """Return the hosts of a group. Raises InventoryError when it is missing or empty."""
        hosts = self.groups.get(name, ())
        if not hosts:
            raise InventoryError(
                f"O inventário não tem nenhum servidor no grupo {name}.",
                f"Ponha os servidores no grupo {name} em inventory/…/hosts.yml.",
            )
        return hosts


class InventorySource:
    """Where the inventory comes from. ``read()`` is cheap while its files stay as they are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._stamp: tuple[tuple[str, int, int], ...] = ()
        self._inventory: Inventory | None = None

    def read(self) -> Inventory:
        """Return the present inventory. Raises InventoryError with Ansible's own words."""
        with self._lock:
            stamp = self._files()
            if self._inventory is None or stamp != self._stamp:
                self._inventory, self._stamp = _ask_ansible(self.path), stamp
            return self._inventory

    def _files(self) -> tuple[tuple[str, int, int], ...]:
        files = sorted(p for p in self.path.rglob("*") if p.is_file()) if self.path.is_dir() else [self.path]
        return tuple((str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in files if p.exists())


def _ask_ansible(path: Path) -> Inventory:
    if not path.exists():
        raise InventoryError(f"O inventário {path} não existe.", "Corrija a chave inventory na configuração.")
    program = Path(sys.executable).parent / "ansible-inventory"
    try:
        with TemporaryDirectory(prefix="athome-") as home:  # a service's account may have none to write to
            environment = clean_environment() | {
                "ANSIBLE_HOME": home,
                "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
            }
            done = subprocess.run(
                [str(program), "--inventory", str(path.absolute()), "--list"],
                # Ansible refuses an input that does not block, as an SSH that shares ours may leave it.
                stdin=subprocess.DEVNULL,
                cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=True,
            )  # fmt: skip
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        words = getattr(error, "stderr", None) or error  # of a failed ansible-inventory: what it said
        raise InventoryError(
            f"O Ansible não consegue ler o inventário {path}: {str(words).strip()[-500:]}",
            f"Confira com: ansible-inventory -i {path} --list",
        ) from None
    variables = answer.pop("_meta")["hostvars"]
    groups = {name: tuple(_hosts(name, answer)) for name in answer}
    return Inventory(groups=groups, variables=variables)


def _hosts(name: str, answer: Mapping[str, Any]) -> dict[str, None]:
    """Hosts of a group and of its children, in order, each once."""
    group = answer.get(name, {})
    found = dict.fromkeys(group.get("hosts", []))
    for child in group.get("children", []):
        found.update(_hosts(child, answer))
    return found
