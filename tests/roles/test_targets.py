"""Every command's playbook on servers with each Python, from the controller that runs these tests.

The matrix (`make matrix`) runs them from a controller of each kind.
"""

import json
from pathlib import Path

import pytest

from tests import fleet
from tests.roles.audio_collection.request import MANIFEST, name_of, unpacked, wav
from tests.roles.laid_python import laid
from tests.roles.played import played
from tests.roles.pythons import EVERY

pytestmark = [pytest.mark.lab, pytest.mark.long]
SERVER = "gv2p"
ROOT = Path(f"/run/lab/hosts/{SERVER}/root")
OLD, NEW, ADDRESS = "010203040506", "010203040599", "198.51.100.77"
FOLDER = "/srv/athome-recordings"


@pytest.fixture(scope="module", params=EVERY)
def target(request, lab, tmp_path_factory):
    """A function that runs a playbook on a server with this Python -> ({task: result}, all that was said)."""
    python = laid(ROOT, request.param)
    host = {"ansible_host": "192.0.2.12", "ansible_python_interpreter": python, "audios_from": "target"}
    groups = ("checkip_servers", "macchange_servers", "sip_servers")
    inventory = tmp_path_factory.mktemp("target") / "hosts.json"
    inventory.write_text(
        json.dumps({"all": {"children": {group: {"hosts": {"target": host}} for group in groups}}})
    )

    def run(playbook, values, *arguments):
        tasks, code, said = played(playbook, values, *arguments, inventory=[inventory], limit="target")
        assert code == 0, said
        return [task["result"] for task in tasks if task["result"].get("outcome")][-1]

    version = fleet.on(SERVER, python, "-c", "'import sys; print(\"%d.%d\" % sys.version_info[:2])'")
    assert version.strip() == request.param
    return run


def test_checkip(target):
    """Check foretells, a run whitelists, a second one changes nothing, and the way back leaves nothing."""
    fleet.forget(ADDRESS)  # whatever an earlier run that was cut off has left
    values = {"checkip_address": ADDRESS}
    codes = [target("checkip.yml", values, *more)["code"] for more in (["--check"], [], [])]
    assert ["fail2ban.whitelisted", "fail2ban.whitelisted", "fail2ban.already_whitelisted"] == codes
    assert "fail2ban.removed" == target("checkip.yml", {**values, "checkip_state": "absent"})["code"]


def test_macchange(target):
    """The extension has the new telephone in both files and at its daemon; the undo gives back the bytes."""
    fleet.fresh_phones()
    before = fleet.phones(SERVER)
    change = {"macchange_extension": "3010", "macchange_mac_before": OLD, "macchange_mac_after": NEW}
    done = target("macchange.yml", change)
    assert ("mac_binding.changed", NEW) == (done["code"], fleet.arimonitor_has(SERVER, "3010"))
    back = target("macchange_undo.yml", {"macchange_transaction": done["undo"]["transaction"]})
    assert ("mac_binding.undone", before) == (back["code"], fleet.phones(SERVER))


def test_ramais(target):
    """A recording on the server comes out of the archive as it was laid."""
    content = wav()
    recording = ROOT / FOLDER[1:] / "monitor/2025/11/03" / name_of("2025-11-03 10:00:00")
    fleet.on(SERVER, f"rm -rf {FOLDER}; mkdir -p {FOLDER}/shelf")
    recording.parent.mkdir(parents=True)
    recording.write_bytes(content)
    fleet.on(SERVER, f"touch -d 2025-11-03 {FOLDER}/monitor/2025/11/03/*")
    values = {
        "ramais_extensions": "1121", "ramais_start": "2025-11-03 00:00", "ramais_end": "2025-11-03 23:59",
        "audio_collection_layout": {"root": f"{FOLDER}/monitor/"},
        "audio_collection_publish": {
            "type": "file", "folder": f"{FOLDER}/shelf", "url": "https://audio.lab.example/", "reserve": 0,
        },
    }  # fmt: skip
    assert "audio.would_collect" == target("ramais.yml", values, "--check")["code"]
    done = target("ramais.yml", values)
    archive = unpacked((ROOT / FOLDER[1:] / "shelf" / done["data"]["name"]).read_bytes())
    archive.pop(MANIFEST, None)
    assert ("audio.collected", [content]) == (done["code"], list(archive.values()))
