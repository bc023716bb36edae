"""A bare host becomes a service by one playbook, and stays one: reboot, upgrade, rollback, and gone again."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack

import pytest

from lab import recordings
from lab.send import send
from tests.acceptance.bare import WHEELS, Bare, played, release
from tests.acceptance.staff import text
from tests.fleet import arimonitor_has, busy, forget, fresh_phones, on
from tests.road import DISPATCHER, OPERATOR, waited

pytestmark = pytest.mark.lab
ADDRESS = "203.0.113.8"
RAMAIS = "RAMAIS=1121,1122 SERVER=voip3 INICIO=01/11/2025 00:00 FIM=05/11/2025 23:59"
MACCHANGE = "MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=00005e0053aa SERVER=gv2p"
UNITS = ("athome.service", "athome-housekeeping.service")
EXPOSURE = 2.0  # of 10, as systemd-analyze counts


@pytest.fixture(scope="module")
def bare(dispatcher, lab, tmp_path_factory):
    """The bare host, while the dispatcher of all tests rests: both would read the same mailbox."""
    if json.loads((lab / "state.json").read_text())["mode"] != "systemd":
        pytest.skip("the lab runs in plain mode: its hosts have no systemd")
    assert (WHEELS / "ready").exists(), "make build/wheels/ready"
    assert dispatcher.stop() == 0
    made = Bare(lab, tmp_path_factory.mktemp("bare"))
    recordings.lay("voip3", recordings.planned("voip3", files=100), lambda _line: None)
    fresh_phones()
    yield made
    made.on("! systemctl cat athome.service || systemctl disable --now athome.service", check=False)
    fresh_phones()
    dispatcher.start()


def test_a_preview_on_a_fresh_host_shows_everything_and_makes_nothing(bare):
    """--check --diff foretells settings and units, shows no secret, and leaves the host as it was."""
    done = bare.play("--check", "--diff")
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
    assert bare.on("cat /etc/athome/credentials/ssh-key.pub").strip() in " ".join(done.said.split())

    again = bare.play()
    assert (0, 0) == (again.code, again.changed), again.said


def test_commands_go_all_the_way(bare):
    """By mail through the service: four servers, a change that is confirmed, recordings behind a link."""
    bare.open_the_fleet()
    forget(ADDRESS)
    bare.athome("senders", "add", OPERATOR)
    bare.token = (
        bare.athome("tokens", "issue", OPERATOR, "--description", "telefone").strip().splitlines()[-1]
    )
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
    done = bare.play(dispatcher_state="previous")
    assert 0 == done.code, done.said
    assert (old, new) == (bare.release(), bare.release("previous"))
    assert "Simulação" in text(bare.answer(bare.send(f"CHECKIP={ADDRESS} SIMULAR")))


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
    """The tables are of a newer version: refused before anything is stopped, with the way out."""
    version = (
        'import sqlite3; c = sqlite3.connect("/var/lib/athome/athome.db");'
        ' c.execute("UPDATE schema_version SET version = version + %s"); c.commit()'
    )
    before = bare.release(), bare.on("systemctl show -p MainPID athome.service")
    bare.on(f"runuser -u athome -- python3 -c '{version % 1}'")
    try:
        done = bare.play(dispatcher_state="previous")
    finally:
        bare.on(f"runuser -u athome -- python3 -c '{version % -1}'")
    assert 0 != done.code
    assert "athome restore" in done.said
    assert before == (bare.release(), bare.on("systemctl show -p MainPID athome.service"))


def test_what_is_removed_leaves_its_data(bare):
    """Units, command and releases are gone; database, settings and secrets stay, unless purged."""
    done = bare.play(dispatcher_state="absent")
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
    done = bare.play(dispatcher_state="absent", dispatcher_purge=True)
    assert 0 == done.code, done.said
    assert "" == bare.on("ls -d /etc/athome /var/lib/athome /var/lib/athome-audio; id -u athome", check=False)
