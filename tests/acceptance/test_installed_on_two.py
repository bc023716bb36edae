"""Two machines share senders, tokens and jobs: one reads the mailbox, one works, on one PostgreSQL."""

import json
import subprocess

import pytest
import yaml

from tests.acceptance.bare import HOST, INSTALL
from tests.acceptance.staff import text
from tests.fleet import on
from tests.postgres import PASSWORD, cluster, unused_port
from tests.road import OPERATOR, waited

pytestmark = [pytest.mark.lab, pytest.mark.long]
CONTROLLER = "192.0.2.1"  # where PostgreSQL is
SECOND = "gv3p"


@pytest.fixture(scope="module")
def two(bare):
    """The bare host and another one, which is only to work; PostgreSQL is there, and nothing is installed."""
    more = bare.folder / "more.yml"
    only_works = {"dispatcher_serve": False, "dispatcher_workers": 1}
    more.write_text(yaml.safe_dump({"dispatchers": {"hosts": {SECOND: only_works}}}))
    bare.more = ("-i", str(more))
    for host in (HOST, SECOND):  # what a container may not set itself
        sysctl = ["sysctl", "-qw", "net.ipv4.tcp_orphan_retries=1"]
        subprocess.run(["nsenter", f"--net=/run/netns/{host}", *sysctl], check=True)
    with cluster((CONTROLLER, unused_port())) as postgres:
        postgres.sql("CREATE DATABASE athome")
        bare.values["url"] = f"postgresql+psycopg://athome@{CONTROLLER}:{postgres.port}/athome"
        yield bare
        bare.play(INSTALL, dispatcher_state="absent", dispatcher_purge=True)


def test_they_need_a_database_and_a_key_in_common(two):
    """Without PostgreSQL, and without the key of the tokens, it says what is missing, and nothing made."""
    done = two.play()
    assert 0 != done.code
    assert "set database.url in dispatcher_settings to a PostgreSQL" in " ".join(done.said.split())
    settings = two.values["dispatcher_settings"] | {"database": {"url": two.values["url"]}}
    two.values["dispatcher_settings"] = settings
    done = two.play()
    assert 0 != done.code
    assert "dispatcher_secrets lacks token-pepper" in " ".join(done.said.split())
    assert "" == two.on("ls -d /opt/athome /etc/athome", check=False)


def test_they_are_installed_and_work_together(two):
    """One serves and one works; a token of the one counts on the other; the second time nothing changes."""
    two.values["dispatcher_secrets"] |= {
        "token-pepper": "invented for tests, the same on both",
        "database-password": PASSWORD,
        "ssh-key": (two.lab / "ssh/id_ed25519").read_text(),
    }
    done = two.play()
    assert 0 == done.code, done.said
    running = "systemctl list-units --plain --no-legend --state=active 'athome*.service' 'athome*.timer'"
    assert "athome.service" == two.on(running).split()[0]
    assert "athome-work@1.service" == on(SECOND, running).split()[0]
    for host in (HOST, SECOND):
        assert "tcp_orphan_retries = 1" in on(host, "cat /etc/sysctl.d/90-athome.conf")
        assert "timer" not in on(host, running)
    two.athome("senders", "add", OPERATOR)
    assert OPERATOR in on(SECOND, "athome senders list")
    two.token = on(SECOND, f"athome tokens issue {OPERATOR}").strip().splitlines()[-1]
    assert "Simulação" in text(two.answer(two.send("CHECKIP=203.0.113.8 SIMULAR")))
    again = two.play()
    assert (0, 0) == (again.code, again.changed), again.said


def test_who_only_works_takes_over(two):
    """A job that waits when the one that serves goes down is carried out; answered when it is back."""
    two.athome("queue", "pause", "gv1p", "--reason", "teste")
    message_id = two.send("CHECKIP=203.0.113.8")
    state = lambda: json.loads(on(SECOND, "athome jobs list --json"))[0]["state"]  # noqa: E731 - asked twice
    waited(lambda: state() == "queued", "not taken", pause=0.5)
    two.on("systemctl stop athome.service")
    on(SECOND, "athome queue resume gv1p")
    waited(lambda: state() == "successful", "not carried out", pause=0.5)
    two.on("systemctl start athome.service")
    assert "gv1p" in text(two.answer(message_id))
