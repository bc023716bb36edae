"""``athome explain --message``: the same rules as the service's, on a file, and nothing comes of it."""

import json
import sqlite3
from datetime import timedelta

import pytest
import yaml
from click.testing import CliRunner

from dispatcher.cli import athome
from dispatcher.cli.judged import QUESTIONS
from dispatcher.jobs.database import connect
from dispatcher.mail.admission import RULES
from dispatcher.mail.dns import LookupLaterError
from dispatcher.mail.senders import Senders
from dispatcher.mail.tokens import Tokens
from dispatcher.settings import PROJECT
from tests.unit.mail.mails import ARRIVED, on_the_wire
from tests.unit.mail.signing import NAME, Zone, signed

OPERATOR = "operador@lab.example"
NOON = ARRIVED.isoformat()
PLAIN = on_the_wire("admitted-plain.eml")


@pytest.fixture
def database(tmp_path):
    return tmp_path / "state" / "athome.db"


@pytest.fixture
def token(tmp_path, database):
    """Lay out an installation with one operator; return the operator's token."""
    (tmp_path / "pepper").write_text("invented for tests only\n")
    database.parent.mkdir()
    engine = connect(f"sqlite:///{database}")
    Senders(engine).add(OPERATOR)
    return Tokens(engine, b"invented for tests only").issue(OPERATOR, "")


@pytest.fixture
def explain(tmp_path, token, monkeypatch):
    """Call it with a mail to get the exit code and what was said; `zone` is the DNS."""
    monkeypatch.setenv("ATHOME_LANGUAGE", "en")

    def run(raw, *options, zone=None, arrived=NOON, mail=None):
        monkeypatch.setattr("dispatcher.mail.admission.Resolver", lambda *_settings: zone or Zone())
        settings = {
            "inventory": str(PROJECT / "inventory/lab"), "state_dir": "state",
            "mail": {"address": "athome@lab.example", "authserv_id": "mail.lab.example", **(mail or {})},
            "tokens": {"pepper_file": "pepper"},
        }  # fmt: skip
        path = tmp_path / "settings.yml"
        path.write_text(yaml.safe_dump(settings))
        (tmp_path / "mail.eml").write_bytes(raw)
        arguments = ["--settings", str(path), "explain", "--message", str(tmp_path / "mail.eml")]
        if arrived:
            arguments += ["--arrived", arrived]
        return CliRunner().invoke(athome, [*arguments, *options])

    return run


@pytest.fixture
def mail(token):
    """Call it with a command to get the operator's signed mail."""

    def made(command="CHECKIP=203.0.113.7", *, opened=True, name="admitted-plain.eml"):
        written = f"[{token}] {command}" if opened else command
        return signed(on_the_wire(name).replace(b"[7E57C0DE] CHECKIP=203.0.113.7", written.encode()))

    return made


def test_a_mail_that_would_be_admitted(explain, mail, token):
    """Every rule says yes, the command is shown without its token, and the exit code is 0."""
    found = explain(mail(), "--json")
    said = json.loads(found.stdout)
    assert 0 == found.exit_code
    assert (True, "admitted", True) == (said["admitted"], said["decision"], said["answer_due"])
    assert ("CHECKIP=203.0.113.7", OPERATOR) == (said["command"], said["from"])
    assert "[········] CHECKIP=203.0.113.7" == said["subject"]
    assert {True} == {rule["passed"] for rule in said["rules"]}
    table = explain(mail())
    assert 0 == table.exit_code
    assert "It would be admitted." in table.stdout
    for output in (found.stdout, table.stdout):
        assert token.lower() not in output.lower()


@pytest.mark.parametrize(
    ("name", "rule", "due"),
    [
        ("whitelist-unknown.eml", "whitelist", False),
        ("authentication-dmarc-fail.eml", "authentication", False),
        ("token-none.eml", "token", True),
    ],
)  # fmt: skip
def test_a_mail_that_would_be_refused(explain, mail, name, rule, due):
    """The rule that decides is named with its reason, those behind it were not asked; the exit code is 2."""
    found = explain(mail(name=name), "--json")
    said = json.loads(found.stdout)
    assert (2, rule, due, False) == (found.exit_code, said["rule"], said["answer_due"], said["admitted"])
    assert said["reason"]
    rules = {row["rule"]: row["passed"] for row in said["rules"]}
    assert rules[rule] is False
    assert rules["grammar"] is None
    table = explain(mail(name=name))
    assert 2 == table.exit_code
    assert said["reason"] in table.stdout
    assert "not asked" in table.stdout


def test_an_unsigned_mail(explain):
    """The signature is asked for, unless the weaker mode is on: then the table says that it was not."""
    assert "no DKIM signature of the domain in From" in explain(PLAIN).stdout
    weaker = explain(PLAIN, mail={"authentication": "results_only"})
    assert "not asked: mail.authentication is results_only" in weaker.stdout
    assert "by rule token" in weaker.stdout


@pytest.mark.parametrize(
    ("command", "rule"), [("CHECKIP=3.3.3", "grammar"), ("WHITELIST LIST", "permission"), ("NADA", "grammar")]
)
def test_what_comes_after_the_token(explain, mail, command, rule):
    """A command that is wrong, or not this sender's to give, is refused with an answer."""
    found = explain(mail(command), "--json")
    said = json.loads(found.stdout)
    assert (2, "refused", rule, True) == (
        found.exit_code, said["decision"], said["rule"], said["answer_due"],
    )  # fmt: skip


def test_a_command_that_waits_for_its_confirmation(explain, mail):
    """It would be admitted, and the table says what it still waits for."""
    change = "MACCHANGE=3010 MACATUAL=02:00:5E:10:00:01 MACFUTURO=02:00:5E:10:00:02 SERVER=gv2p"
    found = explain(mail(change), "--json")
    said = json.loads(found.stdout)
    assert (0, True, "previewed, before it is confirmed") == (
        found.exit_code, said["admitted"], said["reason"],
    )  # fmt: skip


def test_a_confirmation_of_nothing(explain, mail):
    """A code that nobody was sent is refused by a rule that the table has, with an answer."""
    found = explain(mail("CONFIRMAR ABCD-EFGH-JKMN", opened=False), "--json")
    said = json.loads(found.stdout)
    assert (2, True, False) == (found.exit_code, said["answer_due"], said["admitted"])
    assert {said["rule"]} == {row["rule"] for row in said["rules"] if row["passed"] is False}


def test_line_ends_of_a_saved_file(explain, mail):
    """A mail that was saved with Unix line ends is judged as it was sent."""
    assert 0 == explain(mail().replace(b"\r\n", b"\n")).exit_code


def test_the_arrival(explain, mail):
    """The date of the arrival is read as people write it, and a wrong one is refused with examples."""
    assert "Date is too far from the arrival" in explain(mail(), arrived="24/11/2027 10:00").stdout
    local = (ARRIVED - timedelta(hours=3)).strftime("%d/%m/%Y %H:%M")  # America/Sao_Paulo
    assert 0 == explain(mail(), arrived=local).exit_code
    wrong = explain(mail(), arrived="ontem")
    assert 2 == wrong.exit_code
    assert "23/11/2026 08:59" in wrong.stderr


def test_nothing_is_recorded(explain, mail, database):
    """Asked three times, also about a wrong token, the database has not changed by a byte."""
    contents = [mail(), mail(opened=False), signed(PLAIN)]
    explain(contents[0])
    before = dump(database)
    for raw in contents:
        explain(raw)
    assert before == dump(database)


def dump(database):
    with sqlite3.connect(database) as connection:
        return list(connection.iterdump())


def test_the_dns_does_not_answer(explain, mail):
    """Then there is no verdict, but an error that says where to look."""
    found = explain(mail(), zone=Zone(**{NAME: None}))
    assert isinstance(found.exception, LookupLaterError)


def test_an_oversize_file(explain, mail):
    """Of a huge file no more is read than tells that it is too large."""
    raw = mail() + b"x" * 1_000_000
    assert "over the limit" in explain(raw).stdout


@pytest.mark.parametrize(
    "arguments",
    [[], ["CHECKIP=1.1.1.1", "--message", "-"], ["CHECKIP=1.1.1.1", "--arrived", "01/01/2026 10:00"]],
)
def test_one_thing_at_a_time(tmp_path, arguments):
    """A subject or a mail, one of the two."""
    path = tmp_path / "settings.yml"
    path.write_text("{}")
    found = CliRunner().invoke(athome, ["--settings", str(path), "explain", *arguments])
    assert 2 == found.exit_code
    assert "--message" in found.stderr


def test_every_rule_has_its_question():
    """A rule that admission learns is one that the table can explain."""
    assert {rule.name for rule in RULES} <= QUESTIONS.keys()
