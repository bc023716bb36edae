"""The table of areas, and one look at some of them: side by side, each within its time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from types import MappingProxyType

from dispatcher.errors import AthomeError
from dispatcher.health.doctor import (
    clock,
    configuration,
    database,
    disk,
    inventory,
    mailbox,
    nameservers,
    recordings,
    servers,
    service,
    smtp,
    versions,
)
from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart, OverError
from dispatcher.health.doctor.fleet import SECONDS, Fleet
from dispatcher.health.finding import Finding
from dispatcher.inventory import InventorySource
from dispatcher.settings import Settings

log = logging.getLogger(__name__)

Area = Callable[[Case, Chart], None]
AREAS: Mapping[str, Area] = MappingProxyType(
    {
        "versions": versions.look,
        "settings": configuration.look,
        "clock": clock.look,
        "disk": disk.look,
        "database": database.look,
        "service": service.look,
        "mailbox": mailbox.look,
        "smtp": smtp.look,
        "dns": nameservers.look,
        "inventory": inventory.look,
        "s3": recordings.look,
        "servers": servers.look,
    }
)
# What each area needs of the one run over the fleet.
_PARTS = {"clock": "servers", "inventory": "inventory", "s3": "recordings", "servers": "servers"}
_PATIENCE = SECONDS + 30.0  # seconds for an area: the run over the fleet is the longest of all


def examine(
    path: Path, settings: Settings, language: str, areas: Sequence[str], tell: Callable[[list[str]], None]
) -> list[Finding]:
    """Return what these areas find, in the table's order. ``tell`` is told which ones are not done yet."""
    fleet = Fleet(settings, {_PARTS[area] for area in areas if area in _PARTS})
    case = Case(path, settings, language, InventorySource(settings.inventory), fleet)
    charts = {area: Chart(area) for area in AREAS if area in areas}
    threads = {
        area: Thread(target=_examined, args=(AREAS[area], case, chart), name=area, daemon=True)
        for area, chart in charts.items()
    }
    for thread in threads.values():
        thread.start()
    until = time.monotonic() + _PATIENCE
    while (waiting := [area for area in threads if threads[area].is_alive()]) and time.monotonic() < until:
        tell(waiting)
        threads[waiting[0]].join(0.1)
    _ = case.words.gettext
    for area in waiting:
        said = _("{0}: não terminou em {1:.0f} s.").format(area, _PATIENCE)
        charts[area].failing(area, said, _("Repita só esta parte:") + f"\nathome doctor --only {area}")
    return [finding for chart in charts.values() for finding in list(chart.findings)]


def _examined(look: Area, case: Case, chart: Chart) -> None:
    """Run one area to its end. A fault of ours in it is a finding, too: the others go on."""
    _ = case.words.gettext
    try:
        look(case, chart)
    except OverError:
        pass
    except AthomeError as error:
        chart.failing(chart.area, error.problem, error.way_out)
    except OSError as error:
        chart.failing(chart.area, f"{error.filename or chart.area}: {error.strerror or error}", "")
    except Exception as error:
        log.exception("doctor: %s", chart.area)
        kind = type(error).__name__
        chart.failing(
            chart.area, _("{0}: um erro interno interrompeu o exame ({1}).").format(chart.area, kind),
            _("Guarde o que está acima e relate: isso é um defeito."),
        )  # fmt: skip
