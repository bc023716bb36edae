"""Each mistake of an inventory is named, with what may be meant."""

import pytest

from dispatcher.health.doctor import inventory
from dispatcher.health.doctor.fleet import Seen
from dispatcher.health.doctor.specification import unknown, wrong
from tests.unit.health.doctor.said import GROUPS, HOSTS, found

READY = {"mac_binding_confirmed": True, "mac_binding_notify": {"type": "none"}}


def test_a_good_inventory_is_one_sentence(case):
    """Nothing else is said."""
    made = case(groups=GROUPS, hosts=HOSTS, seen=Seen(variables={"gv1p": READY}))
    (one,) = found(inventory.look, made)
    assert "3 servidores, sem erros." == one.said


@pytest.mark.parametrize(
    ("change", "said", "way_out"),
    [
        (
            {"groups": {"macchange_server": ("gv1p",)}, "less": "macchange_servers"},
            "Nenhum comando conhece o grupo macchange_server.",
            "Quis dizer macchange_servers?",
        ),
        (
            {"groups": {}, "less": "checkip_servers"},
            "CHECKIP não tem servidores",
            "Ponha os servidores no grupo",
        ),
        (
            {"hosts": {"gv1p": {"ansible_host": "192.0.2.11", "audios_from": "s33"}}},
            "audios_from é s33",
            "Quis dizer s3?",
        ),
        ({"hosts": {"gv1p": {"ansible_host": "192.0.2.11"}}}, "não tem audios_from", "audios_from: s3"),
        (
            {"hosts": {"gv1p": {"audios_from": "s3", "ansible_host": ""}}},
            "não tem ansible_host",
            "ansible_host",
        ),
        ({"hosts": {"new": {"ansible_host": "192.0.2.9"}}}, "new não está em nenhum grupo", "sip_servers"),
        (
            {"variables": READY | {"mac_binding_confirmed": False}},
            "falta conferir",
            "mac_binding_confirmed: true",
        ),
        ({"variables": READY | {"mac_binding_notify": {}}}, "como avisar o arimonitor", "type: none"),
        (
            {"variables": READY | {"mac_binding_fils": []}},
            "mac_binding_fils não existe",
            "Quis dizer mac_binding_files?",
        ),
        (
            {"variables": READY | {"fail2ban_access_timeout": "soon"}},
            "fail2ban_access_timeout",
            "roles/fail2ban_access/README.md",
        ),
        (
            {"variables": READY | {"audio_collection_publish": {"type": "ftp"}}},
            "must be one of: s3, file",
            "README",
        ),
        ({"unsettled": "'domain' is undefined"}, "'domain' is undefined", "ansible-inventory -i"),
    ],
)
def test_each_mistake_of_an_inventory_is_named(case, monkeypatch, change, said, way_out):
    """With the name that may be meant, or the place of the right values."""
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args: (_ for _ in ()).throw(OSError("no such name")))
    groups = {name: hosts for name, hosts in GROUPS.items() if name != change.get("less")}
    seen = Seen(variables={"gv1p": change.get("variables", READY)})
    if words := change.get("unsettled"):
        seen.unsettled["gv1p"] = words
    made = case(groups=groups | change.get("groups", {}), hosts=HOSTS | change.get("hosts", {}), seen=seen)
    mine = [one for one in found(inventory.look, made) if said in one.said]
    assert mine
    assert mine[0].status != "ok"
    assert way_out in mine[0].way_out


def test_a_specification_is_not_changed_by_a_look():
    """What Ansible's validator fills in for one server is not there for the next."""
    files = {"mac_binding_files": [{"path": "/etc/macs", "format": "ini", "key": "mac"}]}
    assert [] == wrong("mac_binding", files) == wrong("mac_binding", {}) == wrong("mac_binding", files)
    assert [("mac_binding_fils", "mac_binding_files")] == list(
        unknown("mac_binding", {"mac_binding_fils": 1})
    )
    assert [] == list(unknown("audio_collection", {"audio_collection_default_server": "voip3"}))
