"""What runs here: this program, Python, Ansible, and the programs that Ansible starts."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import version

from dispatcher import __version__
from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart
from dispatcher.health.pulse import read
from dispatcher.runs.environment import clean_environment

_PACKAGES = ("ansible-core", "ansible-runner")
_PROGRAMS = {"ansible-playbook": "ansible-core", "ansible-inventory": "ansible-core", "ssh": "openssh-client"}


def look(case: Case, chart: Chart) -> None:
    """Name the versions, and what is missing."""
    _ = case.words.gettext
    chart.ok("athome", f"athome {__version__}, Python {platform.python_version()}")
    for package in _PACKAGES:
        chart.ok(package, f"{package} {version(package)}")
    for program, package in _PROGRAMS.items():
        if not shutil.which(program, path=clean_environment()["PATH"]):
            way_out = _("Instale-o: apt install {0}").format(package)
            chart.failing(
                program, _("O programa {0} não está instalado.").format(program),
                way_out if program == "ssh" else _("Instale o athome de novo."),
            )  # fmt: skip
    told = read(case.settings.state_dir)
    if told and told.version != __version__:
        chart.warning(
            "running",
            _("O serviço que roda é da versão {0}; a instalada é a {1}.").format(told.version, __version__),
            _("Reinicie-o quando nada urgente estiver em execução: systemctl restart athome"),
        )
