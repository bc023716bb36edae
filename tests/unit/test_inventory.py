"""The inventory is what Ansible says it is, and follows its files."""

import os
import sys
import time

import pytest

from dispatcher.errors import InventoryError
from dispatcher.inventory import InventorySource
from dispatcher.settings import PROJECT

CHECKIP = ("gv1p", "gv2p", "gv3p", "voip1")


@pytest.mark.parametrize("name", ["lab", "production"])
def test_the_fleets_of_the_project_have_their_groups(name):
    """Both inventories that are shipped have every group, in order, and where recordings come from."""
    inventory = InventorySource(PROJECT / "inventory" / name).read()
    assert CHECKIP == inventory.group("checkip_servers")
    assert ("gv1p", "gv2p", "gv3p") == inventory.group("macchange_servers")
    assert (*CHECKIP, "voip3") == inventory.group("sip_servers")
    assert {"gv1p": "audio", "gv2p": "audio", "gv3p": "audio", "voip1": "s3", "voip3": "s3"} == {
        host: inventory.variables[host]["audios_from"] for host in inventory.group("sip_servers")
    }
    assert ("audio",) == inventory.group("audio_servers")
    assert ("audio2",) == inventory.group("dispatchers")


def test_a_change_is_followed_without_a_restart(tmp_path):
    """A server that is added to the file is there at the next read."""
    file = tmp_path / "hosts.yml"
    file.write_text("checkip_servers: {hosts: {one: }}\n")
    source = InventorySource(tmp_path)
    assert ("one",) == source.read().group("checkip_servers")
    assert source.read() is source.read()
    file.write_text("checkip_servers: {hosts: {one: , two: }}\n")
    os.utime(file, ns=(time.time_ns(), time.time_ns()))
    assert ("one", "two") == source.read().group("checkip_servers")


def test_a_broken_inventory_is_ansibles_own_words(tmp_path):
    """The error says how to look at it oneself."""
    (tmp_path / "hosts.yml").write_text("checkip_servers: [\n")
    with pytest.raises(InventoryError, match="ansible-inventory"):
        InventorySource(tmp_path).read()


def test_an_ansible_that_hangs_is_an_error_that_passes(monkeypatch):
    """Mails wait for an inventory that cannot be read for the moment: the error is one of ours."""
    monkeypatch.setattr("dispatcher.inventory._PATIENCE", 0.01)
    with pytest.raises(InventoryError, match="timed out"):
        InventorySource(PROJECT / "inventory/lab").read()


def test_an_input_that_does_not_block_is_no_obstacle():
    """An SSH in the background makes it so for all who share the input; Ansible refuses such a one."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    before = os.dup(0)
    try:
        os.dup2(ours, 0)
        assert InventorySource(PROJECT / "inventory/lab").read().groups
    finally:
        os.dup2(before, 0)
        for file in (ours, theirs, before):
            os.close(file)


def test_ansible_learns_none_of_our_secrets(tmp_path, monkeypatch):
    """An inventory plug-in runs foreign code: it sees a clean environment."""
    monkeypatch.setenv("ATHOME_IMAP_PASSWORD", "correct-horse")
    script = tmp_path / "fleet"
    script.write_text(
        f"#!{sys.executable}\nimport json, os\n"
        'print(json.dumps({"_meta": {"hostvars": {"one": dict(os.environ)}}, "all": {"hosts": ["one"]}}))\n'
    )
    script.chmod(0o755)
    seen = InventorySource(script).read().variables["one"]
    assert "ANSIBLE_CONFIG" in seen
    assert "correct-horse" not in seen.values()


def test_a_missing_inventory_or_group_names_what_is_missing(tmp_path):
    """Neither is an empty fleet on which everything succeeds."""
    with pytest.raises(InventoryError, match="none"):
        InventorySource(tmp_path / "none").read()
    with pytest.raises(InventoryError, match="no_such_group"):
        InventorySource(PROJECT / "inventory" / "lab").read().group("no_such_group")
