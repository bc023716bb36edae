"""A run that ARA records: what its own pages and programs show of it, and what they do not."""

import json
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from dispatcher.settings import PROJECT

pytestmark = pytest.mark.long
UV = Path(sys.executable).with_name("uv")
ADDRESS, SECRET = "203.0.113.7", "invented-secret"


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """An environment with the locked requirements that have ARA among them; the folder of its programs."""
    folder = tmp_path_factory.mktemp("ara")
    install = [UV, "pip", "install", "--quiet", "--python", folder / "bin/python", "--no-deps"]
    for command in (
        [UV, "venv", "--quiet", "--python", sys.executable, folder],
        [*install, "--require-hashes", "--requirement", PROJECT / "requirements/deploy.txt"],
        [*install, "--require-hashes", "--requirement", PROJECT / "requirements/runtime-ara.txt"],
        [*install, "--no-build-isolation", PROJECT],
    ):
        subprocess.run(command, check=True)
    return folder / "bin"


@pytest.fixture
def athome(tmp_path, programs):
    """A function that runs `athome …` on a fleet of this machine alone, and records there."""
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    host |= {"ansible_password": SECRET}
    inventory = {"all": {"children": {"checkip_servers": {"hosts": {"gv1p": host}}}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))

    def run(where, *arguments):
        settings = {"inventory": "hosts.yml", "state_dir": "state", "runs": {"ara": where}}
        (tmp_path / "settings.yml").write_text(yaml.safe_dump(settings))
        command = [programs / "athome", "--settings", tmp_path / "settings.yml", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    return run


def preview(athome, where):
    """Preview a CHECKIP, on a machine without the fail2ban that it asks for -> its only server's result."""
    done = athome(where, "run", f"CHECKIP={ADDRESS}", "--check", "--json")
    (host,) = json.loads(done.stdout)["report"]["hosts"]
    return host


def recorded(programs, folder):
    """Ask ARA by its own client -> the playbooks that it has, each with what its tasks returned."""
    ask = """
import json
from ara.clients.utils import get_client
ara = get_client("offline")
playbooks = ara.get("/api/v1/playbooks")["results"]
for playbook in playbooks:
    results = ara.get(f"/api/v1/results?playbook={playbook['id']}")["results"]
    playbook["contents"] = [ara.get(f"/api/v1/results/{result['id']}")["content"] for result in results]
print("\\n" + json.dumps(playbooks))
"""
    environment = {**os.environ, "ARA_BASE_DIR": str(folder)}
    done = subprocess.run(
        [programs / "python", "-c", ask], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_recorded_in_the_state_folder(athome, programs, tmp_path):
    """ARA shows runs with each server's result, and none of the inventory; after their days they are gone.

    They are the first ever, and begin at the same time.
    """
    folder = tmp_path / "state/ara"
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda _number: preview(athome, "local"), range(2)))
    assert 0o700 == folder.stat().st_mode & 0o777
    playbooks = recorded(programs, folder)
    assert len(results) == len(playbooks)
    for playbook, result in zip(playbooks, results, strict=True):
        assert playbook["path"].endswith("playbooks/checkip.yml")
        assert result["code"] in json.dumps(playbook["contents"])
        assert ADDRESS not in json.dumps(playbook["arguments"])

    database = folder / "ansible.sqlite"
    assert SECRET.encode() not in database.read_bytes()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE playbooks SET started = '2026-01-01 00:00'")
    assert 0 == athome("local", "purge").returncode
    assert [] == recorded(programs, folder)


def test_a_server_that_is_not_there_holds_nothing_up(athome):
    """The run and its result are the same when nobody is there to record it."""
    assert preview(athome, None)["code"] == preview(athome, "http://127.0.0.1:9")["code"]
