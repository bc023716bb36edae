"""Role and playbook on the lab's servers, as an operator runs them: with Ansible alone."""

import json
from pathlib import Path

import pytest

from lab.attack import reaches
from tests import fleet
from tests.roles.played import played

ADDRESS, SIXTH = "198.51.100.23", "2001:db8:bad::7"
SERVERS = sorted(fleet.CHECKIP_SERVERS)
DROP_IN = "/etc/fail2ban/jail.d/zz-athome-whitelist.local"


def play(*arguments, inventory=(), **values):
    """Run checkip.yml -> ({server: the module's result}, return code, everything that was said)."""
    tasks, code, said = played("checkip.yml", values, *arguments, inventory=inventory)
    results = {
        task["host"]: task["result"]
        for task in tasks
        if task["task"] == "fail2ban_access" or task["event"] == "unreachable"
    }
    return results, code, said


def run(state="present", address=ADDRESS, *arguments):
    return play(*arguments, checkip_address=address, checkip_state=state)[0]


def codes(results):
    return {host: result["code"].removeprefix("fail2ban.") for host, result in results.items()}


def alive(host):
    """Start fail2ban again and wait until it serves."""
    wait = "for i in $(seq 100); do fail2ban-client status recidive && break; sleep 0.1; done"
    fleet.on(host, f"systemctl restart fail2ban 2>/dev/null || fail2ban-client restart; {wait}")


@pytest.fixture(scope="module")
def swept(lab):
    """No trace of the tests' addresses on any server when all is done."""
    yield
    fleet.forget(ADDRESS, SIXTH)


@pytest.fixture
def fresh(swept):
    """No trace of the tests' addresses on any server."""
    fleet.forget(ADDRESS, SIXTH)


@pytest.mark.lab
@pytest.mark.parametrize("address", [ADDRESS, pytest.param(SIXTH, marks=pytest.mark.long)])
def test_cycle(fresh, address):
    """Check foretells what converge does, a second converge changes nothing, verify passes."""
    for jail in ("sshd", "recidive"):
        fleet.on("gv2p", "fail2ban-client", "set", jail, "banip", address)
    expected = {host: "unbanned" if host == "gv2p" else "whitelisted" for host in SERVERS}

    foretold = run("present", address, "--check", "--diff")
    assert expected == codes(foretold)
    assert fleet.in_kernel("gv2p", address)
    assert address not in fleet.on("gv2p", "cat", DROP_IN, check=False)

    done = run("present", address, "--diff")
    assert expected == codes(done)
    assert ["recidive", "sshd"] == done["gv2p"]["data"]["jails"]
    assert {host: result["diff"] for host, result in foretold.items()} == {
        host: result["diff"] for host, result in done.items()
    }
    assert not fleet.in_kernel("gv2p", address)

    again = run("present", address)
    assert dict.fromkeys(SERVERS, "already_whitelisted") == codes(again)
    assert not any(result["changed"] for result in again.values())
    assert dict.fromkeys(SERVERS, "verified") == codes(run("verify", address))


@pytest.mark.lab
@pytest.mark.long  # by mail the same is short
def test_attacker_gets_in_again(fresh):
    """Somebody whom the firewall kept out gets in after the run, and after reload and restart, too."""
    fleet.on("gv1p", "fail2ban-client", "set", "sshd", "banip", ADDRESS)
    assert not reaches(ADDRESS, "192.0.2.11")
    assert "blocked" == run("query")["gv1p"]["data"]["firewall"]
    assert "unbanned" == codes(run())["gv1p"]
    assert reaches(ADDRESS, "192.0.2.11")
    fleet.on("gv1p", "fail2ban-client", "reload")
    assert ADDRESS in fleet.on("gv1p", "fail2ban-client", "get", "sshd", "ignoreip")
    alive("gv1p")
    assert ADDRESS in fleet.on("gv1p", "fail2ban-client", "get", "sshd", "ignoreip")
    assert reaches(ADDRESS, "192.0.2.11")
    assert "verified" == codes(run("verify"))["gv1p"]


@pytest.mark.lab
@pytest.mark.long  # by mail the same is short
def test_one_server_does_not_hold_up_the_others(fresh, tmp_path):
    """Down, unreachable and broken servers have their own result, and the others are done."""
    broken = "/etc/fail2ban/jail.d/50-broken.local"
    gone = tmp_path / "gone.yml"
    host = {"ansible_host": "192.0.2.99", "ansible_ssh_common_args": "-o ConnectTimeout=2"}
    gone.write_text(json.dumps({"all": {"children": {"checkip_servers": {"hosts": {"gone": host}}}}}))
    fleet.on("gv1p", "systemctl stop fail2ban 2>/dev/null || fail2ban-client stop")
    fleet.on("gv3p", f"printf '[DEFAULT]\\nignoreip = %(known/ignoreip)s 192.0.2.1\\n' > {broken}")
    try:
        results, code, _ = play(inventory=[gone], checkip_address=ADDRESS)
    finally:
        fleet.on("gv3p", "rm", broken)
        alive("gv1p")
    assert results.pop("gone")["unreachable"]
    assert {"gv1p": "down", "gv2p": "whitelisted", "gv3p": "partial", "voip1": "whitelisted"} == codes(
        results
    )
    assert code != 0
    assert not results["gv1p"]["changed"]
    expected = {
        "gv1p": "whitelisted",
        "gv2p": "already_whitelisted",
        "gv3p": "whitelisted",
        "voip1": "already_whitelisted",
    }
    assert expected == codes(run())


@pytest.mark.lab
def test_absent_undoes(fresh):
    """`absent` leaves every server's configuration as it was before the address came."""
    listing = "find /etc/fail2ban -type f -exec sha256sum {} + | sort"
    before = {host: fleet.on(host, listing) for host in SERVERS}
    run()
    assert before != {host: fleet.on(host, listing) for host in SERVERS}
    assert dict.fromkeys(SERVERS, "removed") == codes(run("absent"))
    assert before == {host: fleet.on(host, listing) for host in SERVERS}
    assert dict.fromkeys(SERVERS, "not_whitelisted") == codes(run("absent"))


TOUCHED = Path("/tmp/athome-injected")
TEMPLATE = f"{{{{ lookup('pipe', 'touch {TOUCHED}') }}}}"


@pytest.mark.lab
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"checkip_address": ""},
        *(
            pytest.param({"checkip_address": bad}, marks=pytest.mark.long)
            for bad in (None, 7, ["203.0.113.7"], "gv1p.example")
        ),
        {"checkip_address": TEMPLATE},
        {"checkip_address": {"__ansible_unsafe": TEMPLATE}},
        {"checkip_address": ADDRESS, "checkip_state": TEMPLATE},
        {"checkip_address": ADDRESS, "checkip_state": "gone"},
    ],
    ids=lambda values: ascii(values)[:40],
)
def test_bad_arguments(lab, values):
    """Bad or forgotten arguments get words with an example; no template is executed, no server asked."""
    TOUCHED.unlink(missing_ok=True)
    results, code, said = play(**values)
    assert {} == results
    assert code != 0
    assert "-e checkip_address=203.0.113.7" in said
    assert not TOUCHED.exists()


@pytest.mark.lab
def test_readable_at_the_shell(fresh):
    """The operator sees the diff and one sentence for each server."""
    said = fleet.playbook("checkip.yml", "-e", f"checkip_address={ADDRESS}", "--check", "--diff")
    assert "+sshd: not banned, whitelisted" in said
    for host in SERVERS:
        assert f"{host}: {ADDRESS} was not banned; now it is whitelisted" in said
