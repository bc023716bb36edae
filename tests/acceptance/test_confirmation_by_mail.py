"""A change waits until its sender has answered a mail: once, in time, and nobody else's answer counts."""

import re
from datetime import datetime, timezone

import pyotp
import pytest

from dispatcher.jobs.database import connect
from dispatcher.mail.tokens import Tokens
from dispatcher.settings import load
from tests.acceptance.staff import Person, code_of, settle, text
from tests.fleet import arimonitor_has, fresh_phones, phones
from tests.road import ADMIN, OPERATOR, waited

pytestmark = pytest.mark.lab
OLD, NEW = "010203040506", "010203040599"
CHANGE = f"MACCHANGE=3010 MACATUAL={OLD} MACFUTURO={NEW} SERVER=gv2p"
BACK = f"MACCHANGE=3010 MACATUAL={NEW} MACFUTURO={OLD} SERVER=gv2p"


@pytest.fixture
def operator(governed) -> Person:
    return Person(governed, OPERATOR, governed.token)


@pytest.fixture
def admin(governed) -> Person:
    return Person(governed, ADMIN, governed.admin_token)


@pytest.fixture(scope="module", autouse=True)
def _fresh(governed):
    fresh_phones()


def state(governed) -> str:
    return governed.newest()["state"]


def test_a_change_happens_after_its_confirmation_and_once(governed, operator):
    """By default MACCHANGE waits; the mail shows what would change; an answer does it, a second one not.

    The code is in that one mail and nowhere else: not in the log, nor in any row.
    """
    before = phones("gv2p")
    message_id = operator.send(CHANGE)
    demand = operator.box.answer(message_id)
    said = text(demand)
    for words in ("3010", "01:02:03:04:05:06", "01:02:03:04:05:99", "gv2p", "Responda a este e-mail"):
        assert words in said
    assert "Falta confirmar: nada foi feito ainda" in said
    for sign, mac in (("-", OLD), ("+", NEW)):
        assert re.search(rf"^ *[{sign}] .*{mac}", said, re.MULTILINE)
    assert "SIMULAR" not in said
    assert ("awaiting_confirmation", before) == (state(governed), phones("gv2p"))
    assert "aguarda confirmação" in governed.athome("jobs", "list").stdout

    operator.confirm(demand)
    result = operator.result(message_id)
    assert "mudou" in result["Subject"] + text(result)
    assert "successful" == state(governed)
    assert NEW == arimonitor_has("gv2p", "3010")
    changed = phones("gv2p")
    assert before != changed

    again = operator.confirm(demand)
    answer = operator.box.answer(again)
    assert "já foi usado" in answer["Subject"]
    assert [("refused", "confirmation")] == governed.verdicts(again)
    assert changed == phones("gv2p")
    assert 2 == len(governed.jobs())  # the look, and what it showed

    code = code_of(demand)
    everything = governed.log.read_text() + repr(governed.rows("SELECT * FROM confirmations"))
    everything += repr(governed.rows("SELECT subject, reason FROM messages"))
    assert code not in everything
    assert code.replace("-", "") not in everything


def test_another_senders_code_is_nobodys(governed, operator, admin):
    """An administrator who answers with the operator's code is refused; for the operator it stays good."""
    message_id = operator.send(BACK)
    demand = operator.box.answer(message_id)
    theirs = admin.write(f"Re: {demand['Subject']}")
    assert [("refused", "token")] == governed.verdicts(theirs)
    assert "awaiting_confirmation" == state(governed)
    operator.write(f"confirmar {code_of(demand).replace('-', '').lower()}")  # typed by hand, without hyphens
    assert text(operator.result(message_id))
    assert "successful" == state(governed)


@pytest.mark.long  # up to a minute until the worker looks; tests/unit/jobs/test_offering.py asks at once
def test_a_code_ends_with_its_time(governed, operator):
    """Nobody answers: the job expires, its sender gets the command to copy, and the code is worthless."""
    settings = governed.settings.read_text()
    assert governed.stop() == 0
    settle(governed, "permissions", confirm_within=2)
    governed.start()
    try:
        message_id = operator.send(CHANGE)
        demand = operator.box.answer(message_id)
        end = operator.result(message_id)
        assert "não foi confirmado a tempo" in end["Subject"]
        assert f"[TOKEN] {CHANGE}" in text(end)
        assert "expired" == state(governed)
        assert "não confirmado" in governed.athome("jobs", "list").stdout
        late = operator.box.answer(operator.confirm(demand))
        assert "não vale mais" in late["Subject"]
        assert OLD == arimonitor_has("gv2p", "3010")
    finally:
        governed.stop()
        governed.settings.write_text(settings)
        governed.start()


def test_a_waiting_job_holds_nobody_up(governed, operator):
    """What waits for an answer has no place in the queue: a preview on the same server runs at once."""
    operator.box.answer(operator.send(CHANGE))
    assert "Simulação" in text(operator.ask(f"{CHANGE} SIMULAR"))
    assert "successful" == governed.jobs()[1]["state"]
    assert OLD == arimonitor_has("gv2p", "3010")


def test_a_one_time_token_needs_no_confirmation_and_the_settings_may_ask_for_it(governed, operator):
    """A code of the app does it at once; where the settings say totp, a token is refused."""
    settings = load(governed.settings)
    tokens = Tokens(connect(settings.job_store), settings.tokens.pepper())
    enrolment, uri = tokens.enrol(OPERATOR, "lab")
    tokens.complete(enrolment, "telefone")
    app = pyotp.parse_uri(uri)
    result = operator.ask(CHANGE, app.at(datetime.now(timezone.utc)))
    assert "CONFIRMAR" not in result["Subject"]
    assert NEW == arimonitor_has("gv2p", "3010")

    text_before = governed.settings.read_text()
    assert governed.stop() == 0
    settle(governed, "permissions", demands={"MACCHANGE": "totp"})
    governed.start()
    try:
        refused = operator.ask(BACK)
        assert "pede o código do aplicativo" in refused["Subject"]
        assert f"[CÓDIGO] {BACK}" in text(refused)
        assert NEW == arimonitor_has("gv2p", "3010")
        assert "SIMULAR" in operator.ask(f"{BACK} SIMULAR")["Subject"]
    finally:
        governed.stop()
        governed.settings.write_text(text_before)
        governed.start()


def test_a_permission_that_is_gone_confirms_nothing(governed, operator):
    """Between the command and its confirmation the list of commands was cut: it is refused, and not done."""
    demand = operator.box.answer(operator.send(BACK))
    governed.athome("senders", "set", OPERATOR, "--commands", "CHECKIP")
    try:
        refused = operator.box.answer(operator.confirm(demand))
        assert "Sem permissão: MACCHANGE" in refused["Subject"]
        assert "awaiting_confirmation" == state(governed)
    finally:
        governed.athome("senders", "set", OPERATOR, "--commands", "tudo")
    message_id = operator.confirm(demand)
    assert [("admitted", "confirmation")] == governed.verdicts(message_id)
    waited(lambda: state(governed) == "successful", "the confirmed job was not run")
