"""The lab's bare host, the playbook that makes a service of it, and what an operator sees of both."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import yaml

from dispatcher.settings import PROJECT
from lab.send import send
from tests import fleet
from tests.road import DISPATCHER, OPERATOR, Mailbox, waited

HOST = "audio2"
ROOT = Path("/run/lab/hosts", HOST, "root")
WHEELS = PROJECT / "build/wheels"
MAIL = {"host": "mail.lab.example", "user": DISPATCHER, "ca_file": "/etc/ssl/certs/lab.pem"}


@dataclass(frozen=True)
class Played:
    """One run of the playbook."""

    code: int
    changed: int
    said: str


@dataclass
class Bare:
    """The host, and what the playbook is told about it."""

    lab: Path
    folder: Path
    token: str = ""
    values: dict[str, Any] = field(init=False, repr=False)
    source: Path = field(init=False)

    def __post_init__(self) -> None:
        secrets = self.lab / "secrets"
        password = (secrets / "mail-athome").read_text()
        self.source = checkout(self.folder / "checkout")
        self.values = {
            "dispatcher_source": str(self.source),
            "dispatcher_wheelhouse": str(WHEELS),
            "dispatcher_inventory": str(self._inventory()),
            "dispatcher_known_hosts": (self.lab / "ssh/known_hosts").read_text(),
            "dispatcher_settings": {
                "imap": MAIL, "smtp": MAIL, "runs": {"tell_after": 0},
                "mail": {"address": DISPATCHER, "authserv_id": MAIL["host"], "nameservers": ["192.0.2.41"]},
            },
            "dispatcher_secrets": {
                "imap-password": password, "smtp-password": password,
                "aws-credentials": (secrets / "aws-credentials").read_text(),
            },
        }  # fmt: skip
        if (ROOT / "etc/athome").exists():  # an earlier run of these tests was in this lab
            self.play(dispatcher_state="absent", dispatcher_purge=True)
        (ROOT / "etc/ssl/certs/lab.pem").write_bytes((self.lab / "ca.pem").read_bytes())

    def _inventory(self) -> Path:
        """Lay out the lab's fleet as the service sees it: with its own key, known hosts and keys of S3."""
        fleet_of_lab = yaml.safe_load((PROJECT / "inventory/lab/hosts.yml").read_text())
        for group, of in fleet_of_lab["all"]["children"].items():
            for file in sorted((PROJECT / "inventory/lab/group_vars" / group).glob("*.yml")):
                of.setdefault("vars", {}).update(yaml.safe_load(file.read_text()))
        of = fleet_of_lab["all"]["children"]
        of["sip_servers"]["vars"].pop("audio_collection_controller_dir")
        for part in ("source", "publish"):
            of["sip_servers"]["vars"][f"audio_collection_{part}"].pop("credentials_file")
        # A job that is held up waits as long as an upgrade takes.
        of["checkip_servers"]["vars"]["fail2ban_access_lock_timeout"] = 100
        fleet_of_lab["all"]["vars"] = {
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        made = self.folder / "inventory"
        made.mkdir()
        (made / "hosts.yml").write_text(yaml.safe_dump(fleet_of_lab))
        return made

    @contextmanager
    def playing(self, *arguments: str, **values: Any) -> Iterator[subprocess.Popen]:
        """Run the playbook; what is secret stands in a file and in no argument."""
        file = self.folder / "values.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(self.values | values))
        command = [fleet.PLAYBOOK, "-i", "inventory/lab", "playbooks/site.yml", "-e", f"@{file}", *arguments]
        with subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        ) as running:  # fmt: skip
            yield running

    def play(self, *arguments: str, **values: Any) -> Played:
        """Run the playbook to its end."""
        with self.playing(*arguments, **values) as running:
            return played(running)

    def on(self, command: str, *, check: bool = True) -> str:
        """Run a shell command on the host, as root."""
        return fleet.on(HOST, command, check=check)

    def athome(self, *arguments: str, check: bool = True) -> str:
        """Run `athome …` as root does there."""
        return self.on(shlex.join(["athome", *arguments]), check=check)

    def jobs(self) -> list[dict[str, Any]]:
        """Return the jobs, newest first."""
        return json.loads(self.athome("jobs", "list", "--json"))

    def status(self) -> str:
        """Return what the service says of itself."""
        return self.on("systemctl show -p StatusText --value athome.service", check=False)

    def open_the_fleet(self) -> None:
        """Do what the playbook's last words ask for: its public key, on every server."""
        key = self.on("cat /etc/athome/credentials/ssh-key.pub")
        for host in (*fleet.CHECKIP_SERVERS, "voip3", "audio"):
            keys = ROOT.parents[1] / host / "root/root/.ssh/authorized_keys"
            keys.write_text(keys.read_text() + key)

    def send(self, command: str) -> str:
        """Have the operator send a command; return the mail's Message-ID."""
        return send(OPERATOR, DISPATCHER, f"[{self.token}] {command}")

    def answers(self, message_id: str) -> list[EmailMessage]:
        """Return the answers that there are by now."""
        return Mailbox(self.lab, OPERATOR).answers(message_id)

    def answer(self, message_id: str) -> EmailMessage:
        """Wait for the answer."""
        return Mailbox(self.lab, OPERATOR).answer(message_id)

    def release(self, name: str = "current") -> str:
        """Return the release that a link is to."""
        return (ROOT / "opt/athome" / name).readlink().name

    def reboot(self) -> None:
        """Start the host anew; return when it lets one in again."""
        boot = "cut -d' ' -f22 /proc/1/stat"
        before = self.on(boot)
        self.on("systemctl reboot", check=False)
        waited(lambda: (now := self.on(boot, check=False)) and now != before, "no reboot", pause=0.3)


def played(running: subprocess.Popen) -> Played:
    """Wait for a run of the playbook."""
    said, _ = running.communicate(timeout=280)
    counts = re.search(rf"{HOST} .*changed=(\d+)", said)
    return Played(running.returncode, int(counts[1]) if counts else -1, said)


def checkout(folder: Path) -> Path:
    """Copy what the program is built of: a checkout that a test may change."""
    for name in (
        "dispatcher",
        "playbooks",
        "roles",
        "templates",
        "locale",
        "requirements",
        "inventory/production",
    ):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("ansible.cfg", "README.md", "LICENSE", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    return folder


def release(source: Path, version: str) -> None:
    """Let a checkout be of another version."""
    package = source / "dispatcher/__init__.py"
    package.write_text(re.sub('(?m)^__version__ = ".*"', f'__version__ = "{version}"', package.read_text()))
