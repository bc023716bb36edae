"""The mailbox of the commands: a login beside the service's, that reads no mail and changes nothing."""

from __future__ import annotations

from collections.abc import Collection

import imap_tools

from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart
from dispatcher.health.doctor.network import certificate, resolved
from dispatcher.mail.reader import FAILURES, disconnect, log_in, opened
from dispatcher.settings import Imap


def look(case: Case, chart: Chart) -> None:
    """Go as far as the service would, up to the first mail."""
    _ = case.words.gettext
    imap = case.settings.imap
    if imap is None:
        chart.ok("imap", _("Sem a seção imap: esta máquina não lê a caixa de correio."))
        return
    resolved(case, chart, "imap", imap.host)
    with chart.step("connection", *FAILURES):
        box = opened(imap)
    try:
        certificate(case, chart, box.client.sock)
        with chart.step("login", *FAILURES):
            log_in(box, imap, imap.password())
        chart.ok("login", _("{0} entra em {1}:{2}.").format(imap.user, imap.host, imap.port))
        with chart.step("folders", *FAILURES):
            _capabilities(case, chart, box)
            _inbox(case, chart, box, imap)
            _folders(case, chart, box, imap)
    finally:
        disconnect(box)


def _capabilities(case: Case, chart: Chart, box: imap_tools.BaseMailBox) -> None:
    _ = case.words.gettext
    _status, (said, *_more) = box.client.capability()
    missing = lacking((said or b"").decode("ascii", "replace").upper().split())
    if missing:
        chart.failing(
            "idle", _("O servidor IMAP não oferece {0}.").format(" e ".join(missing)),
            _("Use um servidor IMAP que os ofereça, como Dovecot ou Gmail."),
        )  # fmt: skip
    else:
        chart.ok("idle", _("O servidor avisa de e-mails novos (IDLE) e os move (MOVE)."))


def lacking(offered: Collection[str]) -> list[str]:
    """Return what the service needs and the server does not offer."""
    missing = [] if "IDLE" in offered else ["IDLE"]
    return missing if {"MOVE", "UIDPLUS"} & {*offered} else [*missing, "MOVE"]


def _inbox(case: Case, chart: Chart, box: imap_tools.BaseMailBox, imap: Imap) -> None:
    _, _plural = case.words.gettext, case.words.ngettext
    try:
        box.folder.set(imap.inbox, readonly=True)
        waiting = box.folder.status(imap.inbox, ["MESSAGES"])["MESSAGES"]
    except imap_tools.UnexpectedCommandStatusError:
        chart.failing(
            "inbox", _("A pasta {0} não pode ser aberta.").format(imap.inbox),
            _("Corrija imap.inbox na configuração."),
        )  # fmt: skip
        return
    said = _plural("{0}: {1} e-mail espera.", "{0}: {1} e-mails esperam.", waiting)
    chart.ok("inbox", said.format(imap.inbox, waiting))


def _folders(case: Case, chart: Chart, box: imap_tools.BaseMailBox, imap: Imap) -> None:
    _ = case.words.gettext
    for name in (imap.processed, imap.parked):
        if box.folder.exists(name):
            chart.ok(f"folder.{name}", _("A pasta {0} existe.").format(name))
        else:
            chart.ok(f"folder.{name}", _("A pasta {0} ainda não existe; o serviço a cria.").format(name))
    sent = case.settings.smtp and case.settings.smtp.sent_folder
    if sent and box.folder.exists(sent):
        chart.ok(f"folder.{sent}", _("A pasta {0} existe.").format(sent))
    elif sent:
        chart.failing(
            f"folder.{sent}", _("A pasta {0} (smtp.sent_folder) não existe.").format(sent),
            _("Corrija smtp.sent_folder, ou crie a pasta: sem ela, uma resposta pode sair duas vezes."),
        )  # fmt: skip
