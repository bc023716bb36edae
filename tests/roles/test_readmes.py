"""What every role says of itself: README, defaults and galaxy metadata, whichever roles there are."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from dispatcher.settings import PROJECT
from tests.roles.readme import ROLES, filled, specs

every_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
PROGRAMS = Path(sys.executable).parent


def example(role):
    """The playbook in the README."""
    block = (role / "README.md").read_text().split("\n## Example\n")[1]
    fenced = re.search(r"```ya?ml\n(.*?)```", block, re.DOTALL)
    return fenced[1] if fenced else textwrap.dedent(re.match(r"\n*((?:    .*\n|\n)+)", block)[1])


@every_role
def test_readme_has_the_tables_of_the_specs(role):
    """Each variable and key has the type, default and words of the argument specs: -m tests.roles.readme."""
    readme = (role / "README.md").read_text()
    assert filled(readme, specs(role)) == readme


@every_role
def test_defaults_are_those_of_the_specs(role):
    """defaults/main.yml has exactly the variables that have a default, with the specs' values."""
    told = {name: spec["default"] for name, spec in specs(role).items() if "default" in spec}
    assert told == yaml.safe_load((role / "defaults/main.yml").read_text())


@every_role
def test_galaxy_metadata_is_complete(role):
    """What a galaxy shows of a role is there, and names the role as its folder does."""
    meta = yaml.safe_load((role / "meta/main.yml").read_text())
    about = meta["galaxy_info"]
    assert (role.name, "athome", "MIT", "2.16", []) == (
        about["role_name"], about["namespace"], about["license"], about["min_ansible_version"],
        meta["dependencies"],
    )  # fmt: skip
    assert all(about[key] for key in ("author", "description", "platforms", "galaxy_tags"))
    assert f"]({role.name}/README.md)" in (PROJECT / "roles/README.md").read_text()


def test_the_examples_are_playbooks(tmp_path):
    """Ansible takes the playbook of every README as it stands, with the role alone beside it."""
    for role in ROLES:
        (tmp_path / f"{role.name}.yml").write_text(example(role))
        (tmp_path / "roles").mkdir(exist_ok=True)
        (tmp_path / "roles" / role.name).symlink_to(role)
    files = sorted(path.name for path in tmp_path.glob("*.yml"))
    assert len(ROLES) == len(files)
    command = [PROGRAMS / "ansible-playbook", "--syntax-check", "-i", "pbx,", *files]
    done = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr


def test_ansible_documents_every_module():
    """ansible-doc shows each module with options, an example and what it returns, and says nothing else."""
    modules = sorted(path.stem for path in PROJECT.glob("roles/*/library/*.py"))
    assert modules == sorted(path.stem for path in PROJECT.glob("roles/*/library/*.yml"))
    done = subprocess.run(
        [PROGRAMS / "ansible-doc", "-t", "module", "--json", *modules],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = yaml.safe_load(done.stdout)
    assert modules == sorted(told)
    assert all(one["examples"] and one["return"] and one["doc"]["options"] for one in told.values())
    assert "" == done.stderr


def test_ansible_documents_every_role():
    """ansible-doc shows each role's variables."""
    names = [role.name for role in ROLES]
    done = subprocess.run(
        [PROGRAMS / "ansible-doc", "-t", "role", "-r", "roles", "--json", *names],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = yaml.safe_load(done.stdout)
    assert {role.name: set(specs(role)) for role in ROLES} == {
        name: set(one["entry_points"]["main"]["options"]) for name, one in told.items()
    }


ALONE = """
- hosts: localhost
  gather_facts: false
  vars: {here: "{{ playbook_dir }}"}
  tasks:
    - include_role: {name: server_check}
    - include_role: {name: mac_binding}
      vars:
        mac_binding_state: query
        mac_binding_extension: "3010"
        mac_binding_files: [{path: "{{ here }}/users.conf", format: ini, key: macaddress}]
        mac_binding_state_dir: "{{ here }}/state"
    - block:
        - include_role: {name: fail2ban_access}
          vars:
            fail2ban_access_address: 203.0.113.7
            fail2ban_access_state: query
            fail2ban_access_config_dir: "{{ here }}/none"
      rescue:
        - ansible.builtin.meta: clear_host_errors
    - include_role: {name: audio_collection}
      vars:
        audios_from: localhost
        audio_collection_extensions: "1121"
        audio_collection_start: "2025-11-03 08:00"
        audio_collection_end: "2025-11-03 11:59"
        audio_collection_layout: {root: "{{ here }}/monitor/"}
        audio_collection_publish: {type: file, folder: "{{ here }}", url: https://pbx.example.com/}
        audio_collection_state_dir: "{{ here }}/state-audio"
        audio_collection_controller_dir: "{{ here }}/state-audio"
    - ansible.builtin.copy:
        content: >-
          {{ [server_check_result.code, mac_binding_result.code, fail2ban_access_result.code,
          audio_collection_result.code] | to_json }}
        dest: "{{ here }}/codes"
        mode: "644"
"""


@pytest.mark.long
def test_a_role_works_alone(tmp_path):
    """Packed and installed as the roles' README says, each role works where there is nothing else of ours."""
    environment = {"PATH": f"{PROGRAMS}:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}

    def run(*command):
        subprocess.run(command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, check=True)

    for name in ("server_check", "mac_binding", "fail2ban_access", "audio_collection"):
        run("tar", "-C", str(PROJECT / "roles"), "-czf", f"{name}.tar.gz", name)
        run("ansible-galaxy", "role", "install", "--roles-path", "roles", f"{name}.tar.gz,,{name}")
    (tmp_path / "monitor").mkdir()
    (tmp_path / "users.conf").write_text("[3010]\nmacaddress = 010203040506\n")
    (tmp_path / "play.yml").write_text(ALONE)
    run("ansible-playbook", "play.yml")
    codes = ["server.seen", "mac_binding.found", "fail2ban.absent", "audio.nothing_found"]
    assert codes == yaml.safe_load((tmp_path / "codes").read_text())
