"""The main road: a real mail in, real servers changed, a real answer out."""

import re
import signal
import subprocess
import sys
import time

import pytest

from lab.attack import attack, reaches
from tests.fleet import CHECKIP_SERVERS, banned, busy, forget, in_kernel, on
from tests.road import waited

ATTACKER = "203.0.113.7"
GV2P = "192.0.2.12"


def text(mail) -> str:
    return mail.get_body(("plain",)).get_content()


def test_a_banned_attacker_gets_in_again_and_stays_in(dispatcher):
    """One mail unbans on the one server that had the ban, whitelists on all four, and it lasts.

    The ban is a real one: failed logins over the network, seen by fail2ban, enforced by the kernel. After the
    answer the same address reaches the server, and still does after a reload and a restart of fail2ban.
    """
    forget(ATTACKER)
    attack(ATTACKER, GV2P)
    assert banned("gv2p", ATTACKER)
    assert in_kernel("gv2p", ATTACKER)

    reply = dispatcher.ask(f"CHECKIP={ATTACKER}")

    assert reaches(ATTACKER, GV2P)
    for host in CHECKIP_SERVERS:
        assert not banned(host, ATTACKER)
        assert not in_kernel(host, ATTACKER)
        assert host in text(reply)
        assert ATTACKER in on(host, "fail2ban-client", "get", "sshd", "ignoreip")
    assert "voip3" not in text(reply)
    assert "sshd" in text(reply)
    assert ATTACKER in reply["Subject"]

    on("gv2p", "fail2ban-client", "reload")
    on("gv2p", "systemctl", "restart", "fail2ban")
    deadline = time.monotonic() + 30
    while ATTACKER not in on("gv2p", "fail2ban-client", "get", "sshd", "ignoreip", check=False):
        assert time.monotonic() < deadline, "the whitelist did not survive the restart"
        time.sleep(0.2)
    assert not banned("gv2p", ATTACKER)
    assert reaches(ATTACKER, GV2P)


def test_the_second_time_nothing_changes(dispatcher):
    """The same command again finds everything as it should be, and says so for each server."""
    dispatcher.ask(f"CHECKIP={ATTACKER}")
    before = {host: on(host, "sh", "-c", "'cat /etc/fail2ban/jail.d/*'") for host in CHECKIP_SERVERS}
    reply = dispatcher.ask(f"CHECKIP={ATTACKER}")
    assert before == {host: on(host, "sh", "-c", "'cat /etc/fail2ban/jail.d/*'") for host in CHECKIP_SERVERS}
    job = dispatcher.newest()
    assert ["ok"] * 4 == [host["outcome"] for host in job["report"]["hosts"]]
    assert 4 == text(reply).count("já estava")


def test_a_preview_changes_nothing_and_shows_the_difference(dispatcher):
    """SIMULAR leaves the ban where it is and answers with what would change."""
    forget("203.0.113.8")
    on("gv1p", "fail2ban-client", "set", "asterisk", "banip", "203.0.113.8")
    reply = dispatcher.ask("CHECKIP=203.0.113.8 SIMULAR")
    assert banned("gv1p", "203.0.113.8")
    assert in_kernel("gv1p", "203.0.113.8")
    assert "203.0.113.8" not in on("gv1p", "fail2ban-client", "get", "sshd", "ignoreip")
    assert "mudaria" in text(reply)
    assert re.search(r"^\s*[+-].*203\.0\.113\.8", text(reply), re.MULTILINE)
    forget("203.0.113.8")


@pytest.mark.long  # the role and the grammar have their own tests of it
def test_an_ipv6_address_goes_the_same_road(dispatcher):
    """A ban of an IPv6 address is found and taken off, in the kernel too."""
    address = "2001:db8:bad::7"
    forget(address)
    on("voip1", "fail2ban-client", "set", "sshd", "banip", address)
    assert in_kernel("voip1", address)
    reply = dispatcher.ask("CHECKIP=2001:DB8:BAD:0::7")
    assert not in_kernel("voip1", address)
    assert reaches(address, "2001:db8:77::21")
    assert address in text(reply)


def test_a_server_that_cannot_be_reached_does_not_hold_up_the_others(dispatcher):
    """Three servers are done and the fourth is named with its reason: a partial answer, never silence."""
    address = "198.51.100.23"
    forget(address)
    on("gv3p", "systemctl", "stop", "ssh")
    on_gv3p = ["ssh", "-F", "/run/athome-lab/ssh/config", "-O", "exit", "gv3p"]
    subprocess.run(on_gv3p, capture_output=True, check=False)
    dispatcher.forget_connections()
    try:
        reply = dispatcher.ask(f"CHECKIP={address}")
    finally:
        subprocess.run(
            [sys.executable, "-m", "lab", "sh", "gv3p", "--", "systemctl", "start", "ssh"],
            check=True,
            timeout=30,
        )
    outcomes = {host["host"]: host["outcome"] for host in dispatcher.newest()["report"]["hosts"]}
    assert {"gv1p": "changed", "gv2p": "changed", "gv3p": "unreachable", "voip1": "changed"} == outcomes
    assert "inacessível" in text(reply)
    assert "partial" == dispatcher.newest()["state"]


def test_fail2ban_that_is_down_is_its_servers_own_failure(dispatcher):
    """The answer says what is wrong on that server; the others are done."""
    address = "198.51.100.23"
    forget(address)
    on("gv1p", "systemctl", "stop", "fail2ban")
    try:
        dispatcher.ask(f"CHECKIP={address}")
    finally:
        on("gv1p", "systemctl", "start", "fail2ban")
    hosts = {host["host"]: host for host in dispatcher.newest()["report"]["hosts"]}
    assert "fail2ban.down" == hosts["gv1p"]["code"]
    assert {"changed"} == {hosts[name]["outcome"] for name in ("gv2p", "gv3p", "voip1")}


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_a_dispatcher_that_ends_in_the_middle_answers_once(dispatcher, operator, number):
    """Killed or stopped while a playbook runs: after the next start there is one result, and one answer.

    In the middle means: gv2p has been changed already, gv1p cannot be, since another run holds its lock.
    """
    address = "203.0.113.8"
    forget(address)
    before = dispatcher.last("outbox")
    with busy("gv1p"):
        message_id = dispatcher.write(f"[{dispatcher.token}] CHECKIP={address}")
        waited(lambda: address in on("gv2p", "fail2ban-client", "get", "sshd", "ignoreip"), "gv2p unchanged")
        assert [("running",)] == dispatcher.rows("SELECT state FROM jobs WHERE message_id = ?", message_id)
        dispatcher.process.send_signal(number)
    dispatcher.process.wait(60)
    dispatcher.start()
    operator.answer(message_id)
    for host in CHECKIP_SERVERS:
        assert address in on(host, "fail2ban-client", "get", "sshd", "ignoreip")
    assert [("successful",)] == dispatcher.rows("SELECT state FROM jobs WHERE message_id = ?", message_id)
    assert before + 1 == dispatcher.last("outbox")
    dispatcher.ask("CHECKIP=3.3.3")  # a second answer would come before this one's
    assert 1 == len(operator.answers(message_id))
