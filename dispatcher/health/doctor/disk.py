"""The state folder: there, ours, with room for what comes."""

from __future__ import annotations

import os

from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart
from dispatcher.replies.measures import number, size

_INODES = 5000  # of one day of runs and replies, with much to spare
_OTHERS = 0o077


def look(case: Case, chart: Chart) -> None:
    """Look, and write nothing."""
    _ = case.words.gettext
    folder = case.settings.state_dir
    if not folder.is_dir():
        chart.failing(
            "folder", _("A pasta {0} (state_dir) não existe.").format(folder),
            _("Inicie o serviço, que a cria, ou corrija a chave state_dir da configuração."),
        )  # fmt: skip
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        chart.failing(
            "folder", _("Esta conta não pode gravar em {0} (state_dir).").format(folder),
            _("Execute como a conta do serviço (sudo athome doctor); se é ela, confira o dono e o disco."),
        )  # fmt: skip
    elif folder.stat().st_mode & _OTHERS:
        chart.failing(
            "folder.mode", _("Outras contas podem ver {0}, onde há respostas e nomes.").format(folder),
            _("Feche a pasta:") + f"\nchmod 700 {folder}",
        )  # fmt: skip
    about = os.statvfs(folder)
    free, least = about.f_bavail * about.f_frsize, case.settings.health.free_space
    said = _("{0} livres em {1}.").format(size(free, case.language), folder)
    if free < least:
        chart.failing("free", said, _("Libere espaço; athome purge --check diz o que já passou do prazo."))
    else:
        chart.ok("free", said)
    if about.f_files and about.f_favail < _INODES:
        chart.failing(
            "inodes",
            _("Só cabem mais {0} arquivos em {1} (inodes).").format(
                number(about.f_favail, case.language), folder
            ),
            _("Apague arquivos que ninguém usa; athome purge apaga execuções antigas."),
        )
