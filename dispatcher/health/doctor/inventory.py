"""The inventory against what the commands and the roles ask of it."""

from __future__ import annotations

import difflib
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dispatcher.commands import COMMANDS
from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart
from dispatcher.health.doctor.configuration import secret
from dispatcher.health.doctor.specification import unknown, wrong
from dispatcher.inventory import GROUPS, Inventory
from dispatcher.replies.visible import visible

_ANSIBLES = ("all", "ungrouped")
_KEY = "ansible_ssh_private_key_file"
_ROLES = {
    "checkip_servers": "fail2ban_access",
    "macchange_servers": "mac_binding",
    "sip_servers": "audio_collection",
}


def look(case: Case, chart: Chart) -> None:
    """Look at groups, then at each server."""
    _ = case.words.gettext
    with chart.step("inventory"):
        inventory = case.inventory.read()
    _groups(case, chart, inventory)
    for host in inventory.variables:
        _address(case, chart, inventory, host)
    for host in inventory.groups.get("sip_servers", ()):
        _collector(case, chart, inventory, host)
    with chart.step("variables"):
        seen = case.fleet.seen()
    for host, why in seen.unsettled.items():
        chart.failing(
            host, _("{0}: uma variável não pode ser preenchida: {1}").format(host, visible(why)),
            _("Corrija a variável no inventário; veja todas:")
            + f"\nansible-inventory -i {case.settings.inventory} --host {host}",
        )  # fmt: skip
    _variables(case, chart, inventory, seen.variables)
    _confirmed(case, chart, inventory, seen.variables)
    for check, path in _secrets(inventory, seen.variables):
        secret(case, chart, check, path)
    if all(finding.status == "ok" for finding in chart.findings):
        count = len(inventory.variables)
        said = case.words.ngettext("{0} servidor, sem erros.", "{0} servidores, sem erros.", count)
        chart.ok("inventory", said.format(count))


def _secrets(inventory: Inventory, variables: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Path]]:
    """Yield each file with keys that the inventory names, once."""
    named = [(_KEY, found.get(_KEY)) for found in inventory.variables.values()]
    for name in ("audio_collection_source", "audio_collection_publish"):
        where = [(found.get(name) or {}).get("credentials_file") for found in variables.values()]
        named += [(f"{name}.credentials_file", path) for path in where]
    for name, path in dict.fromkeys(named):
        if path and "{{" not in str(path):
            yield name, Path(str(path)).expanduser()


def _groups(case: Case, chart: Chart, inventory: Inventory) -> None:
    _ = case.words.gettext
    mistaken = set()
    for name in inventory.groups:
        meant = difflib.get_close_matches(name, GROUPS, 1, cutoff=0.8) if name not in GROUPS else []
        if meant and meant[0] not in inventory.groups:
            mistaken.add(meant[0])
            chart.failing(
                name, _("Nenhum comando conhece o grupo {0}.").format(name),
                _("Quis dizer {0}? Corrija o nome em hosts.yml.").format(meant[0]),
            )  # fmt: skip
    for keyword, command in COMMANDS.items():
        if command.group and not inventory.groups.get(command.group) and command.group not in mistaken:
            mistaken.add(command.group)
            said = _("{0} não tem servidores: o grupo {1} está vazio.").format(keyword, command.group)
            chart.warning(
                command.group, said,
                _("Ponha os servidores no grupo, ou deixe assim se ninguém precisa do comando."),
            )  # fmt: skip
    grouped = {host for name, hosts in inventory.groups.items() if name not in _ANSIBLES for host in hosts}
    for host in inventory.variables:
        if host not in grouped:
            chart.warning(
                host, _("{0} não está em nenhum grupo.").format(host),
                _("Os grupos que contam são: {0}.").format(", ".join(GROUPS)),
            )  # fmt: skip


def _address(case: Case, chart: Chart, inventory: Inventory, host: str) -> None:
    """Let a server without ansible_host pass whose name is one that the DNS has."""
    _ = case.words.gettext
    variables = inventory.variables[host]
    if variables.get("ansible_host") or variables.get("ansible_connection") == "local":
        return
    with suppress(OSError, UnicodeError):
        socket.getaddrinfo(host, None)
        return
    chart.failing(
        host, _("{0} não tem ansible_host, e o DNS não conhece esse nome.").format(host),
        _("Ponha o endereço do servidor em ansible_host, em hosts.yml."),
    )  # fmt: skip


def _collector(case: Case, chart: Chart, inventory: Inventory, host: str) -> None:
    _ = case.words.gettext
    source = inventory.variables[host].get("audios_from")
    if not source:
        chart.warning(
            host, _("{0} não tem audios_from: RAMAIS não o oferece.").format(host),
            _("Ponha audios_from: s3, ou o nome do servidor que tem as gravações."),
        )  # fmt: skip
    elif source != "s3" and source not in inventory.variables:
        near = difflib.get_close_matches(str(source), ["s3", *inventory.variables], 1)
        chart.failing(
            host,
            _("{0}: audios_from é {1}, que não é s3 nem um servidor do inventário.").format(host, source),
            _("Quis dizer {0}?").format(near[0]) if near
            else _("Ponha audios_from: s3, ou o nome do servidor que tem as gravações."),
        )  # fmt: skip


def _variables(
    case: Case, chart: Chart, inventory: Inventory, variables: Mapping[str, Mapping[str, Any]]
) -> None:
    """Say each mistake once, of all servers that have it: most stand in a group's file."""
    _ = case.words.gettext
    mistakes: dict[tuple[str, str, str], list[str]] = {}
    for group, role in _ROLES.items():
        readme = _("As variáveis e seus valores: roles/{0}/README.md").format(role)
        for host in inventory.groups.get(group, ()):
            found = variables.get(host, {})
            for name, meant in unknown(role, found):
                way_out = _("Quis dizer {0}?").format(meant) if meant else readme
                said = _("a variável {0} não existe.").format(name)
                mistakes.setdefault((name, said, way_out), []).append(host)
            for words in wrong(role, found):
                mistakes.setdefault((role, visible(words), readme), []).append(host)
    for (check, said, way_out), hosts in mistakes.items():
        chart.failing(check, f"{', '.join(hosts)}: {said}", way_out)


def _confirmed(
    case: Case, chart: Chart, inventory: Inventory, variables: Mapping[str, Mapping[str, Any]]
) -> None:
    """Without somebody's confirmation, and a way to tell arimonitor, every MACCHANGE is refused."""
    _ = case.words.gettext
    ready = inventory.groups.get("macchange_servers", ())
    settled = {host: variables[host] for host in ready if host in variables}
    missing = [host for host, found in settled.items() if found.get("mac_binding_confirmed") is not True]
    if missing:
        said = _("MACCHANGE é recusado em {0}: falta conferir.").format(", ".join(missing))
        chart.warning(
            "mac_binding_confirmed", said,
            _("Descreva os arquivos e ponha mac_binding_confirmed: true (roles/mac_binding/README.md)."),
        )  # fmt: skip
    untold = [
        host for host, found in settled.items() if not (found.get("mac_binding_notify") or {}).get("type")
    ]
    if silent := [host for host in untold if host not in missing]:
        chart.failing(
            "mac_binding_notify",
            _("MACCHANGE é recusado em {0}: não se diz como avisar o arimonitor.").format(", ".join(silent)),
            _("Preencha mac_binding_notify; se ninguém deve ser avisado, type: none."),
        )
