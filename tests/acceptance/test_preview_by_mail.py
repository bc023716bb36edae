"""A preview is carried out by an answer: exactly what it showed, or a refusal with the new difference."""

import re

import pytest

from tests.acceptance.staff import Person, code_of, settle, text
from tests.fleet import arimonitor_has, banned, edit_phones, forget, fresh_phones, on, phones
from tests.road import ADMIN, OPERATOR, waited

pytestmark = pytest.mark.lab
ADDRESS = "203.0.113.61"
CHECKIP = f"CHECKIP={ADDRESS}"
OLD, NEW, FOREIGN = "010203040506", "00005e0053aa", "00005e0053bb"
CHANGE = f"MACCHANGE=3010 MACATUAL={OLD} MACFUTURO={NEW} SERVER=gv2p"


@pytest.fixture
def operator(governed) -> Person:
    return Person(governed, OPERATOR, governed.token)


@pytest.fixture(scope="module", autouse=True)
def _fresh(governed):
    fresh_phones()
    forget(ADDRESS)


def ban(host: str) -> None:
    on(host, "fail2ban-client", "set", "asterisk", "banip", ADDRESS)


def last_of(person: Person, message_id: str, number: int):
    """Wait for so many answers to a mail, and return the last one."""
    return waited(
        lambda: len(found := person.box.answers(message_id)) == number and found[-1], f"no answer {number}"
    )


def test_a_change_by_hand_is_shown_before_anything_is_done(governed, operator):
    """Another ban in between: nothing is done, the new show has a new code, and that does what it shows."""
    ban("gv1p")
    message_id = operator.send(f"{CHECKIP} SIMULAR")
    first = operator.box.answer(message_id)
    for words in ("Simulação: nada foi alterado", "mudaria", ADDRESS, f"CONFIRMAR {code_of(first)}"):
        assert words in text(first)
    ban("gv3p")
    operator.confirm(first)
    second = last_of(operator, message_id, 2)
    for words in ("Mudou desde a simulação: nada foi feito", "gv3p", f"CONFIRMAR {code_of(second)}"):
        assert words in text(second)
    assert code_of(first) != code_of(second)
    assert banned("gv1p", ADDRESS)
    assert banned("gv3p", ADDRESS)
    assert "já foi usado" in operator.box.answer(operator.confirm(first))["Subject"]

    confirmed = operator.confirm(second)
    result = last_of(operator, message_id, 3)
    assert "desbloqueado em gv1p e gv3p" in result["Subject"]
    assert not banned("gv1p", ADDRESS)
    assert not banned("gv3p", ADDRESS)
    assert [("admitted", "confirmation")] == governed.verdicts(confirmed)
    done = governed.newest()
    assert ("successful", False, OPERATOR) == (done["state"], done["check"], done["confirmed_by"])
    shown = governed.athome("jobs", "show", str(done["id"])).stdout
    assert "Confirmado por" in shown
    assert [str(done["preview_of"])] == [row.split()[-1] for row in shown.splitlines() if "mostrou" in row]


@pytest.mark.long  # tests/unit/jobs has it without servers
def test_the_second_delivery_of_an_answer_does_nothing(governed, operator):
    """The same mail twice, as mail servers do: one run, and the second one is known."""
    message_id = operator.send(CHANGE)
    shown = operator.box.answer(message_id)
    edit_phones("gv2p", "macs.csv", lambda old: old + b"3999;00005e0053cc\n")  # of somebody else
    before = len(governed.jobs())
    subject, identifier = f"Re: {shown['Subject']}", "<answer-twice@lab.example>"
    for _delivery in range(2):
        operator.write(subject, headers={"Message-ID": identifier})
    assert ["admitted", "repeated"] == [verdict for verdict, _ in governed.verdicts(identifier, 2)]
    assert "MAC trocado em gv2p" in last_of(operator, message_id, 2)["Subject"]
    assert NEW == arimonitor_has("gv2p", "3010")
    assert before == len(governed.jobs())
    fresh_phones()


@pytest.mark.long  # the change by hand above is short
def test_another_hand_at_the_same_line_is_a_refusal(governed, operator):
    """The extension has another telephone by now: what was shown cannot be done, and there is no code."""
    message_id = operator.send(f"{CHANGE} SIMULAR")
    shown = operator.box.answer(message_id)
    for name in ("users.conf", "macs.csv"):
        edit_phones("gv2p", name, lambda old: old.replace(OLD.encode(), FOREIGN.encode()))
    theirs = phones("gv2p")
    operator.confirm(shown)
    refused = last_of(operator, message_id, 2)
    assert "CONFIRMAR" not in refused["Subject"] + text(refused)
    assert "Falhou" in text(refused)
    assert theirs == phones("gv2p")
    assert "failed" == governed.newest()["state"]
    fresh_phones()


def test_another_administrator_approves(governed, operator):
    """The operator is told to wait, the administrator gets the difference and a code of one's own."""
    admin = Person(governed, ADMIN, governed.admin_token)
    settings = governed.settings.read_text()
    assert governed.stop() == 0
    settle(governed, "permissions", approval=["MACCHANGE"])
    governed.start()
    try:
        since = admin.count()
        message_id = operator.send(CHANGE)
        waits = operator.box.answer(message_id)
        assert "Aguardando aprovação: nada foi feito ainda" in text(waits)
        assert "CONFIRMAR" not in waits["Subject"] + text(waits)
        asked = admin.told(since, "CONFIRMAR")
        for words in (OPERATOR, CHANGE):
            assert words in text(asked)
        assert re.search(rf"^ *[+] .*{NEW}", text(asked), re.MULTILINE)
        theirs = operator.write(f"Re: {asked['Subject']}")
        assert [("refused", "token")] == governed.verdicts(theirs)
        admin.confirm(asked)
        result = last_of(operator, message_id, 2)
        assert f"Aprovado por {ADMIN}" in text(result)
        assert NEW == arimonitor_has("gv2p", "3010")
        assert ADMIN == governed.newest()["confirmed_by"]
        assert code_of(asked) not in governed.log.read_text()
        alone = admin.ask(CHANGE)
        assert "precisa de aprovação" in alone["Subject"]
    finally:
        governed.stop()
        governed.settings.write_text(settings)
        governed.start()


def test_an_undo_is_shown_and_confirmed_as_what_it_undoes(governed, operator):
    """A telephone is not changed back without an answer either; that is a job of its own, with its result."""

    def confirmed(command: str) -> str:
        message_id = operator.send(command)
        demand = operator.box.answer(message_id)
        assert "nada foi feito ainda" in text(demand)
        operator.confirm(demand)
        return text(last_of(operator, message_id, 2))

    fresh_phones()
    before = phones("gv2p")
    undo = re.search(r"\[TOKEN\] (DESFAZER [0-9]+)", confirmed(CHANGE))[1]
    assert "mudança desfeita em gv2p" in confirmed(undo)
    assert before == phones("gv2p")
    job = governed.newest()
    assert (int(undo.split()[1]), undo) == (job["undoes"], job["subject"])
