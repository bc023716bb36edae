"""The hosts are what they claim to be."""

import json
import subprocess
import sys
import time

import pytest

from lab import state, topology

pytestmark = pytest.mark.lab
NAMES = [host.name for host in topology.HOSTS]


def ssh(host, command, *options):
    done = subprocess.run(
        ["ssh", "-F", "/run/athome-lab/ssh/config", "-o", "BatchMode=yes", *options, host, command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def lab(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "lab", *arguments], capture_output=True, text=True, check=False
    )


def started(host):
    """When the host's first process started; empty while there is none."""
    return lab("sh", host, "--", "ps", "-o", "lstart=", "-p", "1").stdout


@pytest.mark.parametrize("host", NAMES)
def test_sshd_has_the_key_of_known_hosts(host):
    """Every host answers on SSH as itself, with the host key that known_hosts promises."""
    assert ssh(host, "hostname") == host


@pytest.mark.parametrize("host", NAMES)
def test_ipv6_address_is_the_same_host(host):
    """Every host is reached by its IPv6 address too, under the same key."""
    address = topology.address6(topology.find_host(host).number)
    assert ssh(host, "hostname", "-o", f"HostName={address}") == host


def test_audio_has_python2_only():
    """The old audio host has Python 2.7 and no Python 3."""
    assert (
        ssh(
            "audio", "python2.7 -c 'import sys; print(sys.version_info[:2])'; command -v python3 || echo none"
        )
        == "(2, 7)\nnone"
    )


def test_fail2ban_is_the_release_of_debian_12():
    """A SIP server runs fail2ban 1.0.2 with the jails sshd, asterisk and recidive."""
    assert ssh("gv1p", "fail2ban-client version") == "1.0.2"
    assert "asterisk, recidive, sshd" in ssh("gv1p", "fail2ban-client status")


def test_a_service_restarts_inside_its_host(on_host):
    """fail2ban can be restarted inside its host, and answers with its jails again."""
    before = on_host("voip3", "cat", "/run/fail2ban/fail2ban.pid")
    on_host("voip3", "service", "fail2ban", "restart")
    on_host("voip3", "timeout", "20", "sh", "-c", "until fail2ban-client status recidive; do sleep 0.1; done")
    assert on_host("voip3", "cat", "/run/fail2ban/fail2ban.pid") != before


def test_a_host_reboots_and_keeps_what_it_had(on_host):
    """A host under systemd can be rebooted: it comes back by itself, with its bans."""
    if json.loads((state.INSIDE / "state.json").read_text())["mode"] != "systemd":
        pytest.skip("in plain mode the first process is a shell, which cannot reboot")
    on_host("voip3", "fail2ban-client", "set", "sshd", "banip", "198.51.100.23")
    first = started("voip3")
    on_host("voip3", "systemctl", "reboot")
    end = time.monotonic() + 60
    while time.monotonic() < end and (started("voip3") in {"", first} or lab("status").returncode):
        time.sleep(0.3)
    assert started("voip3") not in {"", first}
    assert "198.51.100.23" in on_host("voip3", "nft", "list", "ruleset")
    on_host("voip3", "fail2ban-client", "unban", "198.51.100.23")


def test_status_tells_what_does_not_answer(on_host):
    """`status` names the service that does not answer, and its exit status says that there is one."""
    on_host("voip3", "service", "fail2ban", "stop")
    try:
        done = lab("status")
    finally:
        on_host("voip3", "service", "fail2ban", "start")
    assert (done.returncode, "no answer: fail2ban" in done.stdout) == (1, True)


def test_nothing_leads_outside():
    """No route leads out of the lab's network."""
    routes = subprocess.run(
        ["ip", "-4", "route", "show", "default"], capture_output=True, text=True, check=True
    )
    assert routes.stdout == ""


def test_unknown_names_fail_at_once():
    """A name that the lab does not know is answered as unknown by the lab's own DNS."""
    done = subprocess.run(
        ["getent", "hosts", "www.example.com"], capture_output=True, text=True, check=False, timeout=10
    )
    assert (done.returncode, done.stdout) == (2, "")
