"""A machine as the documents suppose it: installed, with people, tokens and files, before the lab's fleet.

It is a mount namespace: `/etc/athome` and `/var/lib/athome` are in a folder of the test, what is
`inventory/production` there is the lab's, and nothing is left on the machine. Who types is root already.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import yaml

from dispatcher.settings import PROJECT
from lab.send import build
from tests.road import ADMIN, DISPATCHER, OPERATOR, waited

BIN = Path(sys.executable).parent
NEXT_JOB = 41  # the README's second `athome run` is then job 42, which its other lines speak of

MOUNTS = """
set -e
mount -t tmpfs none {folder}/layers
layer() {{
    at={folder}/layers/$1
    mkdir -p $at/upper $at/work
    mount -t overlay none -o lowerdir=/$1,upperdir=$at/upper,workdir=$at/work /$1
}}
cp -L /etc/hosts /etc/resolv.conf {folder}
layer etc; rm -f /etc/hosts /etc/resolv.conf; cp {folder}/hosts {folder}/resolv.conf /etc
layer var/lib
mkdir -p /etc/athome /var/lib/athome /run/athome-lab/athome
mount --bind {folder}/etc /etc/athome
mount --bind {folder}/state /var/lib/athome
mount --bind {folder}/state /run/athome-lab/athome
mount --bind {project}/inventory/lab {project}/inventory/production
exec {python} {project}/tests/acceptance/warm.py {folder}/warm {folder}/.venv/bin/athome
"""
PEOPLE = f"""
athome senders add {OPERATOR}
athome senders add {ADMIN} --role administrador
"""
ANA = "athome senders add ana@example.com" + "\nathome tokens issue ana@example.com" * 5 + "\n"
UNTIL_CTRL_C = """#!/usr/bin/python3 -IS
# Starts a command, lets it say something, or some seconds pass, and ends it as Ctrl-C does.
import select, signal, subprocess, sys
running = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
select.select([running.stdout], [], [], 3)
running.send_signal(signal.SIGINT)
sys.stdout.buffer.write(running.communicate()[0])
sys.exit(running.returncode)
"""
# What a page may say to a machine, and no page may do to this one.
NOT_HERE = ("apt", "apt-get", "journalctl", "poweroff", "reboot", "systemctl", "systemd-run")
FILES = {
    "lista.txt": "bia@example.com\n",
    "tokens.json": '{"tokens": [{"token": "5A5A0001", "description": "telefone", "enabled": true}]}\n',
    "settings.yml": "branding: {name: Exemplo}\n",
}


@dataclass
class Line:
    """One command of a block and what became of it."""

    text: str
    status: int
    said: str


class World:
    """Runs blocks, each in the state that was prepared."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.here = folder, folder / "checkout"
        for name in ("etc", "state", "layers", "checkout", ".venv/bin", "bin"):
            (folder / name).mkdir(parents=True)
        settings = yaml.safe_load((PROJECT / "lab/settings.yml").read_text())
        settings |= {"inventory": str(PROJECT / "inventory/production"), "state_dir": "/var/lib/athome"}
        (folder / "etc/settings.yml").write_text(yaml.safe_dump(settings))
        self._lay_files()
        script = MOUNTS.format(folder=folder, project=PROJECT, python=sys.executable)
        apart = ["unshare", "--mount", "--propagation", "private"]
        self._warm = subprocess.Popen([*apart, "bash", "-c", script])
        waited((folder / "warm").exists, "no warm athome", timeout=30, pause=0.02)
        self.prepared = {}
        for name, commands in {"people": PEOPLE, "ana": ANA}.items():
            assert [0] * commands.count("athome") == [line.status for line in self.type(commands)]
            with closing(sqlite3.connect(folder / "state/athome.db")) as database, database:
                database.execute("DELETE FROM sqlite_sequence WHERE name = 'jobs'")
                database.execute("INSERT INTO sqlite_sequence VALUES ('jobs', ?)", (NEXT_JOB - 1,))
            self.prepared[name] = shutil.copytree(folder / "state", folder / name)

    def _lay_files(self) -> None:
        """A checkout whose `.venv/bin/athome` is the warm one, with the files that documents name."""
        for path in PROJECT.iterdir():
            if path.name not in (".venv", ".git"):
                (self.here / path.name).symlink_to(path)
        venv = self.folder / ".venv"
        (self.here / ".venv").symlink_to(venv)
        for path in BIN.parent.iterdir():
            if path.name != "bin":
                (venv / path.name).symlink_to(path)
        for path in BIN.iterdir():
            if path.name != "athome":
                (venv / "bin" / path.name).symlink_to(path)
        (self.folder / "bin/athome").symlink_to(venv / "bin/athome")
        programs = {"sudo": '#!/bin/sh\nexec "$@"\n', "until-ctrl-c": UNTIL_CTRL_C}
        for name, program in (programs | dict.fromkeys(NOT_HERE, "#!/bin/sh\nfalse")).items():
            (self.folder / "bin" / name).write_text(program)
            (self.folder / "bin" / name).chmod(0o755)
        for name, text in FILES.items():
            (self.here / name).write_text(text)
        mail = build(OPERATOR, DISPATCHER, "[7E57C0DE] CHECKIP=203.0.113.7")
        for name in ("mensagem.eml", "mail.eml"):
            (self.here / name).write_bytes(mail.as_bytes())

    def _empty(self) -> None:
        for path in (self.folder / "state").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def prepare(self, text: str) -> None:
        """Put everything back. Ana is there, unless the text is about to add her."""
        self._empty()
        name = "people" if re.search(r"(senders add|ADD) ana@example\.com", text) else "ana"
        shutil.copytree(self.prepared[name], self.folder / "state", dirs_exist_ok=True)
        (self.folder / "state").chmod(0o700)
        (self.folder / "state/backups").mkdir(exist_ok=True)

    def type(self, text: str, timeout: int = 400) -> list[Line]:
        """Type the commands into one shell, one after the other, whatever becomes of each."""
        commands = split(text)
        log = self.folder / "said"
        script = "".join(
            f"exec >{log}.{number} 2>&1\n{command}\necho $? >{log}.{number}.status\n"
            for number, command in enumerate(commands)
        )
        (self.folder / "script").write_text(script)
        path = f"{self.folder}/bin:{self.folder}/.venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        inside = ["nsenter", "--mount", f"--target={self._warm.pid}", f"--wdns={self.here}", "--"]
        subprocess.run(
            [*inside, "bash", self.folder / "script"], stdin=subprocess.DEVNULL, check=False, timeout=timeout,
            env={"PATH": path, "HOME": "/root", "LANG": "C.UTF-8"},
        )  # fmt: skip
        said = [Path(f"{log}.{number}") for number in range(len(commands))]
        return [
            Line(command, int(file.with_suffix(f"{file.suffix}.status").read_text()), file.read_text())
            for command, file in zip(commands, said, strict=True)
        ]

    def end(self) -> None:
        """End what answers; the namespace goes with it."""
        self._warm.kill()
        self._warm.wait()


def split(text: str) -> list[str]:
    """Return the commands of a text: each as many lines as a shell needs to understand it."""
    commands, lines = [], []
    for line in text.splitlines():
        if not lines and (not line.strip() or line.lstrip().startswith("#")):
            continue
        lines.append(line)
        command = "\n".join(lines)
        whole = subprocess.run(["bash", "-n"], input=command, text=True, capture_output=True, check=False)
        if not line.endswith("\\") and not whole.stderr:
            commands.append(command)
            lines = []
    assert not lines, f"no shell understands: {lines}"
    return commands
