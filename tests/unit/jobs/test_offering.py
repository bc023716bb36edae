"""From a preview to exactly what it showed, by an answer with a code; or nothing, and why."""

import re

import pytest
from sqlalchemy import select, update

from dispatcher.commands import InvalidCommand
from dispatcher.commands.parser import parse
from dispatcher.errors import NotNowError, StoreError
from dispatcher.jobs import running, schema, undoing
from dispatcher.jobs.expiry import expire
from dispatcher.jobs.job import State
from dispatcher.jobs.standing import Queue
from dispatcher.mail.subject import open_confirmation
from dispatcher.runs.foreseen import DRIFTED, INTERRUPTED, MOOT
from tests.unit.inventories import FLEET
from tests.unit.jobs.desk import ANA, CHECKIP, MACCHANGE, SERVERS, STATIC, TOTP, Desk, has_code, text


@pytest.fixture
def desk(tmp_path):
    return Desk(f"sqlite:///{tmp_path}/athome.db")


@pytest.fixture
def either(database):
    """The same with each kind of database."""
    made = Desk(database)
    yield made
    made.store.engine.dispose()


@pytest.mark.parametrize("subject", [f"{CHECKIP} SIMULAR", MACCHANGE, f"{MACCHANGE} SIMULAR"])
def test_an_answer_does_exactly_what_was_shown(either, subject):
    """The look changes nothing; the answer lets the same command run, once, in the same thread."""
    shown = either.ask(ANA, subject)
    assert {"out"} == set(either.servers.lines.values())
    assert has_code(shown)
    assert "+ in" in text(shown)
    waiting = either.newest()
    assert State.AWAITING_CONFIRMATION is waiting.state
    assert [] == either.work()

    assert "admitted" == either.answer(ANA, shown)
    (report,) = either.work()
    assert ["look", "look", "do"] == either.servers.asked
    assert [2 * 300 + 120.0] * 3 == either.quiet  # each run has all its time
    assert (False, "successful") == (report.check, report.status)
    done, result = either.store.job(waiting.id), either.mails(ANA)[-1]
    assert (ANA, waiting.id - 1, False) == (done.confirmed_by, done.order.preview_of, done.order.check)
    assert {"in"} == {either.servers.lines[name] for name in done.order.servers}
    assert shown["In-Reply-To"] == result["In-Reply-To"] == "<1@example.com>"
    assert ("<0@example.com> <1@example.com>", False) == (result["References"], has_code(result))
    assert shown["Message-ID"] != result["Message-ID"]
    assert 2 == len(either.mails(ANA))


def test_what_is_shown_says_whether_it_was_asked_for(desk):
    """Who sent SIMULAR hears of a preview; who did not, that it is to be confirmed."""
    assert "Simulação: nada foi alterado" in text(desk.ask(ANA, f"{MACCHANGE} SIMULAR"))
    demanded = text(desk.ask(ANA, MACCHANGE))
    assert "Falta confirmar: nada foi feito ainda" in demanded
    assert not re.search("Simulação|SIMULAR", demanded)


@pytest.mark.parametrize("subject", [f"{CHECKIP} SIMULAR", MACCHANGE])
def test_nothing_to_do_is_the_end(desk, subject):
    """Where nothing would change there is no code, and nothing waits."""
    desk.servers.lines = dict.fromkeys(SERVERS, "in")
    mail = desk.ask(ANA, subject)
    assert (False, 1) == (has_code(mail), len(desk.store.recent(9)))
    assert (subject == MACCHANGE) == ("Nada precisou mudar" in text(mail))


def test_a_look_that_fails_offers_nothing(desk):
    """Nobody can confirm what nobody has seen."""
    desk.servers.away = {"gv2p"}
    mail = desk.ask(ANA, MACCHANGE)
    assert (False, 1) == (has_code(mail), len(desk.store.recent(9)))
    assert f"[TOKEN] {MACCHANGE}\n" in text(mail)


@pytest.mark.parametrize(
    ("subject", "asked", "proof", "code"),
    [
        (f"{MACCHANGE} SIMULAR", {"demands": {"MACCHANGE": "totp"}}, STATIC, False),
        (f"{MACCHANGE} SIMULAR", {"demands": {"MACCHANGE": "totp"}}, TOTP, True),
        (f"{MACCHANGE} SIMULAR", {"approval": ("MACCHANGE",)}, TOTP, False),
        (f"{CHECKIP} SIMULAR", {"demands": {"CHECKIP": "confirmation"}}, STATIC, True),
    ],
)
def test_an_answer_is_worth_no_more_than_the_proof_before_it(tmp_path, subject, asked, proof, code):
    """A preview needs a token; to go on from it, what the command itself would need."""
    desk = Desk(f"sqlite:///{tmp_path}/athome.db", **asked)
    mail = desk.ask(ANA, subject, proof)
    assert code == has_code(mail)
    assert code != ("[TOKEN] " + subject.removesuffix(" SIMULAR") in text(mail))


def test_a_change_in_between_is_shown_instead_and_its_new_code_counts(desk):
    """Nothing is done where the servers differ from the show; then what they show now can be confirmed."""
    first = desk.ask(ANA, f"{CHECKIP} SIMULAR")
    desk.servers.lines["gv3p"] = "by hand"
    desk.answer(ANA, first)
    (report,) = desk.work()
    assert ("failed", DRIFTED) == (report.status, report.problem.code)
    assert ["look", "look"] == desk.servers.asked
    assert "in" not in desk.servers.lines.values()
    second = desk.mails(ANA)[-1]
    for words in ("Mudou desde a simulação: nada foi feito", "- by hand", f"Você pediu: {CHECKIP}\n"):
        assert words in text(second)
    assert open_confirmation(first["Subject"]) != open_confirmation(second["Subject"])
    assert "used" == desk.answer(ANA, first)
    assert "admitted" == desk.answer(ANA, second)
    (report,) = desk.work()
    assert ({"in"}, "successful") == (set(desk.servers.lines.values()), report.status)
    assert first["In-Reply-To"] == second["In-Reply-To"] == desk.mails(ANA)[-1]["In-Reply-To"]
    assert 3 == len({mail["Message-ID"] for mail in desk.mails(ANA)})


def test_what_somebody_else_has_done_meanwhile_needs_no_code(desk):
    """Nothing is left: that is said, and nothing is run."""
    first = desk.ask(ANA, MACCHANGE)
    desk.servers.lines["gv2p"] = "in"
    desk.answer(ANA, first)
    (report,) = desk.work()
    assert ("successful", MOOT, ["look", "look"]) == (report.status, report.problem.code, desk.servers.asked)
    last = desk.mails(ANA)[-1]
    assert ("alguém já deixou os servidores como você pediu" in text(last), has_code(last)) == (True, False)
    assert "Nada precisou mudar" in text(last)


def test_a_server_that_is_out_of_reach_now_is_a_failure(desk):
    """What was to be changed cannot even be looked at: its own reason is said."""
    first = desk.ask(ANA, MACCHANGE)
    desk.servers.away = {"gv2p"}
    desk.answer(ANA, first)
    (report,) = desk.work()
    assert ("failed", None, ["look", "look"]) == (report.status, report.problem, desk.servers.asked)
    assert not has_code(desk.mails(ANA)[-1])


@pytest.mark.parametrize(
    ("done", "left", "asked", "problem"),
    [
        ([], {}, "look look do", None),  # it had not begun
        (["gv1p", "gv2p"], {}, "look look do", None),  # it had done a part
        (list(SERVERS), {}, "look look do", None),  # it had done all
        (["gv1p"], {"gv3p": "by hand"}, "look look", INTERRUPTED),  # and somebody else was there too
    ],
)
def test_a_start_that_was_broken_off(desk, done, left, asked, problem):
    """What an earlier start has done is no change by somebody else: the rest is done, and reported."""
    first = desk.ask(ANA, f"{CHECKIP} SIMULAR")
    desk.answer(ANA, first)
    assert desk.store.claim()
    desk.servers.lines |= dict.fromkeys(done, "in") | left
    assert desk.store.requeue()
    (report,) = desk.work()
    assert asked == " ".join(desk.servers.asked)
    assert problem == (report.problem.code if report.problem else None)
    assert has_code(desk.mails(ANA)[-1]) == (problem is not None)
    if problem is None:
        assert ({"in"}, "successful") == (set(desk.servers.lines.values()), report.status)


def test_nothing_is_done_for_who_cancels_between_the_look_and_the_run(desk):
    """A cancel after the answer ends it as every other job."""
    first = desk.ask(ANA, MACCHANGE)
    desk.store.cancel(desk.newest().id, ANA, desk.composer.result)
    assert "expired" == desk.answer(ANA, first)
    assert [] == desk.work()


def test_a_code_is_in_its_mail_alone(desk, caplog):
    """Not in a row, a log or a value's text."""
    caplog.set_level("DEBUG")
    code = open_confirmation(desk.ask(ANA, MACCHANGE)["Subject"])
    everything = caplog.text + repr(desk.store.recent(9))
    with desk.store.engine.begin() as connection:
        for table in schema.metadata.sorted_tables:
            if table is not schema.outbox:
                everything += repr(connection.execute(select(table)).all())
    assert code not in everything
    assert code.replace("-", "") not in everything


@pytest.mark.parametrize(
    ("subject", "told"), [(f"{MACCHANGE} SIMULAR", None), (MACCHANGE, "não foi confirmado a tempo")]
)
def test_too_late(either, subject, told):
    """Who asked for a preview hears no more of it; who asked for the change hears that it was not made."""
    first = either.ask(ANA, subject)
    assert not expire(either.store, either.composer)
    either.pass_time()
    assert expire(either.store, either.composer) == (told is not None)
    assert (State.EXPIRED, "expired") == (either.newest().state, either.answer(ANA, first))
    assert (told or "CONFIRMAR") in either.mails(ANA)[-1]["Subject"]
    assert [] == either.work()


def test_of_a_job_that_is_no_longer_ours_nothing_follows(either):
    """Result, mail and offer are one: none of them without the others."""
    either.send(ANA, MACCHANGE)
    job = either.store.claim()
    with either.store.engine.begin() as connection:
        connection.execute(update(schema.jobs).values(claim="somebody else's"))
    either.worker.work(job)
    assert ([], 1) == (either.mails(ANA), len(either.store.recent(9)))
    with either.store.engine.begin() as connection:
        assert [] == connection.execute(select(schema.confirmations)).all()


def test_a_refused_run_has_nothing_to_be_taken_back(desk):
    """What it shows are not its own changes, however much they look like them."""
    first = desk.ask(ANA, f"{CHECKIP} SIMULAR")
    desk.servers.lines["gv3p"] = "by hand"
    desk.answer(ANA, first)
    desk.work()
    with pytest.raises(InvalidCommand) as refused:
        undoing.found(desk.store.engine, parse("DESFAZER 2", FLEET), desk.senders.get(ANA), FLEET)
    assert ["undo.nothing"] == [problem.code for problem in refused.value.problems]


def test_a_preview_that_is_left_is_nothing_that_has_ended(desk):
    """STATUS has the preview itself; that nobody went on from it is no news."""
    desk.ask(ANA, f"{CHECKIP} SIMULAR")
    desk.ask(ANA, MACCHANGE)
    desk.pass_time()
    expire(desk.store, desk.composer)
    with desk.store.engine.begin() as connection:
        queue = Queue(connection, desk.senders.get(ANA), 0, desk.composer.result)
        assert [4, 3, 1] == [one.job.id for one in queue.ended(9, ())]


def test_a_refused_run_is_not_tried_again_without_a_look(desk):
    """`athome jobs retry` would do what nobody has seen."""
    first = desk.ask(ANA, f"{CHECKIP} SIMULAR")
    desk.servers.lines["gv3p"] = "by hand"
    desk.answer(ANA, first)
    desk.work()
    with pytest.raises(NotNowError):
        desk.store.retry(2)


def test_a_fault_in_the_mail_offers_nothing(desk, monkeypatch):
    """A code that nobody is sent would let nothing start: the answer says how it ended, and no job waits."""
    result = desk.composer.result

    def faulty(job, report, **options):
        if options.get("invitation"):
            raise KeyError("a template")
        return result(job, report, **options)

    monkeypatch.setattr(desk.composer, "result", faulty)
    mail = desk.ask(ANA, MACCHANGE)
    assert (False, 1) == (has_code(mail), len(desk.store.recent(9)))
    assert "Nada foi feito" in text(mail)
    assert "Falta confirmar" not in text(mail) + mail["Subject"]


@pytest.mark.parametrize("status", ["canceled", "timeout"])
def test_a_look_that_was_ended_is_the_end(desk, status):
    """Also if it had seen everything by then, and all was as shown."""
    first = desk.ask(ANA, MACCHANGE)
    desk.answer(ANA, first)
    run = desk.servers.run
    desk.servers.run = lambda *asked, **options: run(*asked, **options).model_copy(update={"status": status})
    (report,) = desk.work()
    assert (status, ["look", "look"]) == (report.status, desk.servers.asked)


def test_a_database_that_is_away_for_a_moment_uses_nothing_up(desk, monkeypatch):
    """What cannot be asked before the run is asked again: the answer with the code still counts."""
    first = desk.ask(ANA, MACCHANGE)
    desk.answer(ANA, first)
    asked = []

    def objection(*about):
        asked.append(about)
        if len(asked) == 1:
            raise StoreError("away", "wait")

    monkeypatch.setattr(running, "objection", objection)
    desk.work()
    assert State.QUEUED is desk.store.job(2).state
    with desk.store.engine.begin() as connection:
        connection.execute(update(schema.jobs).values(not_before=None))
    desk.work()
    assert (State.SUCCESSFUL, "do") == (desk.store.job(2).state, desk.servers.asked[-1])


def test_a_confirmed_job_that_could_not_look_is_not_tried_again_blindly(desk):
    """Its server was out of reach, and may be another one when it is back."""
    first = desk.ask(ANA, MACCHANGE)
    desk.answer(ANA, first)
    desk.servers.away = {"gv2p"}
    desk.work()
    assert State.FAILED is desk.store.job(2).state
    with pytest.raises(NotNowError):
        desk.store.retry(2)


def test_a_job_of_before_has_no_offer(desk):
    """A preview that an older version queued is answered as it was then."""
    desk.send(ANA, f"{CHECKIP} SIMULAR")
    with desk.store.engine.begin() as connection:
        connection.execute(update(schema.jobs).values(offer=None))
    desk.work()
    (mail,) = desk.mails(ANA)
    assert (False, f"[TOKEN] {CHECKIP}\n" in text(mail)) == (has_code(mail), True)
