"""servers_config.json: the Asterisk servers, and where each one's recordings were."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from dispatcher.i18n import N_
from dispatcher.inventory import GROUPS
from dispatcher.legacy.documents import entries
from dispatcher.legacy.rows import Wrong

NAME = "servers_config.json"
S3 = "s3"
_EXAMPLE = '{"sip_servers": [{"id": "gv1p", "host": "192.0.2.11", "audios_from": "audio"}]}'
_FIELDS = ("id", "host", "audios_from")
_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")  # what Ansible takes for one host's name, and a subject too
_TAKEN = ("all", "ungrouped", "localhost", S3, *GROUPS)  # to Ansible, or to us, these are something else
_ZONE = re.compile(r"[A-Za-z0-9_.-]+")  # of a link-local address; to Python any text at all is one
_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.?", re.ASCII)


@dataclass(frozen=True, slots=True)
class OldServer:
    """One server. ``item``: its place in the list, from 1. ``audios_from``: ``s3``, or a host."""

    item: int
    id: str
    host: str
    audios_from: str
    unknown: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        """Whether it is reached by a name, and not by an address."""
        return not _address(self.host)


@dataclass(frozen=True, slots=True)
class OldServers:
    """The file."""

    servers: tuple[OldServer, ...]
    unknown: tuple[str, ...] = ()
    wrong: tuple[Wrong, ...] = ()


def parse(text: str, name: str) -> OldServers:
    """Return what the file has; an entry that is wrong stops no other. Raises LegacyError."""
    found, unknown = entries(text, name, "sip_servers", _EXAMPLE)
    taken: list[OldServer] = []
    wrong: list[Wrong] = []
    for item, entry in enumerate(found, start=1):
        if problems := _problems(entry):
            wrong += [Wrong(str(item), field, text) for field, text in problems]
            continue
        ident, host, source = (entry[field].strip() for field in _FIELDS)
        if any(one.id.lower() == ident.lower() for one in taken):
            wrong.append(Wrong(str(item), "id", N_("{0} já está mais acima; vale o primeiro"), (ident,)))
            continue
        source = S3 if source.lower() == S3 else source
        others = tuple(str(key) for key in entry if key not in _FIELDS)
        taken.append(OldServer(item, ident, host, source, others))
    return OldServers(tuple(taken), unknown, tuple(wrong))


def _problems(entry: Any) -> list[tuple[str, str]]:
    """Return every field that is wrong, with what is expected there."""
    if not isinstance(entry, dict):
        return [("sip_servers", N_("não é um objeto com id, host e audios_from"))]
    expected: dict[str, tuple[Callable[[str], object], str]] = {
        "id": (_free, N_("esperado: um nome curto, como gv1p (letras, números, - e _)")),
        "host": (_host, N_("esperado: um endereço ou nome, como 192.0.2.11, sem conta nem porta")),
        "audios_from": (_source, N_("esperado: s3, ou o nome do servidor de arquivos, como audio")),
    }
    values = {field: entry[field].strip() if isinstance(entry.get(field), str) else "" for field in _FIELDS}
    return [(field, text) for field, (good, text) in expected.items() if not good(values[field])]


def _free(value: str) -> bool:
    """Whether a host may have this name."""
    return bool(_ID.fullmatch(value)) and value.lower() not in _TAKEN


def _source(value: str) -> bool:
    return value.lower() == S3 or _free(value)


def _host(value: str) -> bool:
    digits = value.replace(".", "").isdigit()  # 192.0.2 or 192.0.2.300 is no name
    return _address(value) or bool(_NAME.fullmatch(value) and not digits)


def _address(value: str) -> bool:
    address, percent, zone = value.partition("%")
    try:
        ip_address(address)
    except ValueError:
        return False
    return not percent or (":" in address and bool(_ZONE.fullmatch(zone)))
