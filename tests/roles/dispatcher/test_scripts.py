"""What the role sends to a Python: what it packs, what of an inventory it takes, what it sees of a host."""

import json
import subprocess
import sys
import tarfile

import pytest

from dispatcher.settings import PROJECT
from tests.roles.loading import loaded

FILES = PROJECT / "roles/dispatcher/files"
TAKEN = (
    "hosts.yml",
    "group_vars/all/connection.yml",
    "group_vars/dispatchers_of_old.yml",
    "host_vars/gv1p.yml",
)
LEFT = (
    "group_vars/dispatchers.yml", "group_vars/dispatchers/dispatcher.yml", "host_vars/audio2/more.yml",
    "host_vars/audio2.yml", "group_vars/.hosts.yml.swp", "hosts.yml~",
)  # fmt: skip


def lay(folder, *names, content="{}"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_of_an_inventory_the_fleet_is_taken(tmp_path, capsys):
    """Not what is about the dispatchers, what an editor left, or what nobody there could decrypt."""
    lay(tmp_path, *TAKEN, *LEFT)
    lay(tmp_path, "group_vars/all/vault.yml", content="$ANSIBLE_VAULT;1.1;AES256\n3031\n")
    loaded(FILES / "fleet.py").main(tmp_path, "audio2")
    assert sorted(TAKEN) == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("content", ["a: !vault |\n  $ANSIBLE_VAULT;1.1\n", "dispatcher_secrets: {a: b}"])
def test_a_secret_does_not_go_along(tmp_path, content):
    """A value that nobody there could decrypt, or one that the service must not have as a file, is named."""
    lay(tmp_path, "hosts.yml", content="# dispatcher_secrets are elsewhere")
    lay(tmp_path, "group_vars/all.yml", content=content)
    with pytest.raises(SystemExit, match=r"group_vars/all\.yml would be copied"):
        loaded(FILES / "fleet.py").main(tmp_path)


@pytest.mark.parametrize("other", ["ansible.cfg", "roles/x"])
def test_a_folder_with_more_than_an_inventory_is_refused(tmp_path, other):
    """An inventory file beside a whole project does not take the project along."""
    lay(tmp_path, "hosts.yml", other)
    with pytest.raises(SystemExit, match=f"more than an inventory in it .{other.partition('/')[0]}"):
        loaded(FILES / "fleet.py").main(tmp_path)
    with pytest.raises(SystemExit, match="is no folder"):
        loaded(FILES / "fleet.py").main(tmp_path / "hosts.yml")


def test_a_bundle_has_all_that_a_host_needs(tmp_path, capsys):
    """Wheel, requirements and wheels; only what decides about the release is hashed, and old bundles go."""
    pack = loaded(FILES / "pack.py")
    lay(tmp_path / "source/requirements", *pack.REQUIREMENTS, content="x==1")
    lay(tmp_path, "athome_voip_monitor-7.8.9-py3-none-any.whl", "wheels/ready", "wheels/x-1.whl")
    lay(tmp_path, "source/build/release/old.tar")

    def packed(wheels):
        pack.main(tmp_path / "source", str(tmp_path / "athome_voip_monitor-7.8.9-py3-none-any.whl"), wheels)
        return json.loads(capsys.readouterr().out)

    alone, whole = packed(""), packed(str(tmp_path / "wheels"))
    assert ("7.8.9", alone["hashes"]) == (whole["version"], whole["hashes"])
    assert {*pack.REQUIREMENTS, "wheel"} == set(whole["hashes"])
    with tarfile.open(whole["bundle"]) as tar:
        assert {"build.txt", "runtime.txt", "wheels/x-1.whl"} < set(tar.getnames())
    assert 1 == len(list((tmp_path / "source/build/release").iterdir()))


def test_what_is_lacking_is_named(tmp_path):
    """A folder that is no checkout, and one of wheels that is not finished, are told with the way out."""
    pack = loaded(FILES / "pack.py")
    with pytest.raises(SystemExit, match="set dispatcher_source to the checkout"):
        pack.main(tmp_path, "", "")
    lay(tmp_path / "requirements", *pack.REQUIREMENTS)
    with pytest.raises(SystemExit, match="make build/wheels/ready"):
        pack.main(tmp_path, "", str(tmp_path))


def test_a_host_is_looked_at_in_one_go(tmp_path):
    """Any Python answers with all that the role asks for, and the shell understands the role's scripts."""
    done = subprocess.run(
        [sys.executable, "-", '["athome.service"]'], input=(FILES / "look.py").read_text(),
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    seen = json.loads(done.stdout)
    assert list(sys.version_info[:3]) == seen["python"]
    assert seen["family"]
    for script in FILES.glob("*.sh"):
        subprocess.run(["sh", "-n", script], check=True)
