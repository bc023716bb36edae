"""The notification of type ``ari``, against a real Asterisk."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from dispatcher.settings import PROJECT
from lab import host
from lab.errors import LabError
from tests.roles.mac_binding import asterisk

pytestmark = pytest.mark.long
MODULE = PROJECT / "roles/mac_binding/library/mac_binding.py"
MARK = "<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>"
KEPT = host.FILES / "arimonitor/etc/asterisk"
OLD, NEW = "010203040506", "010203040599"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running Asterisk."""
    if os.geteuid():
        pytest.skip("needs root: Asterisk runs in namespaces of its own")
    try:
        root = asterisk.build()
    except (LabError, OSError) as error:
        pytest.skip(
            "Asterisk's root cannot be built here; where there is a way to a Debian mirror run "
            f"python tests/roles/mac_binding/asterisk.py ({str(error).partition(';')[0]})"
        )
    made = asterisk.Asterisk(root, tmp_path_factory.mktemp("asterisk"))
    yield made
    made.close()


@pytest.fixture
def site(server, tmp_path):
    """Files of an operator beside a real Asterisk; ``change()`` runs the module as Ansible would."""
    users, macs, credentials = (tmp_path / name for name in ("users.conf", "macs.csv", "credentials"))
    for path in (users, macs):
        path.write_bytes((KEPT / path.name).read_bytes())
    credentials.write_text(f"{asterisk.CREDENTIALS}\n")
    pattern = r"^(?P<extension>\d+);(?P<mac>[^;]*);"

    def change(**more):
        arguments = {
            "extension": "3010", "mac_before": OLD, "mac_after": NEW, "host": "gv2p", "confirmed": True,
            "state_dir": str(tmp_path / "state"),
            "files": [
                {"path": str(users), "format": "ini", "key": "macaddress"},
                {"path": str(macs), "format": "lines", "pattern": pattern, "line": "{extension};{mac};"},
            ],
            "notify": {
                "type": "ari", "url": asterisk.URL, "application": "arimonitor", "event": "MacChanged",
                "credentials_file": str(credentials), "timeout": 10,
            },
            **more,
        }  # fmt: skip
        source = MODULE.read_text().replace(MARK, json.dumps(arguments))
        done = subprocess.run(
            [*server.inside, sys.executable, "-B", "-"],
            input=source, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.stderr == ""
        return json.loads(done.stdout)

    def untouched():
        return all(path.read_bytes() == (KEPT / path.name).read_bytes() for path in (users, macs))

    return SimpleNamespace(change=change, untouched=untouched, credentials=credentials, files=(users, macs))


def outcome(result):
    return result["code"], result["data"].get("how")


def test_the_application_is_told(server, site):
    """An ARI application gets the change as a user event, with everything that any other daemon gets."""
    with server.application("arimonitor") as arimonitor:
        result = site.change()
        told = arimonitor.event()
    assert ("mac_binding.changed", []) == (
        result["code"],
        [n for n in result["notices"] if "group" not in n["code"]],
    )
    assert told["eventname"] == "MacChanged"
    expected = {
        "transaction": result["data"]["transaction"], "extension": "3010", "action": "change", "host": "gv2p",
        "mac_before": OLD, "mac_after": NEW,
    }  # fmt: skip
    assert expected == {name: told["userevent"].get(name) for name in expected}
    assert all(NEW.encode() in path.read_bytes() for path in site.files)


def test_a_failed_verification_is_told_as_a_reverse(server, site):
    """When the new MAC does not show, the application gets the reverse event, and the files are as before."""
    with server.application("arimonitor") as arimonitor:
        result = site.change(verify={"type": "command", "command": ["false"]})
        told, back = arimonitor.event()["userevent"], arimonitor.event()["userevent"]
    assert result["code"] == "mac_binding.verify_failed"
    assert (NEW, OLD, told["transaction"]) == (back["mac_before"], back["mac_after"], back["reverses"])
    assert back["transaction"] == f"{told['transaction']}-reverse"
    assert site.untouched()


def test_nobody_connected_is_a_refusal(server, site):
    """Without such an application Asterisk answers 404: the change is rolled back, and says so."""
    with server.application("another"):
        result = site.change()
    assert ("mac_binding.notify_failed", "refused") == outcome(result)
    assert "404" in result["data"]["error"]
    assert site.untouched()


def test_wrong_credentials_are_a_refusal(server, site):
    """With credentials that Asterisk does not take it answers 401: the change is rolled back, and says so."""
    site.credentials.write_text("athome:inventada-errada\n")
    with server.application("arimonitor"):
        result = site.change()
    assert ("mac_binding.notify_failed", "refused") == outcome(result)
    assert "401" in result["data"]["error"]
    assert "inventada-errada" not in json.dumps(result)
    assert site.untouched()


def test_a_silent_asterisk_is_no_answer(server, site):
    """Asterisk that is reached and says nothing: the change is rolled back as one without an answer."""
    inner = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True, check=True
    ).stdout.strip()
    subprocess.run(["kill", "-STOP", inner], check=True)
    try:
        notify = {
            "type": "ari", "url": asterisk.URL, "application": "arimonitor", "timeout": 1,
            "credentials_file": str(site.credentials),
        }  # fmt: skip
        result = site.change(notify=notify)
    finally:
        subprocess.run(["kill", "-CONT", inner], check=True)
    assert ("mac_binding.notify_failed", "no_answer") == outcome(result)
    assert site.untouched()
