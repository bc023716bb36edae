"""Role and playbooks on the lab's servers, as an operator runs them: with Ansible alone."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests import fleet
from tests.roles.fail2ban_access.servers import MARK
from tests.roles.mac_binding.machine import MACS, MODULE, NEW, OLD, PATTERN, USERS, notices, wait_for
from tests.roles.played import played

pytestmark = pytest.mark.lab
SERVER = "gv2p"
STATE = "/var/lib/athome-mac-binding"
CHANGE = {"macchange_extension": "3010", "macchange_mac_before": OLD, "macchange_mac_after": NEW}


@pytest.fixture(scope="module", autouse=True)
def swept(lab):
    """The servers are as at their first start when all is done."""
    yield
    fleet.fresh_phones()


@pytest.fixture
def fresh(swept):
    """The servers are as at their first start."""
    fleet.fresh_phones()


def play(values, *arguments, name="macchange.yml", limit=SERVER):
    """Run a playbook -> (the module's result or None, return code, everything that was said)."""
    tasks, code, said = played(name, values, *arguments, limit=limit, timeout=120)
    results = [task["result"] for task in tasks if task["task"] == "mac_binding"]
    return (results or [None])[0], code, said


def on_server():
    """Both files, arimonitor's MAC, and whether the role keeps anything on the server."""
    kept = fleet.on(SERVER, f"test -e {STATE} && echo kept", check=False)
    return fleet.phones(SERVER), fleet.arimonitor_has(SERVER, "3010"), bool(kept)


def test_cycle(fresh):
    """Check foretells, converge does, a second one does nothing, verify passes, undo gives back the bytes."""
    before = on_server()
    foretold, code, said = play(CHANGE, "--check", "--diff")
    assert ("mac_binding.changed", 0) == (foretold["code"], code)
    assert before == on_server()
    for name, line in (("users.conf", "macaddress = "), ("macs.csv", "3010 ")):
        assert re.search(rf"-{line}{OLD}\n\+{line}{NEW}\n", said), said
        assert f"+++ after: /etc/asterisk/{name}" in said
    assert "secret" not in said
    assert "inventada" not in said

    done, code, said = play(CHANGE, "--diff")
    assert ("mac_binding.changed", True, 0) == (done["code"], done["changed"], code)
    assert foretold["diff"] == done["diff"]
    files, told, kept = on_server()
    assert tuple(content.replace(OLD.encode(), NEW.encode()) for content in before[0]) == files
    assert (NEW, True) == (told, kept)

    again, code, _ = play(CHANGE)
    assert ("mac_binding.already_changed", False, 0) == (again["code"], again["changed"], code)
    verified, code, _ = play(CHANGE | {"macchange_state": "verify"})
    assert ("mac_binding.verified", False, 0) == (verified["code"], verified["changed"], code)

    # The line that the first run printed is a command to copy.
    (command,) = re.findall(r"Undo: ansible-playbook (.*?transaction=[\w-]+)", " ".join(said.split()))
    transaction = done["undo"]["transaction"]
    assert command.endswith(f"macchange_undo.yml --limit {SERVER} -e macchange_transaction={transaction}")
    undone = subprocess.run(
        [fleet.PLAYBOOK, *command.split()],
        cwd=fleet.PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert f"transaction {transaction} is undone" in " ".join(undone.stdout.split())
    assert before[:2] == on_server()[:2]


@pytest.mark.long
def test_undo_playbook(fresh):
    """The undo's check shows both files, a second undo does nothing, one after an edit is refused."""
    first, _, _ = play(CHANGE)
    undo = {"macchange_transaction": first["undo"]["transaction"]}
    foretold, _, said = play(undo, "--check", "--diff", name="macchange_undo.yml")
    assert ("mac_binding.undone", NEW) == (foretold["code"], fleet.arimonitor_has(SERVER, "3010"))
    assert ["/etc/asterisk/users.conf", "/etc/asterisk/macs.csv"] == re.findall(r"\+\+\+ after: (\S+)", said)
    assert "mac_binding.undone" == play(undo, name="macchange_undo.yml")[0]["code"]
    again, code, _ = play(undo, name="macchange_undo.yml")
    assert ("mac_binding.already_undone", False, 0) == (again["code"], again["changed"], code)
    second = {"macchange_transaction": play(CHANGE)[0]["undo"]["transaction"]}
    fleet.edit_phones(SERVER, "macs.csv", lambda content: content + b"\n")
    refused, code, _ = play(second, name="macchange_undo.yml")
    assert ("mac_binding.changed_since", True) == (refused["code"], code != 0)


TOUCHED = Path("/tmp/athome-mac-injected")
TEMPLATE = f"{{{{ lookup('pipe', 'touch {TOUCHED}') }}}}"
BAD = [
    pytest.param(CHANGE | {"macchange_mac_after": TEMPLATE}, "macchange.yml", id="mac_after"),
    pytest.param({"macchange_transaction": TEMPLATE}, "macchange_undo.yml", id="transaction"),
    *(
        pytest.param(values, "macchange.yml", id=name, marks=pytest.mark.long)
        for name, values in {
            "mac_before": CHANGE | {"macchange_mac_before": TEMPLATE},
            "extension": CHANGE | {"macchange_extension": TEMPLATE},
            "state": CHANGE | {"macchange_state": TEMPLATE},
            "unsafe": CHANGE | {"macchange_mac_after": {"__ansible_unsafe": TEMPLATE}},
            "list": CHANGE | {"macchange_extension": ["3010"]},
            "no-state": CHANGE | {"macchange_state": "undone"},
            "none": {},
        }.items()
    ),
]


@pytest.mark.parametrize(("values", "name"), BAD)
def test_bad_arguments(lab, values, name):
    """Bad or forgotten arguments get words with an example; no template is executed, no server asked."""
    TOUCHED.unlink(missing_ok=True)
    result, code, said = play(values, name=name)
    assert (None, True) == (result, code != 0)
    assert "For example: --limit gv2p -e macchange_" in " ".join(said.split())
    assert not TOUCHED.exists()


@pytest.mark.parametrize(
    ("limit", "name", "values"),
    [
        (None, "macchange.yml", CHANGE),
        pytest.param("gv1p,gv2p", "macchange.yml", CHANGE, marks=pytest.mark.long),
        pytest.param(
            None, "macchange_undo.yml", {"macchange_transaction": "20260131T12-0a"}, marks=pytest.mark.long
        ),
    ],
)
def test_more_than_one_server_is_refused(fresh, limit, name, values):
    """Without a limit to one server nothing is done on any."""
    result, code, said = play(values, limit=limit, name=name)
    assert (None, True) == (result, code != 0)
    assert "One server (--limit)" in " ".join(said.split())


def test_a_server_that_nobody_has_confirmed(fresh):
    """A server is refused until its inventory says that somebody has looked; each variable is named."""
    before = on_server()
    result, code, said = play(CHANGE | {"mac_binding_confirmed": False, "mac_binding_notify": {}})
    missing = ["mac_binding_confirmed", "mac_binding_notify"]
    assert ("mac_binding.not_confirmed", missing, True) == (
        result["code"], result["data"]["missing"], code != 0,
    )  # fmt: skip
    assert all(name in said for name in missing)
    assert before == on_server()


@pytest.mark.long
def test_a_bad_description_is_refused_before_any_server(lab):
    """A format that there is not is named by the argument specs, and no server is asked."""
    result, code, said = play(CHANGE | {"mac_binding_files": [{"path": "/etc/x", "format": "xml"}]})
    assert (None, True) == (result, code != 0)
    assert "value of format must be one of: ini, lines, names" in " ".join(said.split())


def started_by_us(folder):
    """The processes whose command line or environment names this folder: Ansible and its connections."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


@pytest.mark.parametrize(
    ("mode", "mac"),
    [
        (("slow", "2"), NEW),
        pytest.param(("hang",), OLD, marks=pytest.mark.long),
        pytest.param(("apply-and-hang",), OLD, marks=pytest.mark.long),
    ],
)
def test_a_lost_connection(fresh, tmp_path, mode, mac):
    """With Ansible and SSH killed in its middle a change goes on to its end, and nothing is left over."""
    processes = "ps -eo args= | grep -e '[p]ython' -e '[a]rimonitor-notify' | sort"
    running = fleet.on(SERVER, processes)
    before = fleet.phones(SERVER)
    fleet.on(SERVER, "arimonitorctl", *mode)
    command = [fleet.PLAYBOOK, "-i", "inventory/lab", "playbooks/macchange.yml", "--limit", SERVER]
    ansible = subprocess.Popen(
        [*command, "-e", json.dumps(CHANGE)],
        cwd=fleet.PROJECT,
        env={**os.environ, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(tmp_path / "cp")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    journal = f"cat {STATE}/backups/$(cat {STATE}/journal)/manifest.json"
    wait_for(lambda: "notifying" in fleet.on(SERVER, journal, check=False))
    mine = started_by_us(tmp_path)
    assert len(mine) >= 2  # Ansible, and the connection that it keeps
    for pid in mine:
        os.kill(pid, signal.SIGKILL)
    ansible.wait()
    assert "notifying" in fleet.on(SERVER, journal)  # nobody is there any more, and it goes on
    assert running != fleet.on(SERVER, processes)

    wait_for(lambda: "gone" in fleet.on(SERVER, f"test -e {STATE}/journal || echo gone"), 30)
    assert tuple(content.replace(OLD.encode(), mac.encode()) for content in before) == fleet.phones(SERVER)
    fleet.on(SERVER, f"flock -w 20 {STATE}/lock true")
    assert "" == fleet.on(SERVER, "find /etc/asterisk -name '*athome*'")
    wait_for(lambda: running == fleet.on(SERVER, processes))
    if mode != ("apply-and-hang",):  # that one has heard of the way back, and did not say so
        assert mac == fleet.arimonitor_has(SERVER, "3010")
    fleet.on(SERVER, "arimonitorctl accept")
    result, _, _ = play(CHANGE)
    expected = "mac_binding.already_changed" if mac == NEW else "mac_binding.changed"
    assert (expected, {}) == (result["code"], {k: v for k, v in notices(result).items() if k != "group_bit"})
    assert NEW == fleet.arimonitor_has(SERVER, "3010")


def test_python_2_alone(lab):
    """On a server that has Python 2.7 and no other the module does and undoes the same, byte for byte."""
    folder = "/tmp/athome-mac-binding-test"
    ssh = ["ssh", "-F", "/run/athome-lab/ssh/config", "audio"]

    def module(**more):
        arguments = {
            "extension": "3010", "mac_before": OLD, "mac_after": NEW, "host": "audio", "confirmed": True,
            "files": [
                {"path": f"{folder}/users.conf", "format": "ini", "key": "macaddress"},
                {"path": f"{folder}/macs.csv", "format": "lines", "pattern": PATTERN,
                 "line": "{extension};{mac};"},
            ],
            "notify": {"type": "none"}, "state_dir": f"{folder}/state", **more,
        }  # fmt: skip
        source = MODULE.read_text().replace(MARK, json.dumps(arguments))
        done = subprocess.run(
            [*ssh, "/usr/bin/python2.7 -"], input=source.encode(), capture_output=True, check=True, timeout=60
        )
        return json.loads(done.stdout)

    def content(name):
        return subprocess.run(
            [*ssh, f"cat {folder}/{name}"], capture_output=True, check=True, timeout=60
        ).stdout

    fleet.on("audio", f"rm -rf {folder}; mkdir {folder}")
    try:
        for name, text in (("users.conf", USERS), ("macs.csv", MACS)):
            subprocess.run([*ssh, f"cat > {folder}/{name}"], input=text, check=True, timeout=60)
        change = module()
        assert "mac_binding.changed" == change["code"]
        assert USERS.replace(OLD.encode(), NEW.encode()) == content("users.conf")
        assert "mac_binding.undone" == module(state="undone", **change["undo"])["code"]
        assert (USERS, MACS) == (content("users.conf"), content("macs.csv"))
    finally:
        fleet.on("audio", f"rm -rf {folder}")
