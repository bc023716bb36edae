"""Bans are real: in fail2ban, in the kernel, and for the attacker."""

import os
import socket
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from lab import topology
from tests.fleet import forget

pytestmark = pytest.mark.lab
CHECKOUT = Path(__file__).resolve().parents[2]
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 22), 2, (sys.argv[2], 0)).close()"


@pytest.fixture(scope="module", autouse=True)
def unknown_attacker(lab):
    """Nobody has whitelisted the attacker."""
    forget("203.0.113.7", "203.0.113.8")


def attack(*command, **options):
    """Run a command of this machine as the attacker; returns its exit status."""
    return subprocess.run(
        [sys.executable, "-m", "lab", "exec", "-H", "attacker", "--", *command],
        cwd=CHECKOUT, check=False, capture_output=True, **options,
    ).returncode  # fmt: skip


def reaches(address, source):
    return attack(sys.executable, "-c", CONNECT, address, source) == 0


def until(condition, patience=30):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def banned(on_host, host, jail, address):
    return address in on_host(host, "fail2ban-client", "get", jail, "banip").split()


@pytest.mark.parametrize("source", ["203.0.113.7", "2001:db8:bad::7"])
def test_banned_attacker_is_shut_out_until_unbanned(on_host, source):
    """Wrong SIP passwords in Asterisk's log lead to a ban and a rule; a closed door opens again on unban."""
    host = topology.find_host("gv2p")
    address = topology.address6(host.number) if ":" in source else topology.address4(host.number)
    on_host("gv2p", "fail2ban-client", "unban", source)
    assert reaches(address, source)
    stamp = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    peer = f"[{source}]:5060" if ":" in source else f"{source}:5060"
    line = (
        f"[{stamp}] NOTICE[1234] chan_sip.c: Registration from '<sip:1121@{host.name}>' failed for '{peer}'"
        " - Wrong password\n"
    )
    on_host("gv2p", "sh", "-c", 'printf %s "$1" >>/var/log/asterisk/messages', "-", line * 10)
    assert until(lambda: banned(on_host, "gv2p", "asterisk", source))
    assert source in on_host("gv2p", "nft", "list", "ruleset")
    assert reaches(address, source)  # the asterisk jail closes the SIP ports; sshd is another jail's
    on_host("gv2p", "fail2ban-client", "set", "recidive", "banip", source)
    assert until(lambda: not reaches(address, source))
    on_host("gv2p", "fail2ban-client", "unban", source)
    assert until(lambda: reaches(address, source))
    assert source not in on_host("gv2p", "nft", "list", "ruleset")


def test_wrong_ssh_passwords_lead_to_a_ban(on_host, tmp_path):
    """An attacker who guesses SSH passwords is banned by the sshd jail and cannot connect any more."""
    source, address = "203.0.113.8", topology.address4(topology.find_host("gv3p").number)
    on_host("gv3p", "fail2ban-client", "unban", source)
    askpass = tmp_path / "askpass"
    askpass.write_text("#!/bin/sh\necho wrong\n")
    askpass.chmod(0o755)
    environment = {**os.environ, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
    options = [
        "-o",
        "PreferredAuthentications=password",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]
    for _attempt in range(2):
        attack(
            "ssh",
            *options,
            "-o",
            "ConnectTimeout=5",
            "-b",
            source,
            f"suporte@{address}",
            "true",
            env=environment,
        )
    assert until(lambda: banned(on_host, "gv3p", "sshd", source))
    assert not reaches(address, source)
    on_host("gv3p", "fail2ban-client", "unban", source)
    assert until(lambda: reaches(address, source))


def test_the_controller_is_never_banned(on_host):
    """The administrator's own list keeps the controller in."""
    ignored = on_host("gv1p", "fail2ban-client", "get", "sshd", "ignoreip")
    assert topology.address4(topology.CONTROLLER) in ignored
    socket.create_connection((topology.address4(topology.find_host("gv1p").number), 22), 5).close()
