"""servers_config.json → the fleet, and what becomes of each server."""

from __future__ import annotations

from collections.abc import Iterator

from dispatcher.i18n import N_
from dispatcher.inventory import Inventory
from dispatcher.legacy.machine import Machine
from dispatcher.legacy.rows import NO_EQUIVALENT, Row, unusable
from dispatcher.legacy.servers_config import OldServer
from dispatcher.legacy.target import Target
from dispatcher.replies.visible import visible

CHECKIP, MACCHANGE = "checkip_servers", "macchange_servers"
# What the predecessor's commands did on which servers. One that is not here takes part in everything.
_GROUPS = {
    "gv1p": (CHECKIP, MACCHANGE),
    "gv2p": (CHECKIP, MACCHANGE),
    "gv3p": (CHECKIP, MACCHANGE),
    "voip1": (CHECKIP,),
    "voip3": (),
}


def groups(server: OldServer) -> tuple[str, ...]:
    """Return the groups of a server, beside that of all SIP servers."""
    return _GROUPS.get(server.id.lower(), (CHECKIP, MACCHANGE))


def servers(machines: tuple[Machine, ...], target: Target) -> Iterator[tuple[Row, OldServer | None]]:
    """Yield each server of each file, with the one that goes into the inventory."""
    seen: dict[str, OldServer] = {}
    for machine in machines:
        if machine.servers is None:
            continue
        source, document = machine.servers
        for row in unusable(source.name, document.unknown, document.wrong):
            yield row, None
        for one in document.servers:
            for key in one.unknown:
                place = (source.name, str(one.item), visible(f"{one.id}.{key}", 40))
                yield Row(*place, "ignored", NO_EQUIVALENT), None
            place = (source.name, str(one.item), one.id)
            if other := seen.get(one.id.lower()):
                same = (other.host, other.audios_from) == (one.host, one.audios_from)
                text = N_("já está mais acima") if same else N_("{0} já está mais acima; vale o primeiro")
                yield Row(*place, "repeated" if same else "refused", text, (one.id,)), None
                continue
            seen[one.id.lower()] = one
            yield _present(place, one, target.fleet) if target.fleet else _new(place, one, target), one


def _new(place: tuple[str, str, str], server: OldServer, target: Target) -> Row:
    if server.id.lower() not in _GROUPS:
        text = N_("{0}; audios_from {1}; nome que não se conhece, e por isso em todos os grupos: confira")
    else:
        text = N_("{0}; audios_from {1}; grupos {2}")
    member = " ".join(("sip_servers", *groups(server)))
    return Row(*place, "taken", text, (target.inventory / "hosts.yml", server.audios_from, member))


def _present(place: tuple[str, str, str], server: OldServer, fleet: Inventory) -> Row:
    """Compare a server with an inventory that is there already, and is not touched."""
    if server.id not in fleet.groups.get("sip_servers", ()):
        return Row(*place, "missing", N_("não está no inventário, que já existe: ponha-o em hosts.yml"))
    known = fleet.variables.get(server.id, {})
    old = {"ansible_host": server.host, "audios_from": server.audios_from}
    if different := [name for name, value in old.items() if known.get(name) != value]:
        text = N_("está no inventário com outro valor em {0}, que fica como está: confira")
        return Row(*place, "there", text, (", ".join(different),))
    return Row(*place, "there", N_("já estava no inventário"))
