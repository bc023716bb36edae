"""The inventory of the old servers: their hosts.yml, and this project's forms of group variables."""

from __future__ import annotations

from typing import Any

import yaml

from dispatcher.legacy.fleet import CHECKIP, MACCHANGE, groups
from dispatcher.legacy.servers_config import S3, OldServer
from dispatcher.legacy.settings_form import BLANK
from dispatcher.settings import PROJECT

FORMS = PROJECT / "inventory" / "production" / "group_vars"
DISPATCHER = "audio2"  # the machine that read the mailbox

_HEAD = """\
# Escrito por athome import-legacy; o que cada chave quer dizer: inventory/production/hosts.yml do projeto.
# {blank}: ansible_host de {names}, se o nome não bastar; de um CentOS 7 também
# ansible_python_interpreter: /usr/bin/python2.7
---
"""
_DISPATCHERS = """\
# As variáveis da role dispatcher (roles/dispatcher/README.md), dos arquivos ao lado deste inventário. Para
# guardá-las no Git, cifre as senhas com ansible-vault e ponha-as aqui no lugar das linhas que as leem.
---
dispatcher_settings: "{{ lookup('ansible.builtin.file', inventory_dir ~ '/../settings.yml') | from_yaml }}"
dispatcher_secrets:
  imap-password: "{{ lookup('ansible.builtin.file', inventory_dir ~ '/../credentials/imap-password') }}"
  smtp-password: "{{ lookup('ansible.builtin.file', inventory_dir ~ '/../credentials/smtp-password') }}"
"""


def files(servers: tuple[OldServer, ...]) -> dict[str, str]:
    """Return each file's text, by its path in the inventory's folder.

    The hosts come last: with them the inventory is there, and a next run does not complete what an
    interrupted one has left.
    """
    found = {"group_vars/dispatchers/dispatcher.yml": _DISPATCHERS}
    for form in sorted(FORMS.rglob("*.yml")):
        name = str(form.relative_to(FORMS))
        if not name.startswith("dispatchers/"):
            found[f"group_vars/{name}"] = form.read_text(encoding="utf-8")
    return found | {"hosts.yml": _hosts(servers)}


def unaddressed(servers: tuple[OldServer, ...]) -> tuple[str, ...]:
    """Return the hosts of the inventory whose address no old file has."""
    known = {server.id for server in servers}
    return tuple(name for name in (*collectors(servers), DISPATCHER) if name not in known)


def collectors(servers: tuple[OldServer, ...]) -> tuple[str, ...]:
    """Return the file servers that recordings are collected from."""
    return tuple(dict.fromkeys(one.audios_from for one in servers if one.audios_from != S3))


def _hosts(servers: tuple[OldServer, ...]) -> str:
    def members(group: str) -> dict[str, Any]:
        return {"hosts": {one.id: {} for one in servers if group in groups(one)}}

    children = {
        "sip_servers": {
            "hosts": {one.id: {"ansible_host": one.host, "audios_from": one.audios_from} for one in servers}
        },
        CHECKIP: members(CHECKIP),
        MACCHANGE: members(MACCHANGE),
        "audio_servers": {"hosts": {name: {} for name in collectors(servers)}},
        "dispatchers": {"hosts": {DISPATCHER: {}}},
    }
    head = _HEAD.format(blank=BLANK, names=", ".join(unaddressed(servers)))
    return head + yaml.safe_dump({"all": {"children": children}}, sort_keys=False, allow_unicode=True)
