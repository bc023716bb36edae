"""The server of the replies: as far as a mail's envelope, and no further."""

from __future__ import annotations

import smtplib

from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart, OverError
from dispatcher.health.doctor.network import certificate, resolved
from dispatcher.replies.submission import FAILURES, LoginRefusedError, submission
from dispatcher.replies.visible import visible
from dispatcher.settings import Smtp

_PATIENCE = 10.0  # seconds for one answer: a person waits
_ROOM = 1_000_000  # bytes; the largest reply has a tenth of them
_TAKEN = range(200, 300)


def look(case: Case, chart: Chart) -> None:
    """Log in, and offer a mail from our address to ourselves, which is then taken back."""
    _ = case.words.gettext
    smtp = case.settings.smtp
    if smtp is None:
        chart.ok("smtp", _("Sem a seção smtp: esta máquina não envia respostas."))
        return
    resolved(case, chart, "smtp", smtp.host)
    smtp = smtp.model_copy(update={"timeout": min(smtp.timeout, _PATIENCE)})
    try:
        with chart.step("login", *FAILURES), submission(smtp) as server:
            certificate(case, chart, server.sock)
            chart.ok("login", _("{0} entra em {1}:{2}.").format(smtp.user, smtp.host, smtp.port))
            _size(case, chart, server)
            _envelope(case, chart, server)
    except LoginRefusedError as error:
        _refused(case, chart, smtp, error)


def _refused(case: Case, chart: Chart, smtp: Smtp, error: LoginRefusedError) -> None:
    _ = case.words.gettext
    chart.failing(
        "login", error.problem, _("Confira smtp.user e o segredo de {0}.").format(smtp.password_file)
    )
    raise OverError from None


def _size(case: Case, chart: Chart, server: smtplib.SMTP) -> None:
    _ = case.words.gettext
    said = server.esmtp_features.get("size", "")
    most = int(said) if said.isdecimal() else 0  # 0: none is named
    if 0 < most < _ROOM:
        chart.warning(
            "size", _("O servidor SMTP só aceita e-mails de até {0} bytes.").format(most),
            _("Aumente o limite dele (no Postfix, message_size_limit) para 1 MB ou mais."),
        )  # fmt: skip


def _envelope(case: Case, chart: Chart, server: smtplib.SMTP) -> None:
    _ = case.words.gettext
    if case.settings.mail is None:
        return
    address = case.settings.mail.address
    for code, text in (server.mail(address), server.rcpt(address)):
        if code not in _TAKEN:
            words = visible(f"{code} {text.decode('utf-8', 'replace')}")
            chart.failing(
                "sender", _("O servidor SMTP não aceita e-mails de {0}: {1}").format(address, words),
                _("Confira mail.address: a conta de smtp.user tem de poder enviar com esse endereço."),
            )  # fmt: skip
            return
    server.rset()
    chart.ok("sender", _("O servidor aceita e-mails de {0}.").format(address))
