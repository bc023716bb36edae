"""The DNS servers that DKIM keys are asked of: without one, every mail waits."""

from __future__ import annotations

import time

import dns.exception
import dns.resolver

from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart
from dispatcher.mail.dns import LookupLaterError, Resolver


def look(case: Case, chart: Chart) -> None:
    """Ask each name server for a record of our own domain; that there is none is an answer too."""
    _ = case.words.gettext
    mail = case.settings.mail
    if mail is None:
        chart.ok("mail", _("Sem a seção mail: nenhuma assinatura é conferida aqui."))
        return
    servers = [str(address) for address in mail.nameservers] or _own()
    name = "_dmarc." + mail.address.rpartition("@")[2]
    silent = []
    for server in servers:
        started = time.monotonic()
        try:
            Resolver([server], mail.dns_timeout).txt(name)
        except LookupLaterError:
            silent.append(server)
            continue
        took = round((time.monotonic() - started) * 1000)
        chart.ok(server, _("O servidor DNS {0} responde em {1} ms.").format(server, took))
    for server in silent:
        note = chart.failing if len(silent) == len(servers) else chart.warning
        note(
            server, _("O servidor DNS {0} não responde em {1:g} s.").format(server, mail.dns_timeout),
            _("Confira mail.nameservers ou /etc/resolv.conf, e a rede."),
        )  # fmt: skip
    if not servers:
        chart.failing(
            "nameservers", _("Esta máquina não tem servidor DNS."),
            _("Indique um em mail.nameservers ou em /etc/resolv.conf."),
        )  # fmt: skip


def _own() -> list[str]:
    """Return the machine's own name servers."""
    try:
        return [str(server) for server in dns.resolver.Resolver().nameservers]
    except dns.exception.DNSException:
        return []
