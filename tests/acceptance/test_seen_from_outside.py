"""What is seen of a service from outside: its log, with each job's number and no secret, health and counters.

It logs all that it has to log, the routine too, and everything secret that there is passes through it:
tokens, right and wrong, one-time codes, codes that confirm, links, passwords and keys.
"""

import json
import re
import signal

import pyotp
import pytest

from dispatcher.jobs.database import connect
from dispatcher.mail.tokens import Tokens
from dispatcher.settings import load
from lab import recordings
from tests.acceptance.staff import Person, code_of
from tests.fleet import fresh_phones
from tests.road import ADMIN, OPERATOR, Dispatcher, make, waited

WRONG = "BADC0DE5"
LINK = re.compile(r"http://s3\.lab\.example:8333/\S+")
CHANGE = "MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=010203040599 SERVER=gv2p"


@pytest.fixture(scope="module")
def talkative(dispatcher, lab, tmp_path_factory):
    """A dispatcher that logs what is of routine too, while the one of all tests rests."""
    assert dispatcher.stop() == 0
    folder = tmp_path_factory.mktemp("talkative")
    metrics = {"textfile": str(folder / "athome.prom"), "interval": 5}
    made = make(lab, folder, permissions={}, log={"level": "debug"}, metrics=metrics)
    made.athome("senders", "add", ADMIN, "--role", "administrador")
    made.start()
    yield made
    assert made.stop() == 0
    dispatcher.start()


def in_log(made: Dispatcher, secret: str) -> list[str]:
    """Return the lines that have a secret, in any case of its letters."""
    return [line for line in made.log.read_text().splitlines() if secret.lower() in line.lower()]


def test_every_secret_passes_through_and_none_is_logged(talkative, lab):
    """Each was used: what it opens has happened. And of each, the log has nothing."""
    operator = Person(talkative, OPERATOR, talkative.token)
    fresh_phones()
    recordings.lay("voip3", recordings.planned("voip3", files=60), lambda _line: None)
    settings = load(talkative.settings)
    tokens = Tokens(connect(settings.job_store), settings.tokens.pepper())
    enrolment, uri = tokens.enrol(OPERATOR, "lab")
    tokens.complete(enrolment, "aplicativo")
    one_time = pyotp.parse_uri(uri).now()

    wrong = operator.send("CHECKIP=203.0.113.7", WRONG)
    assert [("refused", "token")] == talkative.verdicts(wrong)
    operator.ask(f"[{WRONG}] CHECKIP=203.0.113.7")
    operator.ask("CHECKIP=203.0.113.8", one_time)
    assert "CHECKIP=203.0.113.8" == talkative.newest()["subject"]
    message_id = operator.send(CHANGE)
    demand = operator.box.answer(message_id)
    operator.confirm(demand)
    operator.result(message_id)
    reply = operator.ask("RAMAIS=1121 SERVER=voip3 INICIO=01/11/2025 00:00 FIM=05/11/2025 23:59")
    link = LINK.search(reply.get_body(("plain",)).get_content())[0]

    code = code_of(demand)
    secrets = {
        "the operator's token": talkative.token,
        "a wrong token": WRONG,
        "a one-time code": one_time,
        "what the app makes codes of": pyotp.parse_uri(uri).secret,
        "a code that confirms": code,
        "the same without hyphens": code.replace("-", ""),
        "the link's signature": link.partition("Signature=")[2],
        "the link's query": link.partition("?")[2],
        "the mailbox's password": (lab / "secrets/mail-athome").read_text().strip(),
        "the tokens' key": (lab / "secrets/token-pepper").read_text().strip(),
        "the key of S3": (lab / "secrets/s3-secret-key").read_text().strip(),
    }
    assert [] == [name for name, secret in secrets.items() if len(secret) < 6]
    assert {} == {name: found for name, secret in secrets.items() if (found := in_log(talkative, secret))}
    assert in_log(talkative, "RAMAIS=1121")  # the search finds what is there


def test_every_line_of_a_job_bears_its_number(talkative):
    """Each line is an object; what names a job is its own, and all that its worker says meanwhile."""
    operator = Person(talkative, OPERATOR, talkative.token)
    operator.ask("CHECKIP=203.0.113.7 SIMULAR")
    number = next(job["id"] for job in talkative.jobs() if job["check"])  # not what it may be followed by
    lines = [json.loads(line) for line in talkative.log.read_text().splitlines()]
    mine = [line for line in lines if line.get("job") == number]
    assert {"mailbox", "outbox"} < {line["thread"] for line in mine}
    assert any(line["thread"].startswith("worker-") for line in mine)
    named = [
        (line.get("job"), found[1])
        for line in lines
        if (found := re.search(r"\bjob (\d+)\b", line["message"]))
    ]
    assert len(named) > 4
    assert [] == [(job, name) for job, name in named if str(job) != name]


def test_health_of_a_service_that_serves(talkative):
    """With a real mailbox and a real outbox, everything is well."""
    answer = json.loads(talkative.athome("health", "--json").stdout)
    assert (True, True) == (answer["live"], answer["ready"])
    found = {finding["check"]: finding for finding in answer["findings"]}
    assert "A caixa de correio é lida." == found["mailbox"]["said"]
    assert {"ok"} == {finding["status"] for finding in answer["findings"]}


def test_the_counters_are_those_of_the_record_also_after_a_kill(talkative):
    """Runs and mails as the database has them; a service that was killed goes on counting where it was."""
    runs = "SELECT keyword, state, count(*) FROM jobs WHERE finished_at IS NOT NULL GROUP BY 1, 2"
    mails = "SELECT verdict, rule, count(*) FROM messages GROUP BY 1, 2"
    expected = [
        f'athome_runs_total{{command="{command}",outcome="{outcome}"}} {number:.1f}'
        for command, outcome, number in talkative.rows(runs)
    ]
    expected += [
        f'athome_mails_total{{rule="{rule}",verdict="{verdict}"}} {number:.1f}'
        for verdict, rule, number in talkative.rows(mails)
    ]
    assert len(expected) > 4
    file = talkative.log.parent / "athome.prom"

    def counted() -> bool:
        return file.exists() and set(expected) <= set(file.read_text().splitlines())

    waited(counted, f"not counted: {expected}")
    talkative.stop(signal.SIGKILL)
    file.unlink()
    talkative.start()
    waited(counted, f"forgotten: {expected}")
