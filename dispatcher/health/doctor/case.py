"""What every area is given: the settings, the inventory, the fleet as Ansible sees it, and the language."""

from __future__ import annotations

from dataclasses import dataclass
from gettext import NullTranslations
from pathlib import Path

from dispatcher.health.doctor.fleet import Fleet
from dispatcher.i18n import translations
from dispatcher.inventory import InventorySource
from dispatcher.settings import Settings


@dataclass(frozen=True)
class Case:
    """One examination. ``path`` is the settings file."""

    path: Path
    settings: Settings
    language: str
    inventory: InventorySource
    fleet: Fleet

    @property
    def words(self) -> NullTranslations:
        """The catalogue of the sentences."""
        return translations(self.language)
