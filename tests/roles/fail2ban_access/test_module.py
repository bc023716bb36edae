"""The module against real fail2ban servers with real nftables."""

import fcntl
import pickle
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

from tests.roles.fail2ban_access import servers
from tests.roles.pythons import EVERY, VERSIONS, find_python

ADDRESS, SIXTH = "203.0.113.7", "2001:db8:bad::7"
DROP_IN = "jail.d/zz-athome-whitelist.local"
RELEASES = sorted(servers.RELEASES)


def pythons():
    """The daily Pythons with one release of fail2ban each, in turn; every one with each in the long tests."""
    for number, version in enumerate(EVERY):
        path = find_python(version)
        missing = pytest.mark.skip(reason=f"no Python {version} on this machine")
        for turn in range(len(RELEASES)):
            release = RELEASES[(number + turn) % len(RELEASES)]
            rare = turn or version not in VERSIONS
            marks = ([pytest.mark.long] if rare else []) + ([] if path else [missing])
            yield pytest.param(path, release, id=f"python{version}-{release}", marks=marks)


def notices(result):
    return {notice["code"].removeprefix("fail2ban."): notice["data"] for notice in result["notices"]}


@pytest.mark.parametrize(("release", "address"), [*((name, ADDRESS) for name in RELEASES), ("1.0.2", SIXTH)])
def test_cycle(make_server, release, address):
    """Check changes nothing and foretells the run; the run unbans for good; a second does nothing."""
    server = make_server(release, sshd="ignoreip = 192.0.2.1").start()
    server.ban(address, "sshd", "recidive")
    assert address in server.nft("list", "ruleset")
    before = server.configuration()

    foretold = server.module(address, _ansible_check_mode=True)
    assert before == server.configuration()
    assert ["recidive", "sshd"] == server.banned(address)
    assert address in server.nft("list", "ruleset")

    done = server.module(address, patient=True)
    assert ("changed", "fail2ban.unbanned", ["recidive", "sshd"]) == (
        done["outcome"], done["code"], done["data"]["jails"],
    )  # fmt: skip
    assert ("clear", True, release) == tuple(
        done["data"][key] for key in ("firewall", "whitelisted", "version")
    )
    assert {"state": "absent", "address": address} == done.pop("undo")
    assert foretold == done
    assert [] == server.banned(address)
    assert address not in server.nft("list", "ruleset")
    ours = {path: text for path, text in server.configuration().items() if "athome" not in path}
    assert before == ours

    again = server.module(address)
    assert (False, "fail2ban.already_whitelisted", []) == (again["changed"], again["code"], again["diff"])
    assert "fail2ban.verified" == server.module(address, "verify")["code"]


@pytest.mark.parametrize("release", RELEASES)
def test_lasts(make_server, release):
    """No reload, restart or new failure brings the ban back; another address is banned as before."""
    server = make_server(release).start()
    server.ban(ADDRESS)
    server.module(ADDRESS)
    server.client("reload")
    assert ADDRESS in server.ignored("sshd")
    server.stop()
    server.start()
    assert [] == server.banned(ADDRESS)
    assert ADDRESS in server.ignored("asterisk")
    server.fail(ADDRESS, 9)
    server.catches("203.0.113.8")
    assert [] == server.banned(ADDRESS)
    assert "fail2ban.verified" == server.module(ADDRESS, "verify")["code"]


@pytest.mark.parametrize(("python", "release"), list(pythons()))
def test_every_python(make_server, python, release):
    """The module does the same on every Python that a server may have."""
    server = make_server(release).start()
    server.ban(ADDRESS)
    assert "fail2ban.banned" == server.module(ADDRESS, "query", python=python)["code"]
    assert "fail2ban.unbanned" == server.module(ADDRESS, python=python)["code"]
    assert "fail2ban.verified" == server.module(ADDRESS, "verify", python=python)["code"]
    assert "fail2ban.already_whitelisted" == server.module("::FFFF:203.0.113.7", python=python)["code"]
    assert "fail2ban.removed" == server.module(ADDRESS, "absent", python=python)["code"]
    assert "fail2ban.not_banned" == server.module(SIXTH.upper(), "query", python=python)["code"]
    assert "fail2ban.invalid_address" == server.module("2Ô3.0.113.7", python=python)["code"]
    nobody = str(server.folder / "nobody")
    assert "fail2ban.down" == server.module(ADDRESS, python=python, socket=nobody)["code"]


CONFIGURATIONS = {
    "no-ignoreip-anywhere": ({}, {}),
    "default": ({"default": "ignoreip = 127.0.0.1/8 ::1 192.0.2.1"}, {}),
    "default-empty": ({"default": "ignoreip ="}, {}),
    "own-list": ({"default": "ignoreip = 192.0.2.1", "sshd": "ignoreip = 192.0.2.2, 192.0.2.3"}, {}),
    "own-list-only": ({"sshd": "ignoreip = 192.0.2.2\n   192.0.2.3 # no comment"}, {}),
    "own-known": ({"default": "ignoreip = 192.0.2.1", "sshd": "ignoreip = %(known/ignoreip)s 192.0.2.2"}, {}),
    "second-known": (
        {"default": "ignoreip = 192.0.2.1", "sshd": "ignoreip = 192.0.2.2"},
        {"jail.d/50-admin.local": "[sshd]\nignoreip = %(known/ignoreip)s 192.0.2.3\n"},
    ),
    "second-known-of-one-jail": (
        {"sshd": "ignoreip = 192.0.2.2"},
        {"jail.d/50-admin.local": "[sshd]\nignoreip = %(known/ignoreip)s 192.0.2.3\n"},
    ),
    "conf-in-folder": ({}, {"jail.d/10-site.conf": "[DEFAULT]\nignoreip = 192.0.2.1\n"}),
    "default-reference": (
        {"default": "ignoreip = 192.0.2.1", "sshd": "ignoreip = %(default/ignoreip)s 192.0.2.9"},
        {},
    ),
    "other-variable": ({"default": "mine = 192.0.2.1\nignoreip = %(mine)s"}, {}),
    "latin-1-comment": ({}, {"jail.d/10-site.conf": b"# endere\xe7o\n[DEFAULT]\nfindtime = 2h\n"}),
}


# Every way on one release; on the others those whose outcome hangs on fail2ban's own parser, and in the long
# tests all of them.
PARSERS = ("own-list-only", "second-known")
WAYS = [
    pytest.param(release, name, marks=[] if release == "1.0.2" or name in PARSERS else [pytest.mark.long])
    for release in RELEASES
    for name in CONFIGURATIONS
]


@pytest.mark.parametrize(("release", "name"), WAYS)
def test_configurations(make_server, release, name):
    """However the administrator sets ignoreip, each jail keeps its list, gains and loses the address."""
    jails, files = CONFIGURATIONS[name]
    server = make_server(release, **jails)
    for path, content in files.items():
        (server.etc / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    server.start()
    lists = {jail: server.ignored(jail) for jail in ("sshd", "asterisk", "recidive")}
    before = server.configuration()

    assert "fail2ban.whitelisted" == server.module(ADDRESS)["code"]
    server.client("reload")
    for jail, words in lists.items():
        assert words | {ADDRESS} == server.ignored(jail)
    assert "fail2ban.already_whitelisted" == server.module(ADDRESS)["code"]

    assert "fail2ban.removed" == server.module(ADDRESS, "absent")["code"]
    assert before == server.configuration()
    assert lists == {jail: server.ignored(jail) for jail in lists}
    server.client("reload")
    assert lists == {jail: server.ignored(jail) for jail in lists}


def test_later_changes_of_the_administrator_count(server):
    """An ignoreip that the administrator sets after us is in force after a reload, beside the whitelist."""
    server.module(ADDRESS)
    server.jails(default="ignoreip = 192.0.2.1", asterisk="ignoreip = 192.0.2.4")
    server.client("reload")
    assert {"192.0.2.1", ADDRESS} == server.ignored("sshd")
    assert {"192.0.2.4", ADDRESS} == server.ignored("asterisk")


def test_later_jail(server):
    """A jail that the administrator adds later gets the whitelist with the next run."""
    server.module(ADDRESS)
    (server.etc / "jail.d/20-more.conf").write_text(
        f"[postfix]\nenabled = true\nbackend = polling\nlogpath = {server.folder}/auth.log\n"
    )
    server.client("reload")
    assert set() == server.ignored("postfix")
    assert "fail2ban.whitelisted" == server.module(ADDRESS)["code"]
    server.client("reload")
    assert {ADDRESS} == server.ignored("postfix")
    assert "fail2ban.already_whitelisted" == server.module(ADDRESS)["code"]


def test_a_later_file_that_replaces_us(server):
    """Where another file has the last word, the run says that the whitelist will not last."""
    (server.etc / "jail.d/zzz-last.local").write_text("[sshd]\nignoreip = 192.0.2.1\n")
    before = server.configuration()
    result = server.module(ADDRESS)
    assert ("failed", "fail2ban.partial") == (result["outcome"], result["code"])
    assert "later file" in notices(result)["config_broken"]["error"]
    assert before == server.configuration()
    assert ADDRESS in server.ignored("sshd")


def test_networks_in_the_drop_in_stay(server):
    """A network written into the drop-in by hand stays; what fail2ban cannot read goes, with a notice."""
    server.module(ADDRESS)
    path = server.etc / DROP_IN
    path.write_text(path.read_text().replace(f"    {ADDRESS}\n", f"    {ADDRESS}\n    192.0.2.0/28 n/a\n"))
    result = server.module(SIXTH)
    assert {"entry": "n/a"} == notices(result)["dropped_entry"]
    server.client("reload")
    assert {ADDRESS, SIXTH, "192.0.2.0/28"} == server.ignored("sshd")


BROKEN = {
    "recursion": "[DEFAULT]\nignoreip = %(known/ignoreip)s 192.0.2.1\n",
    "no-section": "ignoreip = 192.0.2.1\n",
    "missing-variable": "[sshd]\nlogpath = %(nowhere)s\n",
    "missing-filter": "[sshd]\nfilter = nowhere\n",
}


@pytest.mark.parametrize(
    ("release", "name"),
    [("1.0.2", name) for name in BROKEN] + [("0.11.2", "recursion"), ("1.1.0", "recursion")],
)
def test_broken_configuration(make_server, release, name):
    """With a configuration that somebody broke the address gets in, no file changes, a later run repairs."""
    server = make_server(release).start()
    server.ban(ADDRESS)
    broken = server.etc / "jail.d/50-broken.local"
    broken.write_text(BROKEN[name])
    before = server.configuration()
    result = server.module(ADDRESS)
    assert ("failed", "fail2ban.partial", True) == (result["outcome"], result["code"], result["changed"])
    assert notices(result)["config_broken"]["error"]
    assert "undo" not in result
    assert before == server.configuration()
    assert [] == server.banned(ADDRESS)
    assert ADDRESS in server.ignored("recidive")
    assert "fail2ban.partial" == server.module(ADDRESS, "verify")["code"]
    broken.unlink()
    assert "fail2ban.whitelisted" == server.module(ADDRESS)["code"]
    assert "fail2ban.verified" == server.module(ADDRESS, "verify")["code"]


def test_full_disk(server):
    """On a full disk the address still gets in, no half file stays, and a later run writes it."""
    folder = server.etc / "jail.d"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "full", folder], check=True)
    try:
        (folder / "filler").write_bytes(b"x" * 4096)
        server.ban(ADDRESS)
        result = server.module(ADDRESS)
        assert "fail2ban.partial" == result["code"]
        assert "No space left" in notices(result)["not_saved"]["error"]
        assert ["filler"] == [path.name for path in folder.iterdir()]
        assert [] == server.banned(ADDRESS)
        subprocess.run(["mount", "-o", "remount,size=64k", folder], check=True)
        assert "fail2ban.whitelisted" == server.module(ADDRESS)["code"]
    finally:
        subprocess.run(["umount", folder], check=True)


def test_down(server):
    """A fail2ban that is stopped, killed or hangs is `down`, soon, and nothing is changed."""
    before = server.configuration()
    server.process.send_signal(signal.SIGSTOP)
    hangs = server.module(ADDRESS, timeout=1)
    server.process.send_signal(signal.SIGCONT)
    server.process.kill()  # leaves its socket behind
    server.process.wait()
    killed = server.module(ADDRESS)
    (server.folder / "socket").unlink()
    stopped = server.module(ADDRESS)
    for result in (hangs, killed, stopped):
        assert ("failed", "fail2ban.down", False) == (result["outcome"], result["code"], result["changed"])
        assert "systemctl start fail2ban" in result["msg"]
    assert before == server.configuration()


def test_absent(server):
    """Without fail2ban on the machine the code says so."""
    result = server.module(ADDRESS, config_dir=str(server.folder / "nowhere"))
    assert ("failed", "fail2ban.absent") == (result["outcome"], result["code"])
    assert "fail2ban.absent" == server.module(ADDRESS, client="/nowhere/fail2ban-client")["code"]


def test_unsupported(make_server):
    """A server of the age of 0.8, which knows no `banned`, is told apart from a broken one."""
    server = make_server()
    end = b"<F2B_END_COMMAND>"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(server.folder / "old"))
    listener.listen()

    def old():
        while True:
            connection, _ = listener.accept()
            data = b""
            while part := connection.recv(4096):
                data += part
                if data.endswith(end):
                    known = pickle.loads(data[: -len(end)]) == ["version"]  # noqa: S301 — our own words
                    data = b""
                    answer = (0, "0.8.14") if known else (1, Exception("Invalid command"))
                    connection.sendall(pickle.dumps(answer, 2) + end)

    threading.Thread(target=old, daemon=True).start()
    result = server.module(ADDRESS, socket=str(server.folder / "old"))
    assert ("failed", "fail2ban.unsupported", "0.8.14") == (
        result["outcome"], result["code"], result["data"]["version"],
    )  # fmt: skip


def test_locked(server):
    """While another run holds the lock the module waits as long as it may, and says so."""
    (server.folder / "work").mkdir()
    with (server.folder / "work/lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        result = server.module(ADDRESS, lock_timeout=1)
        assert ("failed", "fail2ban.locked") == (result["outcome"], result["code"])
        assert "fail2ban.not_banned" == server.module(ADDRESS, "query")["code"]
    assert "fail2ban.whitelisted" == server.module(ADDRESS)["code"]


@pytest.mark.parametrize(
    "more", [{"state": "gone"}, {"file": "../x.local"}, {"file": "x.conf"}, {"wrong": 1}, {"timeout": "x"}]
)
def test_wrong_arguments(server, more):
    """Wrong arguments are named, without a traceback and without a change."""
    before = server.configuration()
    result = server.module(ADDRESS, **more)
    assert "fail2ban.error" == result["code"]
    assert next(iter(more)) in result["msg"] or "int()" in result["msg"]
    assert before == server.configuration()


def test_subnet_ban(server):
    """A ban of the network around the address is reported, and blocks when the kernel enforces it."""
    server.client("set", "asterisk", "banip", "203.0.113.0/24")
    result = server.module(
        ADDRESS
    )  # nftables' action cannot put a network into its set: no rule in the kernel
    assert {"network": "203.0.113.0/24", "jail": "asterisk"} == notices(result)["subnet_ban"]
    assert ("fail2ban.whitelisted", "clear") == (result["code"], result["data"]["firewall"])
    server.nft("add", "table", "inet", "f2b-nets")
    server.nft(
        "add",
        "set",
        "inet",
        "f2b-nets",
        "nets",
        "{ type ipv4_addr; flags interval; elements = { 203.0.113.0/24 }; }",
    )
    server.nft("add", "chain", "inet", "f2b-nets", "in", "{ type filter hook input priority -1; }")
    server.nft("add", "rule", "inet", "f2b-nets", "in", "ip", "saddr", "@nets", "drop")
    result = server.module(ADDRESS)
    assert ("failed", "fail2ban.firewall_blocked") == (result["outcome"], result["code"])
    assert "fail2ban.firewall_blocked" == server.module(ADDRESS, "verify")["code"]
    assert "fail2ban.not_banned" == server.module("198.51.100.7", "query")["code"]
    assert [] == server.module("198.51.100.7", "query")["notices"]


def test_not_in_firewall(server):
    """A ban without a rule in the kernel is reported, and removed all the same."""
    server.ban(ADDRESS)
    server.nft("delete", "element", "inet", "f2b-table", "addr-set-sshd", f"{{ {ADDRESS} }}")
    assert {"jail": "sshd"} == notices(server.module(ADDRESS, "query"))["not_in_firewall"]
    result = server.module(ADDRESS)
    assert ("fail2ban.unbanned", "clear") == (result["code"], result["data"]["firewall"])
    assert {"jail": "sshd"} == notices(result)["not_in_firewall"]


def test_queued_failures(server):
    """Failures that became a ban a moment after the unban do not keep the address out."""
    addresses = [f"198.51.100.{last}" for last in range(10, 13)]
    for address in addresses:
        server.fail(address)
    results = [server.result(run) for run in [server.popen(address, patient=True) for address in addresses]]
    assert {result["code"] for result in results} <= {"fail2ban.unbanned", "fail2ban.whitelisted"}
    server.catches("203.0.113.8")
    for address in addresses:
        assert [] == server.banned(address)


def test_a_rule_that_fail2ban_has_forgotten(server):
    """An unban that overtook the ban's own action left a rule in the kernel: the run takes it out too."""
    server.ban(ADDRESS, "sshd")
    server.client("unban", ADDRESS)
    server.nft("add", "element", "inet", "f2b-table", "addr-set-sshd", f"{{ {ADDRESS} }}")
    assert [] == server.banned(ADDRESS)
    result = server.module(ADDRESS)
    assert ("fail2ban.whitelisted", "clear") == (result["code"], result["data"]["firewall"])
    assert ADDRESS not in server.nft("list", "ruleset")
    assert [] == server.banned(ADDRESS)


def test_ignorecache(make_server):
    """An address that fail2ban had cached as not ignored is ignored at once, and the cache stays set."""
    server = make_server(sshd='ignorecache = key="<ip>", max-count=200, max-time=1h').start()
    cache = server.client("get", "sshd", "ignorecache")
    server.fail(ADDRESS, 1)
    server.catches("203.0.113.8")
    assert "fail2ban.whitelisted" == server.module(ADDRESS)["code"]
    server.fail(ADDRESS, 9)
    server.catches("203.0.113.9")
    assert [] == server.banned(ADDRESS)
    assert cache == server.client("get", "sshd", "ignorecache")


def test_absent_leaves_the_administrators_entry(make_server):
    """Taking an address off leaves it where the administrator's own configuration lists it, and says so."""
    server = make_server(sshd=f"ignoreip = {ADDRESS}").start()
    assert "fail2ban.whitelisted" == server.module(ADDRESS)["code"]
    result = server.module(ADDRESS, "absent")
    assert {"jail": "sshd"} == notices(result)["whitelisted_elsewhere"]
    assert ({ADDRESS}, set()) == (server.ignored("sshd"), server.ignored("asterisk"))
    again = server.module(ADDRESS, "absent")
    assert (False, "fail2ban.not_whitelisted") == (again["changed"], again["code"])


def test_absent_check_and_undo(server):
    """Undoing puts every file back as it was, and its check mode shows the same diff without doing it."""
    before = server.configuration()
    undo = server.module(ADDRESS)["undo"]
    between = server.configuration()
    foretold = server.module(**undo, _ansible_check_mode=True)
    assert between == server.configuration()
    assert ADDRESS in server.ignored("sshd")
    assert foretold == server.module(**undo)
    assert before == server.configuration()
    assert set() == server.ignored("sshd")


def test_verify_sees_what_will_not_last(server):
    """A whitelist entry of the running server alone does not pass as permanent."""
    for jail in ("sshd", "asterisk", "recidive"):
        server.client("set", jail, "addignoreip", ADDRESS)
    result = server.module(ADDRESS, "verify")
    assert ("failed", "fail2ban.not_whitelisted") == (result["outcome"], result["code"])
    assert "until fail2ban reloads" in result["msg"]


def test_twelve_at_once(server):
    """Twelve runs at the same time leave twelve addresses on the list."""
    addresses = [f"198.51.100.{last}" for last in range(1, 13)]
    runs = [server.popen(address) for address in addresses]
    results = [server.result(run) for run in runs]
    assert ["fail2ban.whitelisted"] * 12 == [result["code"] for result in results]
    server.client("reload")
    assert set(addresses) == server.ignored("sshd")


@pytest.mark.parametrize("turns", [10, pytest.param(60, marks=pytest.mark.long)])
def test_killed_at_any_point(server, turns):
    """A run killed at any point leaves a configuration that loads, and the next run completes the work."""
    chance = random.Random(7)  # noqa: S311 — points in time, no secret
    begin = time.monotonic()
    server.module("198.51.100.5")
    whole = time.monotonic() - begin
    early = 0
    for turn in range(turns):
        address, state = f"198.51.100.{turn % 4 + 1}", "absent" if turn // 4 % 2 else "present"
        run = server.popen(address, state)
        time.sleep(chance.uniform(0, whole))
        early += run.poll() is None
        run.kill()
        run.communicate()
        assert "['start', 'sshd']" in server.client("-d")
        if turn % 5 == 4:
            assert server.module(address, state)["outcome"] in ("changed", "ok")
            expected = "not_whitelisted" if state == "absent" else "verified"
            check = server.module(address, "verify")
            assert f"fail2ban.{expected}" == check["code"], check
    assert early >= turns // 3
    server.module("198.51.100.5", "absent")
    for last in range(1, 5):
        server.module(f"198.51.100.{last}")
    server.client("reload")
    assert {f"198.51.100.{last}" for last in range(1, 5)} <= server.ignored("sshd")
    for last in range(1, 5):
        server.module(f"198.51.100.{last}", "absent")
    assert ["jail.local"] == sorted(
        path for path in server.configuration() if path.startswith("jail.d/") or path == "jail.local"
    )
    assert ["lock"] == [path.name for path in (server.folder / "work").iterdir()]
