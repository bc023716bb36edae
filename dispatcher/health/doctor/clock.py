"""The clock of this machine: codes expire by it, and mails are judged by their age."""

from __future__ import annotations

import shutil
import statistics
import subprocess
from datetime import datetime, timezone

from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart
from dispatcher.health.doctor.fleet import Look

_OFF = 5.0  # seconds; a one-time code lives for 30
_PATIENCE = 10  # seconds for systemd


def look(case: Case, chart: Chart) -> None:
    """Ask systemd whether it is set by the network, and compare it with the servers' clocks."""
    _ = case.words.gettext
    here = datetime.now(timezone.utc).astimezone(case.settings.zone)
    chart.ok("zone", _("{0}: agora são {1}.").format(case.settings.timezone, f"{here:%d/%m/%Y %H:%M}"))
    _synchronised(case, chart)
    differences = {look.host: off for look in case.fleet.seen().servers if (off := offset(look)) is not None}
    _compared(case, chart, differences)


def offset(look: Look) -> float | None:
    """Return how far a server's clock is ahead of ours, by what is certain: the task took its time."""
    there = look.result.data.get("time")
    started, ended = look.during
    if not isinstance(there, (int, float)) or not started:
        return None
    return there - ended if there > ended else min(0.0, there - started)


def _compared(case: Case, chart: Chart, differences: dict[str, float]) -> None:
    """Blame our own clock where most of the servers agree with each other, else the one that differs."""
    _ = case.words.gettext
    if not differences:
        return
    usual = statistics.median(differences.values())
    if len(differences) > 1 and abs(usual) > _OFF:
        chart.failing(
            "servers",
            _("O relógio desta máquina difere em {0} s dos relógios dos servidores.").format(
                round(abs(usual))
            ),
            _("Ligue o acerto pela rede:") + "\ntimedatectl set-ntp true",
        )
        return
    late = {host: off for host, off in differences.items() if abs(off) > _OFF}
    for host, off in late.items():
        chart.warning(
            host,
            _("O relógio de {0} está {1} s adiantado.").format(host, round(off))
            if off > 0
            else _("O relógio de {0} está {1} s atrasado.").format(host, round(-off)),
            _("Ligue o acerto pela rede nesse servidor (chrony ou systemd-timesyncd)."),
        )
    if not late:
        chart.ok("servers", _("Os relógios dos servidores andam com o desta máquina."))


def _synchronised(case: Case, chart: Chart) -> None:
    _ = case.words.gettext
    program = shutil.which("timedatectl")
    if program is None:
        return
    try:
        said = subprocess.run(
            [program, "show", "--property=NTPSynchronized", "--value"], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_PATIENCE, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):  # no systemd to ask
        return
    if said == "yes":
        chart.ok("network", _("O relógio desta máquina é acertado pela rede."))
    elif said == "no":
        chart.warning(
            "network", _("O relógio desta máquina não é acertado pela rede."),
            _("Ligue o acerto:") + "\ntimedatectl set-ntp true",
        )  # fmt: skip
