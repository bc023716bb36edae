"""A bare host becomes a service by one playbook, and stays one: reboot, upgrade, rollback, and gone again."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack

import pytest

from dispatcher.settings import PROJECT
from lab.send import send
from tests.acceptance.bare import INSTALL, page, played, release
from tests.acceptance.staff import text
from tests.fleet import arimonitor_has, busy, forget, on
from tests.markdown import blocks
from tests.road import DISPATCHER, OPERATOR, waited

pytestmark = pytest.mark.lab
ADDRESS = "203.0.113.8"
BACK = f"{INSTALL} -e dispatcher_state=previous"
OPEN = next(line for line in page() if line.startswith("ansible -i"))
# Lines of the page that are not typed here, by how they begin.
ELSEWHERE = {
    "sudo apt-get": "the machine of the tests has them",
    "git ": "there is no server with it here",
    "cd ": "we are there",
    "python3 -m venv": "made of requirements/dev.txt, which has all of it",
    ".venv/bin/pip": "the same",
    "export PATH": "the same",
    "ansible-vault create": "opens an editor",
    "make build/wheels/ready": "made before these tests",
    f"{INSTALL} -e dispatcher_wheelhouse=": "each of these runs has it",
    f"{INSTALL} -e dispatcher_state=absent -e dispatcher_purge": "in the long form",
    "sudo athome doctor": "has tests of its own",
    "sudo systemctl stop": "in the long form",
    "sudo ATHOME_RELEASE": "in the long form",
}
RAMAIS = "RAMAIS=1121,1122 SERVER=voip3 INICIO=01/11/2025 00:00 FIM=05/11/2025 23:59"
MACCHANGE = "MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=00005e0053aa SERVER=gv2p"
UNITS = ("athome.service", "athome-housekeeping.service")
EXPOSURE = 2.0  # of 10, as systemd-analyze counts


def test_a_preview_on_a_fresh_host_shows_everything_and_makes_nothing(bare):
    """--check --diff foretells settings and units, shows no secret, and leaves the host as it was."""
    done = bare.play(f"{INSTALL} --check --diff")
    assert 0 == done.code, done.said
    assert done.changed > 5
    assert "+ExecStart=/opt/athome/releases/" in done.said
    assert "+  password_file: credentials/imap-password" in done.said
    for secret in bare.values["dispatcher_secrets"].values():
        assert not [line for line in secret.split() if len(line) > 15 and line in done.said]
    assert "" == bare.on("ls -d /opt/athome /etc/athome /var/lib/athome; id -u athome", check=False)


def test_one_playbook_makes_a_service_of_it(bare):
    """It runs, in a sandbox, with secrets for root alone; the second time nothing changes."""
    done = bare.play()
    assert 0 == done.code, done.said
    assert "active" == bare.on("systemctl is-active athome.service").strip()
    for unit in UNITS:
        score = bare.on(f"systemd-analyze security --no-pager {unit} | tail -1")
        assert float(re.search(r"level for \S+: ([\d.]+)", score)[1]) <= EXPOSURE, score
    assert {"600 root"} == set(bare.on("stat -c '%a %U' /etc/athome/credentials/*").splitlines())
    assert "active (running)" in bare.type("systemctl status athome")
    assert bare.type("sudo cat /etc/athome/credentials/ssh-key.pub").strip() in " ".join(done.said.split())

    again = bare.play()
    assert (0, 0) == (again.code, again.changed), again.said


def test_commands_go_all_the_way(bare):
    """By mail through the service: four servers, a change that is confirmed, recordings behind a link."""
    key = bare.type("sudo cat /etc/athome/credentials/ssh-key.pub").strip()
    bare.type(OPEN, **{"ssh-ed25519 AAAA... athome@audio2": key})
    forget(ADDRESS)
    bare.type("sudo athome senders add ana@example.com --role administrador")
    token = bare.type('sudo athome tokens issue ana@example.com --description "celular da Ana"')
    bare.token = token.strip().splitlines()[-1]
    assert "✓" in bare.type("sudo athome health")
    checkip, change, ramais = (bare.send(each) for each in (f"CHECKIP={ADDRESS}", MACCHANGE, RAMAIS))
    demand = bare.answer(change)
    headers = {"In-Reply-To": demand["Message-ID"], "References": demand["Message-ID"]}
    send(OPERATOR, DISPATCHER, f"Re: {demand['Subject']}", headers=headers)
    assert "gv1p, gv2p, gv3p e voip1" in bare.answer(checkip)["Subject"]
    assert "http://s3.lab.example:8333/audios/" in text(bare.answer(ramais))
    waited(lambda: len(bare.answers(change)) > 1, "the change was not answered")
    assert ADDRESS in on("gv2p", "fail2ban-client", "get", "sshd", "ignoreip")
    assert "00005e0053aa" == arimonitor_has("gv2p", "3010")


def test_a_reboot_loses_nothing(bare):
    """What is sent while the host is away is answered when it is back, by a service that nobody started."""
    bare.on("systemctl stop athome.service")
    message_id = bare.send(f"CHECKIP={ADDRESS} SIMULAR")
    bare.reboot()
    assert "Simulação" in text(bare.answer(message_id))


def test_an_upgrade_lets_the_job_in_flight_finish(bare):
    """The new release is laid beside, the old one ends what it runs: one answer, one backup."""
    old = bare.release()
    release(bare.source, "0.2.0")
    with ExitStack() as held:
        held.enter_context(busy("gv1p"))
        message_id = bare.send(f"CHECKIP={ADDRESS}")
        waited(lambda: "running job" in bare.status(), "no job", pause=0.3)
        with bare.playing() as running:
            waited(lambda: "ending" in bare.status(), "nobody stopped it", timeout=200, pause=0.3)
            assert old == bare.release()
            held.close()
            done = played(running)
    assert 0 == done.code, done.said
    assert "athome, version 0.2.0" == bare.athome("--version").strip()
    assert old == bare.release("previous")
    assert ("successful", 1) == (bare.jobs()[0]["state"], bare.jobs()[0]["attempts"])
    assert 1 == len(bare.answers(message_id))
    assert 1 == len(bare.on("ls /var/lib/athome/backups/upgrades").split())


def test_a_rollback_is_one_word(bare):
    """The release before this runs again, answers mails, and the newer one is what it was before."""
    old, new = bare.release("previous"), bare.release()
    done = bare.play(BACK)
    assert 0 == done.code, done.said
    assert (old, new) == (bare.release(), bare.release("previous"))
    assert "Simulação" in text(bare.answer(bare.send(f"CHECKIP={ADDRESS} SIMULAR")))


def test_the_page_has_no_other_commands(bare):
    """Every line of docs/INSTALACAO.md that can be typed here was, by the tests above."""
    left = set(page()) - bare.typed - {f"{INSTALL} -e dispatcher_state=absent"}
    assert not [line for line in left if not line.startswith(tuple(ELSEWHERE))]


@pytest.mark.long
def test_the_log_and_the_copies_are_as_the_operators_page_says(bare):
    """docs/OPERACAO.md: each line of the log is an object; a copy is restored, and the service is back."""
    texts = [block.text for block in blocks(PROJECT / "docs/OPERACAO.md")]
    logs, back = (
        next(one for one in texts if one.startswith(word)) for word in ("journalctl", "sudo systemctl")
    )
    for line in logs.splitlines():
        entries = bare.on(line.partition(" | jq ")[0]).splitlines()
        assert all(isinstance(json.loads(entry), dict) for entry in entries)
    bare.on(f"athome backup {re.search(r'[^ ]+[.]db', back)[0]}")
    assert "✗" not in bare.on("set -e\n" + back.replace("sudo ", ""))


@pytest.mark.long
def test_a_release_that_does_not_come_up_is_taken_back(bare):
    """The playbook fails with the service's own words; the release before goes on, and answers."""
    old = bare.release()
    release(bare.source, "0.3.0")
    service = bare.source / "dispatcher/service.py"
    good = service.read_text()
    service.write_text("raise SystemExit('spoilt on purpose')")
    done = bare.play()
    service.write_text(good)
    release(bare.source, "0.1.0")
    assert 0 != done.code
    assert "spoilt on purpose" in done.said
    assert f"What ran before goes on: release {old}." in " ".join(done.said.split())
    assert old == bare.release()
    assert "Simulação" in text(bare.answer(bare.send(f"CHECKIP={ADDRESS} SIMULAR")))


@pytest.mark.long
def test_wrong_settings_are_named_and_not_put_in_place(bare):
    """The release itself says which key it does not know; file and service stay as they are."""
    before = bare.on("cat /etc/athome/settings.yml; systemctl show -p MainPID athome.service")
    settings = bare.values["dispatcher_settings"] | {"languag": "en"}
    done = bare.play(dispatcher_settings=settings)
    assert 0 != done.code
    assert "tem chaves erradas: languag" in done.said
    assert before == bare.on("cat /etc/athome/settings.yml; systemctl show -p MainPID athome.service")


@pytest.mark.long
def test_settings_that_it_cannot_start_with_are_taken_back(bare):
    """An inventory that is not there passes the reading and fails the start: what ran before goes on."""
    settings = bare.values["dispatcher_settings"] | {"inventory": "/nonexistent"}
    done = bare.play(dispatcher_settings=settings)
    assert 0 != done.code
    assert "/nonexistent" in done.said
    assert "What ran before goes on" in " ".join(done.said.split())
    assert "nonexistent" not in bare.on("cat /etc/athome/settings.yml")
    assert "active" == bare.on("systemctl is-active athome.service").strip()


@pytest.mark.long
def test_a_release_that_does_not_know_the_database_is_refused(bare):
    """The tables are of a newer version: refused, nothing is stopped; with the old database it goes."""
    newer = (
        'import sqlite3; c = sqlite3.connect("/var/lib/athome/athome.db");'
        ' c.execute("UPDATE schema_version SET version = version + 1"); c.commit()'
    )
    pid = "systemctl show -p MainPID athome.service"
    before, previous = bare.on(pid), bare.release("previous")
    bare.on(f"runuser -u athome -- python3 -c '{newer}'")
    done = bare.play(BACK)
    assert 0 != done.code
    assert "athome restore" in done.said
    assert before == bare.on(pid)

    bare.type("sudo systemctl stop athome")
    newest = bare.on("ls /var/lib/athome/backups/upgrades/*").split()[-1]
    line = next(line for line in page() if "athome restore" in line)
    bare.type(line, **{"0.1.0-123456789abc": previous, line.split()[-1]: newest})
    done = bare.play(BACK)
    assert (0, previous) == (done.code, bare.release()), done.said


@pytest.mark.long
def test_an_installation_that_was_cut_off_is_done_again(bare):
    """The machine is started anew in the middle: the old release runs; the next try ends well."""
    before = bare.release()
    release(bare.source, "0.4.0")
    with bare.playing() as running:
        half = "ls -d /opt/athome/releases/0.4.0-*/lib/python*/site-packages/click"
        waited(lambda: bare.on(half, check=False), "not begun", timeout=200, pause=0.2)
        running.kill()
    bare.reboot()
    waited(lambda: bare.on("systemctl is-active athome.service", check=False).strip() == "active", "not back")
    assert before == bare.release()
    assert "" == bare.on("ls /opt/athome/releases/0.4.0-*/ready", check=False)
    done = bare.play()
    assert 0 == done.code, done.said
    assert "athome, version 0.4.0" == bare.athome("--version").strip()


def test_what_is_removed_leaves_its_data(bare):
    """Units, command and releases are gone; database, settings and secrets stay, unless purged."""
    done = bare.play(f"{INSTALL} -e dispatcher_state=absent")
    assert 0 == done.code, done.said
    gone = "ls -d /opt/athome /usr/local/bin/athome /etc/systemd/system/athome*"
    assert "" == bare.on(gone, check=False)
    assert "" == bare.on("systemctl list-units --all --plain --no-legend 'athome*'").strip()
    kept = bare.on(
        "ls /var/lib/athome/athome.db /etc/athome/settings.yml /etc/athome/credentials/token-pepper"
    )
    assert 3 == len(kept.split())


@pytest.mark.long
def test_a_purge_leaves_nothing(bare):
    """Data, settings, secrets and the account go too, when asked for."""
    done = bare.play(f"{INSTALL} -e dispatcher_state=absent -e dispatcher_purge=true")
    assert 0 == done.code, done.said
    assert "" == bare.on("ls -d /etc/athome /var/lib/athome /var/lib/athome-audio; id -u athome", check=False)
