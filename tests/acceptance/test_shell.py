"""The shell and Ansible alone reach the same servers by the same playbook."""

import json
import re
import signal
import subprocess

import pytest

from tests.fleet import CHECKIP_SERVERS, banned, busy, forget, fresh_phones, on, phones, playbook
from tests.road import ATHOME, waited

ADDRESS = "203.0.113.8"


@pytest.fixture
def ban(lab):
    forget(ADDRESS)
    on("gv1p", "fail2ban-client", "set", "sshd", "banip", ADDRESS)
    yield
    forget(ADDRESS)


def ban_and_whitelist_of(host: str) -> str:
    return on(
        host,
        "sh",
        "-c",
        "'fail2ban-client banned; fail2ban-client get sshd ignoreip; cat /etc/fail2ban/jail.d/*'",
    )


def test_run_does_what_a_mail_does(dispatcher, ban):
    """`athome run` unbans and whitelists, shows every server, and exits with 0."""
    done = dispatcher.athome("run", f"CHECKIP={ADDRESS}")
    assert not banned("gv1p", ADDRESS)
    for host in CHECKIP_SERVERS:
        assert host in done.stdout
    assert "mudou" in done.stdout


def test_run_with_check_changes_nothing(dispatcher, ban):
    """The servers are byte for byte as before, and the difference is shown."""
    before = [ban_and_whitelist_of(host) for host in CHECKIP_SERVERS]
    done = dispatcher.athome("run", f"CHECKIP={ADDRESS}", "--check")
    assert before == [ban_and_whitelist_of(host) for host in CHECKIP_SERVERS]
    assert "mudaria" in done.stdout
    assert "nada foi alterado" in done.stdout
    assert any(line.startswith("+") and ADDRESS in line for line in done.stdout.splitlines())


@pytest.mark.long  # what it prints has short tests without servers
def test_run_speaks_json_to_scripts(dispatcher, ban):
    """Standard output is the job as JSON, and progress goes elsewhere."""
    job = json.loads(dispatcher.athome("run", f"CHECKIP={ADDRESS}", "--json").stdout)
    assert ("successful", "CHECKIP=203.0.113.8", None) == (job["state"], job["subject"], job["sender"])
    assert {"gv1p": "fail2ban.unbanned"}.items() <= {
        h["host"]: h["code"] for h in job["report"]["hosts"]
    }.items()
    shown = dispatcher.athome("jobs", "show", str(job["id"]))
    assert "CHECKIP=203.0.113.8" in shown.stdout
    assert job["id"] == json.loads(dispatcher.athome("jobs", "show", str(job["id"]), "--json").stdout)["id"]


def test_a_partial_run_has_its_own_exit_code(dispatcher):
    """A script can tell "on some servers" from "done" and from "on none"."""
    on("gv1p", "systemctl", "stop", "fail2ban")
    try:
        assert 3 == dispatcher.athome("run", f"CHECKIP={ADDRESS}", check=False).returncode
    finally:
        on("gv1p", "systemctl", "start", "fail2ban")


def test_ctrl_c_cancels_and_frees_the_servers(dispatcher):
    """The job ends as canceled, with exit code 6, and the next one can start.

    It cannot have ended by itself: another run holds gv1p's lock until it is gone.
    """
    forget(ADDRESS)
    before = dispatcher.last("jobs")
    query = "SELECT state FROM jobs WHERE id > ?"
    with busy("gv1p"):
        process = subprocess.Popen(
            [ATHOME, "--settings", dispatcher.settings, "run", f"CHECKIP={ADDRESS}"], stdout=subprocess.PIPE
        )
        try:
            waited(
                lambda: ADDRESS in on("gv2p", "fail2ban-client", "get", "sshd", "ignoreip"),
                "not in the middle",
            )
            assert [("running",)] == dispatcher.rows(query, before)
            process.send_signal(signal.SIGINT)
            assert 6 == process.wait(20)
        finally:
            process.kill()
        assert [("canceled",)] == dispatcher.rows(query, before)
        assert [] == dispatcher.rows("SELECT * FROM locks")
    assert 0 == dispatcher.athome("run", f"CHECKIP={ADDRESS}").returncode


@pytest.mark.parametrize(
    "subject",
    [
        "[7E57C0DE] CHECKIP=203.0.113.7",
        pytest.param("CHECKIP=203.0.113.7", marks=pytest.mark.long),
        pytest.param("[x] checkip=203.0.113.7", marks=pytest.mark.long),
    ],
)
def test_explain_tells_what_would_run_and_where(dispatcher, subject):
    """Playbook, variables and servers, in words and as JSON; no token is needed and none is shown."""
    plan = json.loads(dispatcher.athome("explain", subject, "--json").stdout)
    assert plan["valid"]
    assert "playbooks/checkip.yml" == plan["playbook"]
    assert {"checkip_address": "203.0.113.7"} == plan["extravars"]
    assert list(CHECKIP_SERVERS) == [server["name"] for server in plan["servers"]]
    words = dispatcher.athome("explain", subject).stdout
    assert all(part in words for part in ("CHECKIP=203.0.113.7", "gv1p", "192.0.2.11"))
    assert "7E57C0DE" not in words


@pytest.mark.long  # by mail the same is short
def test_run_changes_a_mac_and_says_how_to_undo_it(dispatcher):
    """MACCHANGE at the shell: one server, both ways back, and after a wrong guess what is stored."""
    fresh_phones()
    change = "MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=00005e0053aa SERVER=gv3p"
    plan = json.loads(dispatcher.athome("explain", change.lower(), "--json").stdout)
    assert ["gv3p"] == [server["name"] for server in plan["servers"]]
    before = phones("gv3p")
    assert "o MAC seria trocado em gv3p" in dispatcher.athome("run", change, "--check").stdout
    assert before == phones("gv3p")

    shown = dispatcher.athome("run", change).stdout
    assert "O MAC do ramal 3010 mudou" in shown
    assert "playbooks/macchange_undo.yml --limit gv3p -e macchange_transaction=2" in shown
    undo = re.search("athome run '(DESFAZER [0-9]+)'", shown)[1]
    guess = dispatcher.athome("run", change.replace("aa", "bb"), check=False)
    assert 4 == guess.returncode
    assert "MAC gravado: 00:00:5e:00:53:aa." in guess.stdout
    assert 0 == dispatcher.athome("run", undo).returncode
    assert before == phones("gv3p")
    fresh_phones()


@pytest.mark.parametrize(
    ("verb", "subject"),
    [("explain", "СHECKIP=3.3.3.3"), ("run", "CHECKIP=3.3.3 SERVER=x")]
    + [
        pytest.param(verb, subject, marks=pytest.mark.long)  # the parser has short tests of its own
        for verb in ("explain", "run")
        for subject in ("CHECKIP=3.3.3", "", "{{ 1 }}")
    ],
)
def test_a_bad_command_is_exit_code_2_with_every_problem(dispatcher, verb, subject):
    """What is wrong and a corrected command are on standard error, no traceback, and nothing runs."""
    with dispatcher.nothing_runs():
        done = dispatcher.athome(verb, subject, check=False)
        assert 2 == done.returncode
        assert "CHECKIP=203.0.113.7" in done.stderr
        assert "Traceback" not in done.stderr
        answer = json.loads(dispatcher.athome(verb, subject, "--json", check=False).stdout)
        assert answer["problems"]
        assert not answer["valid"]


def test_the_shell_speaks_english_on_request(dispatcher):
    """ATHOME_LANGUAGE=en translates results and problems."""
    done = dispatcher.athome("run", "CHECKIP=3.3.3", check=False, ATHOME_LANGUAGE="en")
    assert "address" in done.stderr
    assert "endereço" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["jobs", "show", "999999"], ["--settings", "/nonexistent.yml", "jobs", "list"]]
)
def test_an_error_is_a_sentence_with_a_way_out(dispatcher, arguments):
    """No traceback for what a person can put right."""
    done = dispatcher.athome(*arguments, check=False)
    assert done.returncode not in (0, 1, 2)
    assert done.stderr.startswith("athome: ")
    assert "Traceback" not in done.stderr


def test_only_one_dispatcher_serves_a_state_folder(dispatcher):
    """A second one says that the first is there, and ends."""
    done = dispatcher.athome("serve", check=False)
    assert 75 == done.returncode
    assert "athome serve" in done.stderr


def test_an_operator_previews_with_ansible_alone(ban):
    """The playbook as it is, with --check --diff: shows the difference on every server, changes nothing."""
    before = [ban_and_whitelist_of(host) for host in CHECKIP_SERVERS]
    shown = playbook("checkip.yml", "-e", f"checkip_address={ADDRESS}", "--check", "--diff")
    assert before == [ban_and_whitelist_of(host) for host in CHECKIP_SERVERS]
    assert "failed=0" in shown
    assert any(line.startswith("+") and ADDRESS in line for line in shown.splitlines())


def test_an_operator_who_forgets_the_address_is_told(lab):
    """Ansible alone names the variable that is missing."""
    assert "checkip_address" in playbook("checkip.yml", check=False)
