"""Real fail2ban servers of three releases, each with its own folder and network namespace.

The releases come as Debian packages from the mirror that apt is set up with, unpacked under
~/.cache/athome-lab/fail2ban (``python tests/roles/fail2ban_access/servers.py`` fetches them, once). Inside
the lab there is no way out, so they are fetched before.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from lab.mirror import debian_mirror

ROLE = Path(__file__).parents[3] / "roles" / "fail2ban_access"
MODULE = ROLE / "library" / "fail2ban_access.py"
MARK = "<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>"
SETTLE = "\nSETTLE = 1.2 "  # what the module waits for failures on their way; most tests have none there
SHORT = "\nSETTLE = 0.1 "
END = b"<F2B_END_COMMAND>"
CACHE = Path.home() / ".cache" / "athome-lab" / "fail2ban"
# release: (Debian suite, packages). 0.11.2 does not run on Python 3.10 and newer: its own Python comes along.
RELEASES = {
    "0.11.2": ("bullseye", ["fail2ban", "python3.9-minimal", "libpython3.9-minimal", "libpython3.9-stdlib"]),
    "1.0.2": ("bookworm", ["fail2ban"]),
    "1.1.0": ("trixie", ["fail2ban"]),
}


def fetch(release: str) -> Path:
    """The folder into which this release is unpacked; fetched when it is not there yet."""
    suite, packages = RELEASES[release]
    root = CACHE / release
    if (root / "usr/bin/fail2ban-client").exists():
        return root
    work = CACHE / f"{release}.fetch"
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial", "root"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (work / "sources").write_text(f"deb [signed-by={key}] {debian_mirror()} {suite} main\n")
    options = {
        "Dir::Etc::sourcelist": work / "sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "download", *packages], check=True, cwd=work)
    for package in work.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, work / "root"], check=True)
    (work / "root").rename(root)
    # Without compiled files each start of the client would compile fail2ban anew.
    subprocess.run(
        [*interpreter(root), "-m", "compileall", "-q", root / "usr/lib"],
        stdout=subprocess.DEVNULL,
        check=False,
    )
    shutil.rmtree(work)
    return root


def interpreter(root: Path) -> list[str]:
    """The command that runs Python with this release of fail2ban: its own Python, or this machine's."""
    env = ["env", f"PYTHONPATH={root}/usr/lib/python3/dist-packages"]
    own = root / "usr/bin/python3.9"
    return [*env, f"PYTHONHOME={root}/usr", str(own)] if own.exists() else [*env, "/usr/bin/python3"]


class Server:
    """One private fail2ban: ``folder/etc`` is its configuration, ``folder/bin`` its programs."""

    JAILS = """\
[DEFAULT]
banaction = nftables
banaction_allports = nftables[type=allports]
usedns = no
backend = polling
bantime = 1h
findtime = 1h
maxretry = 3
{default}
[sshd]
enabled = true
backend = polling
logpath = {folder}/auth.log
{sshd}
[asterisk]
enabled = true
logpath = {folder}/asterisk.log
{asterisk}
[recidive]
enabled = true
logpath = {folder}/fail2ban.log
"""

    def __init__(self, release: str, folder: Path) -> None:
        self.release, self.folder = release, folder
        self.etc = folder / "etc"
        self.root = fetch(release)
        self.process: subprocess.Popen[bytes] | None = None
        shutil.copytree(self.root / "etc/fail2ban", self.etc, symlinks=True)
        for path in (self.etc / "jail.d").glob("*"):
            path.unlink()
        names = ("socket", "pidfile", "dbfile")
        lines = [f"{name} = {folder}/{name}" for name in names] + [f"logtarget = {folder}/fail2ban.log"]
        (self.etc / "fail2ban.local").write_text("\n".join(["[Definition]", *lines, ""]))
        for log in ("auth.log", "asterisk.log", "fail2ban.log"):
            (folder / log).touch()
        self.jails()
        (folder / "bin").mkdir()
        for name in ("fail2ban-client", "fail2ban-server"):
            path = folder / "bin" / name
            command = " ".join(interpreter(self.root))
            path.write_text(f'#!/bin/sh\nexec {command} {self.root}/usr/bin/{name} "$@"\n')
            path.chmod(0o755)
        self.network = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        here, there = Path("/proc/self/ns/net"), Path(f"/proc/{self.network.pid}/ns/net")
        while here.readlink() == there.readlink():
            time.sleep(0.01)
        self.inside = ["nsenter", "-t", str(self.network.pid), "-n"]

    def jails(self, default: str = "", sshd: str = "", asterisk: str = "") -> None:
        """Write jail.local; the arguments are lines added to its sections."""
        text = self.JAILS.format(folder=self.folder, default=default, sshd=sshd, asterisk=asterisk)
        (self.etc / "jail.local").write_text(text)

    def start(self) -> Server:
        command = [self.folder / "bin/fail2ban-server", "-c", self.etc, "-x", "-f", "start"]
        log = (self.folder / "server.out").open("ab")
        self.process = subprocess.Popen([*self.inside, *command], stdout=log, stderr=log)
        end = time.time() + 20
        while time.time() < end:
            if "recidive" in self.client("status", "recidive", check=False):
                return self
            time.sleep(0.05)
        raise RuntimeError((self.folder / "server.out").read_text()[-2000:])

    def stop(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def close(self) -> None:
        if self.process:
            self.process.kill()  # nobody needs its firewall or database again
            self.process.wait()
        self.network.kill()
        self.network.wait()

    def client(self, *words: str, check: bool = True) -> str:
        """fail2ban-client's own words; ``check`` demands success."""
        command = [*self.inside, self.folder / "bin/fail2ban-client", "-c", self.etc, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout

    def ban(self, address: str, *jails: str) -> None:
        for jail in jails or ("sshd",):
            self.client("set", jail, "banip", address)

    def ask(self, *words: str) -> object:
        """Ask over fail2ban's socket: what its client asks, without the start of a program."""
        with socket.socket(socket.AF_UNIX) as connection:
            # A path within the folder: the whole one may be longer than a socket's address can be.
            folder = os.open(self.folder, os.O_PATH)
            try:
                connection.connect(f"/proc/self/fd/{folder}/socket")
            finally:
                os.close(folder)
            connection.sendall(pickle.dumps(list(words)) + END)
            answer = b""
            while not answer.endswith(END):
                part = connection.recv(65536)
                assert part, "fail2ban closed the connection"
                answer += part
        code, value = pickle.loads(answer[: -len(END)])  # noqa: S301 - of a server that the test has started
        assert code == 0, value
        return value

    def banned(self, address: str) -> list[str]:
        """The jails that ban exactly this address."""
        return sorted(self.ask("banned", address)[0])

    def ignored(self, jail: str) -> set[str]:
        return set(self.ask("get", jail, "ignoreip"))

    def fail(self, address: str, times: int = 3) -> None:
        """Failed logins, as sshd writes them."""
        now = time.strftime("%b %d %H:%M:%S")
        line = f"{now} host sshd[1]: Failed password for root from {address} port 4711 ssh2\n"
        with (self.folder / "auth.log").open("a") as log:
            log.write(line * times)

    def catches(self, address: str) -> None:
        """Failed logins of one more address, until it is banned: those that came before have been seen."""
        self.fail(address, 9)
        end = time.time() + 20
        while not self.banned(address):
            assert time.time() < end
            time.sleep(0.05)

    def nft(self, *words: str) -> str:
        return subprocess.run(
            [*self.inside, "nft", *words], capture_output=True, text=True, check=True
        ).stdout

    def configuration(self) -> dict[str, bytes]:
        """Every file below the configuration folder, to see that nothing changed."""
        return {str(p.relative_to(self.etc)): p.read_bytes() for p in self.etc.rglob("*") if p.is_file()}

    def module(self, address: object, state: str = "present", **options: object) -> dict:
        """Run the module as Ansible would, and return its result."""
        return self.result(self.popen(address, state, **options))

    @staticmethod
    def result(process: subprocess.Popen[bytes]) -> dict:
        """Wait for a run's end and return its result."""
        out, err = process.communicate(timeout=120)
        assert err == b"", err.decode()
        result = json.loads(out)
        assert process.returncode == (1 if result["failed"] else 0)
        return result

    def popen(
        self,
        address: object,
        state: str = "present",
        *,
        python: str = sys.executable,
        patient: bool = False,
        **more: object,
    ):
        """Start the module; ``patient``: it watches for late bans for as long as on a customer's server."""
        args = {
            "address": address,
            "state": state,
            "config_dir": str(self.etc),
            "client": str(self.folder / "bin/fail2ban-client"),
            "work_dir": str(self.folder / "work"),
        }
        args.update(more)
        source = MODULE.read_text().replace(MARK, json.dumps(args))
        assert source.count(SETTLE) == 1
        source = source if patient else source.replace(SETTLE, SHORT)
        process = subprocess.Popen(
            [*self.inside, python, "-B", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(source.encode())
        process.stdin.close()
        process.stdin = None
        return process


if __name__ == "__main__":
    for name in RELEASES:
        print(name, fetch(name))
