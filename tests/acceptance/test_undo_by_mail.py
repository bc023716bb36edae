"""Courage by mail: what a job changed is taken back by its number, unless something was done there since."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.staff import Person
from tests.acceptance.staff import text as plain
from tests.fleet import CHECKIP_SERVERS, arimonitor_has, edit_phones, forget, fresh_phones, on, phones
from tests.road import OPERATOR, OUTSIDER

pytestmark = pytest.mark.lab

OLD, NEW = "010203040506", "00005e0053aa"
CHANGE = f"MACCHANGE=3010 MACATUAL={OLD} MACFUTURO={NEW} SERVER=gv2p"
ADDRESS = "203.0.113.9"


@pytest.fixture(scope="module")
def ana(dispatcher):
    return Person(dispatcher, OPERATOR, dispatcher.token)


@pytest.fixture(scope="module")
def eva(dispatcher):
    dispatcher.athome("senders", "add", OUTSIDER)
    yield Person(dispatcher, OUTSIDER, dispatcher.issue(OUTSIDER))
    dispatcher.athome("senders", "remove", OUTSIDER)


@pytest.fixture(scope="module", autouse=True)
def clean(lab):
    forget(ADDRESS)
    yield
    fresh_phones()
    forget(ADDRESS)


def text(mail) -> str:
    """The words of a mail, however its lines are broken."""
    return " ".join(plain(mail).split())


def offered(reply) -> str:
    """The undo that an answer offers."""
    return re.search(r"Para desfazer, envie: \[TOKEN\] (DESFAZER [0-9]+) ", text(reply))[1]


def listed() -> list[str]:
    """The servers that have the address on their permanent list, and let it in by it."""
    look = "cat /etc/fail2ban/jail.d/*athome-whitelist*; fail2ban-client get sshd ignoreip"
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda host: on(host, look, check=False), CHECKIP_SERVERS))
    assert {said.count(ADDRESS) for said in found} <= {0, 2}
    return [host for host, said in zip(CHECKIP_SERVERS, found, strict=True) if ADDRESS in said]


def test_a_change_of_a_telephone_is_previewed_and_taken_back_once(dispatcher, ana, eva):
    """Every byte is back, and arimonitor knows; nobody else can do it, and nobody twice."""
    fresh_phones()
    before = phones("gv2p")
    undo = offered(ana.ask(CHANGE))
    changed = phones("gv2p")
    assert before != changed

    with dispatcher.nothing_runs():
        assert f"Não há um job {undo.split()[1]} seu." in text(eva.ask(undo))
    preview = ana.ask(f"{undo} SIMULAR")
    assert "Simulação: nada foi alterado — a mudança seria desfeita em gv2p." in text(preview)
    assert changed == phones("gv2p")

    back = ana.ask(undo)
    assert before == phones("gv2p")
    assert OLD == arimonitor_has("gv2p", "3010")
    assert f"Re: {undo} — mudança desfeita em gv2p" == back["Subject"]
    assert f"Para fazer de novo o que foi desfeito, envie: [TOKEN] {CHANGE} " in text(back)
    job = dispatcher.newest()
    assert (undo, int(undo.split()[1]), ["gv2p"]) == (job["subject"], job["undoes"], job["servers"])
    shown = dispatcher.athome("jobs", "show", str(job["id"])).stdout
    assert re.search(rf"Desfaz o job +{job['undoes']} ", shown)
    assert f"athome run '{CHANGE}'" in shown
    assert f"Desfaz o job {job['undoes']}." in text(ana.ask(f"STATUS {job['id']}"))

    with dispatcher.nothing_runs():
        assert f"já foi desfeito, pelo job {job['id']}." in text(ana.ask(undo))
        assert f"EM VEZ DISSO [TOKEN] {CHANGE} " in text(ana.ask(f"DESFAZER {job['id']}"))
    assert before == phones("gv2p")


def test_what_somebody_edited_since_is_kept(ana):
    """One line by hand, and the server refuses the undo; the reverse command, which is offered, keeps it."""
    fresh_phones()
    undo = offered(ana.ask(CHANGE))
    edit_phones("gv2p", "users.conf", lambda old: old + b"; by hand\n")
    edited = phones("gv2p")
    refused = ana.ask(undo)
    assert edited == phones("gv2p")
    assert NEW == arimonitor_has("gv2p", "3010")
    assert "Alguém editou /etc/asterisk/users.conf nesse meio-tempo" in text(refused)
    assert f"[TOKEN] {undo} " not in text(refused)

    reverse = f"MACCHANGE=3010 MACATUAL={NEW} MACFUTURO={OLD} SERVER=gv2p"
    assert f"[TOKEN] {reverse} " in text(refused)
    assert "MAC trocado em gv2p" in ana.ask(reverse)["Subject"]
    assert tuple(file.replace(NEW.encode(), OLD.encode()) for file in edited) == phones("gv2p")
    assert OLD == arimonitor_has("gv2p", "3010")


def test_an_address_leaves_the_list_where_this_job_put_it(dispatcher, ana, eva):
    """A server that had it before keeps it; whoever asked for the same later is not robbed of it."""
    first = ana.ask(f"CHECKIP={ADDRESS}")
    on("gv1p", "rm -f /etc/fail2ban/jail.d/*athome-whitelist*; fail2ban-client reload")
    second = ana.ask(f"CHECKIP={ADDRESS}")
    assert list(CHECKIP_SERVERS) == listed()

    back = ana.ask(offered(second))
    others = [host for host in CHECKIP_SERVERS if host != "gv1p"]
    assert others == listed()
    assert "tirado da lista permanente em gv1p" in back["Subject"]
    assert "não foi bloqueado de novo" in text(back)
    assert ["gv1p"] == dispatcher.newest()["servers"]

    eva.ask(f"CHECKIP={ADDRESS}")
    relying = dispatcher.newest()["id"]
    with dispatcher.nothing_runs():
        assert f"Outra pessoa pediu o mesmo depois, no job {relying}" in text(ana.ask(offered(first)))
