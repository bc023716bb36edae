"""What both mail servers are looked at for: the name, and the certificate's end."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any

from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart, OverError

_SOON = 21  # days before a certificate's end: one that renews itself does so 30 days before


def resolved(case: Case, chart: Chart, section: str, host: str) -> None:
    """Note the addresses of a section's host. Raises OverError when it has none."""
    _ = case.words.gettext
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", error)
        chart.failing(
            "dns", _("O nome {0} não tem endereço: {1}.").format(host, why),
            _("Confira {0}.host na configuração, e o DNS desta máquina (/etc/resolv.conf).").format(section),
        )  # fmt: skip
        raise OverError from None
    addresses = dict.fromkeys(str(address[0]) for *_rest, address in found)
    chart.ok("dns", f"{host}: {', '.join(addresses)}")


def certificate(case: Case, chart: Chart, sock: object) -> None:
    """Note for how long the certificate of a verified connection is still valid."""
    if isinstance(sock, ssl.SSLSocket):
        _valid(case, chart, sock.getpeercert() or {})


def _valid(case: Case, chart: Chart, shown: Mapping[str, Any], now: float | None = None) -> None:
    _ = case.words.gettext
    if "notAfter" not in shown:
        return
    left = ssl.cert_time_to_seconds(shown["notAfter"]) - (time.time() if now is None else now)
    days = max(0, int(left // 86400))
    said = case.words.ngettext(
        "O certificado vale mais {0} dia.", "O certificado vale mais {0} dias.", days
    ).format(days)
    if days < _SOON:
        chart.warning("certificate", said, _("Renove-o no servidor de e-mail, ou avise quem cuida dele."))
    else:
        chart.ok("certificate", said)
