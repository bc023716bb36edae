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
from tests.markdown import blocks
from tests.road import DISPATCHER, OPERATOR, Mailbox, waited

HOST = "audio2"
ROOT = Path("/run/lab/hosts", HOST, "root")
WHEELS = PROJECT / "build/wheels"
PAGE = PROJECT / "docs/INSTALACAO.md"
INSTALL = "ansible-playbook -i inventory/production playbooks/site.yml"
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
    typed: set[str] = field(default_factory=set)
    more: tuple[str, ...] = ()  # arguments of every playbook

    def __post_init__(self) -> None:
        secrets = self.lab / "secrets"
        password = (secrets / "mail-athome").read_text()
        self.source = checkout(self.folder / "checkout")
        self.values = {
            "dispatcher_source": str(self.source),
            "dispatcher_wheelhouse": str(WHEELS),
            "dispatcher_inventory": str(self._inventory()),
            "dispatcher_known_hosts": self._known_hosts(),
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
            self.play(INSTALL, dispatcher_state="absent", dispatcher_purge=True)
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
        of["checkip_servers"]["vars"] |= {
            f"fail2ban_access_{each}_timeout": 270 for each in ("lock", "total")
        }
        fleet_of_lab["all"]["vars"] = {
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        made = self.folder / "inventory"
        made.mkdir()
        (made / "hosts.yml").write_text(yaml.safe_dump(fleet_of_lab))
        return made

    def _known_hosts(self) -> str:
        """Gather the host keys of the fleet as the page does."""
        for line in (each for each in page() if each.startswith("ssh-key")):
            self.typed.add(line)
            subprocess.run(["sh", "-c", line], cwd=self.folder, capture_output=True, check=True, timeout=60)
        return (self.folder / "known_hosts").read_text()

    @contextmanager
    def playing(self, line: str = INSTALL, **values: Any) -> Iterator[subprocess.Popen]:
        """Run a playbook as the page has it; what is said besides, secrets too, stands in a file."""
        file = self.folder / "values.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(self.values | values))
        with subprocess.Popen(
            [*self._typed(line), *self.more, "-e", f"@{file}"], cwd=PROJECT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as running:  # fmt: skip
            yield running

    def play(self, line: str = INSTALL, **values: Any) -> Played:
        """Run a playbook to its end."""
        with self.playing(line, **values) as running:
            return played(running)

    def type(self, line: str, **instead: str) -> str:
        """Run a command as the page has it, but for these words: on the host, or, of Ansible, here."""
        words = self._typed(line, **instead)
        if words[0].startswith("/"):
            done = subprocess.run(
                words,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=True,
                timeout=120,
            )
            return done.stdout
        return self.on(shlex.join(words[words[0] == "sudo" :]))

    def _typed(self, line: str, **instead: str) -> list[str]:
        assert line in page(), f"{PAGE} has no such line: {line}"
        self.typed.add(line)
        for old, new in {"production": "lab", "ana@example.com": OPERATOR, **instead}.items():
            line = line.replace(old, new)
        program, *rest = shlex.split(line)
        return [str(fleet.PLAYBOOK.with_name(program)) if program.startswith("ansible") else program, *rest]

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


def page() -> list[str]:
    """Return what the page of the installation has to be typed, line by line."""
    typed = [block.text for block in blocks(PAGE) if block.language == ""]
    return [line for text in typed for line in text.replace("\\\n  ", "").splitlines()]


def played(running: subprocess.Popen) -> Played:
    """Wait for a run of the playbook."""
    said, _ = running.communicate(timeout=280)
    changed = sum(int(count) for count in re.findall(r"(?m)^\w+ +: ok=\d+ +changed=(\d+)", said))
    return Played(running.returncode, changed, said)


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
