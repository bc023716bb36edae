"""Some commands happen once another administrator has said yes: with a code of one's own, and once."""

import time
from dataclasses import replace

import pytest

from dispatcher.errors import NotNowError, OutrunError
from dispatcher.jobs.expiry import expire
from dispatcher.jobs.store import Delivery
from dispatcher.mail.lockout import Lockout
from dispatcher.mail.proof import Proof
from dispatcher.mail.subject import open_confirmation
from dispatcher.settings import Mail, Tokens
from tests.unit.jobs.desk import ADD, ANA, BIA, CHECKIP, IVO, STATIC, TOTP, Desk, has_code, text

ASKED = {"approval": ("CHECKIP", "WHITELIST")}


@pytest.fixture
def guarded(tmp_path):
    """A dispatcher whose settings ask for another administrator's word."""
    return Desk(f"sqlite:///{tmp_path}/athome.db", **ASKED)


@pytest.fixture
def either(database):
    """The same with each kind of database."""
    made = Desk(database, **ASKED)
    yield made
    made.store.engine.dispose()


@pytest.mark.parametrize("proof", [STATIC, TOTP])
def test_somebody_else_approves(guarded, proof):
    """The requester gets no code; each other administrator gets an own one, and the first answer counts."""
    mail = guarded.ask(BIA, CHECKIP, proof)
    assert "Aguardando aprovação: nada foi feito ainda" in text(mail)
    assert ([], False) == ([one for one in guarded.mails(BIA) if has_code(one)], has_code(mail))
    (asked,) = guarded.mails(IVO)
    for words in (BIA, CHECKIP, "+ in", "Pedido de aprovação"):
        assert words in text(asked)
    assert guarded.answer(BIA, asked) is None
    assert "admitted" == guarded.answer(IVO, asked)
    (report,) = guarded.work()
    assert (False, "successful", IVO) == (report.check, report.status, guarded.newest().confirmed_by)
    assert f"Aprovado por {IVO}" in text(guarded.mails(BIA)[-1])
    assert 1 == len(guarded.mails(IVO))


def test_the_first_of_two_answers_counts(either):
    """For an operator both administrators may say yes; the second hears that it was used."""
    either.ask(ANA, CHECKIP)
    (one,), (other,) = either.mails(BIA), either.mails(IVO)
    codes = {open_confirmation(mail["Subject"]) for mail in (one, other)}
    assert (2, "admitted", "used") == (len(codes), either.answer(IVO, other), either.answer(BIA, one))
    assert 1 == len(either.work())


def test_two_answers_at_the_same_time_start_one_job(either):
    """The second is judged again, and then finds its code used."""
    either.ask(ANA, CHECKIP)
    found = [either.codes.find(who, open_confirmation(either.mails(who)[0]["Subject"])) for who in (BIA, IVO)]
    either.send(BIA, "", Proof(kind="confirmation", confirmation=found[0]))
    with pytest.raises(OutrunError):
        either.store.take(
            Delivery(
                folder="INBOX", uidvalidity=1, uid=99, sender=IVO, message_id="<99@example.com>",
                subject="", verdict="admitted", rule="confirmation", reason="",
            ),
            proof=Proof(kind="confirmation", confirmation=found[1]),
        )  # fmt: skip


@pytest.mark.parametrize(
    "gone",
    [
        lambda desk: desk.senders.change(IVO, role="operador"),
        lambda desk: desk.senders.change(ANA, commands=("MACCHANGE",)),
        lambda desk: desk.senders.remove(ANA),
        lambda desk: desk.senders.change(IVO, commands=("MACCHANGE",)),
    ],
)
def test_a_permission_that_is_gone_approves_nothing(guarded, gone):
    """Who answers must still be able to say so, and who asked to ask; the code stays good until then."""
    guarded.ask(ANA, CHECKIP)
    gone(guarded)
    asked = guarded.mails(IVO)[0]
    assert "refused" == guarded.answer(IVO, asked)
    assert "Este código não vale mais" in guarded.mails(IVO)[-1]["Subject"]
    assert [] == guarded.work()
    assert isinstance(guarded.codes.find(IVO, open_confirmation(asked["Subject"])), int)


def test_an_approval_that_finds_a_change_is_asked_for_again(guarded):
    """Both hear of it; the new code is the administrators', as the first was."""
    guarded.ask(ANA, CHECKIP)
    guarded.servers.lines["gv1p"] = "by hand"
    guarded.answer(IVO, guarded.mails(IVO)[0])
    guarded.work()
    assert "Mudou desde a simulação" in text(guarded.mails(ANA)[-1])
    assert not has_code(guarded.mails(ANA)[-1])
    again = guarded.mails(BIA)[-1]
    assert "- by hand" in text(again)
    assert "admitted" == guarded.answer(BIA, again)
    guarded.work()
    assert ({"in"}, BIA) == (set(guarded.servers.lines.values()), guarded.newest().confirmed_by)


def test_nobody_approves_in_time(either):
    """The requester is told, the administrators are not; once, though each has a code."""
    either.ask(ANA, CHECKIP)
    either.pass_time()
    assert [2] == [job.id for job in either.store.overdue(time.time())]
    assert expire(either.store, either.composer)
    assert "ninguém aprovou a tempo" in either.mails(ANA)[-1]["Subject"]
    assert (2, 1) == (len(either.mails(ANA)), len(either.mails(IVO)))


def test_a_change_that_nobody_may_approve_any_more_is_not_tried_again_either(guarded):
    """Drift, and no administrator left who may: `athome jobs retry` would do what nobody has approved."""
    guarded.ask(ANA, CHECKIP)
    guarded.servers.lines["gv3p"] = "by hand"
    assert "admitted" == guarded.answer(IVO, guarded.mails(IVO)[-1])
    for address in (IVO, BIA):
        guarded.senders.change(address, commands=("MACCHANGE",))
    guarded.work()
    with pytest.raises(NotNowError):
        guarded.store.retry(2)
    assert "do" not in guarded.servers.asked


def test_who_approved_is_known_of_the_second_try_too(guarded):
    """What was begun with somebody's word and goes on later still has that word."""
    guarded.ask(ANA, CHECKIP)
    guarded.answer(IVO, guarded.mails(IVO)[-1])
    run = guarded.servers.run

    def partial(*asked, check, **options):
        report = run(*asked, check=check, **options)
        return report if check else report.model_copy(update={"status": "partial"})

    guarded.servers.run = partial
    guarded.work()
    assert IVO == guarded.store.retry(2).confirmed_by


def test_a_code_of_before_the_settings_asked_for_more_starts_nothing(tmp_path):
    """Its owner may no longer say so alone."""
    desk = Desk(f"sqlite:///{tmp_path}/athome.db")
    mail = desk.ask(ANA, f"{CHECKIP} SIMULAR")
    stricter = desk.orders.permissions.model_copy(update={"approval": ("CHECKIP",)})
    desk.orders = replace(desk.orders, permissions=stricter)
    assert "refused" == desk.answer(ANA, mail)
    assert "não vale mais" in desk.mails(ANA)[-1]["Subject"]


def test_the_last_who_could_approve_has_left_meanwhile(guarded):
    """The look has been made, nobody can be asked: that is the answer."""
    guarded.send(ANA, CHECKIP)
    guarded.senders.change(IVO, commands=("MACCHANGE",))
    guarded.senders.change(BIA, commands=("MACCHANGE",))
    guarded.work()
    (mail,) = guarded.mails(ANA)
    assert "agora não há outro" in text(mail)
    assert "Nada foi feito" in text(mail)
    assert 1 == len(guarded.store.recent(9))


@pytest.mark.parametrize("proof", [STATIC, TOTP])
def test_a_change_of_the_whitelist_is_approved_too(guarded, proof):
    """No server is asked; the requester hears what would happen, the other administrator decides."""
    guarded.send(BIA, ADD, proof)
    assert [] == guarded.work()
    assert "aguarda aprovação" in guarded.mails(BIA)[-1]["Subject"]
    (asked,) = guarded.mails(IVO)
    assert "rui@example.com" in text(asked)
    assert "admitted" == guarded.answer(IVO, asked)
    guarded.work()
    assert guarded.senders.get("rui@example.com")
    assert (IVO, BIA) == (guarded.newest().confirmed_by, guarded.newest().order.sender)


def test_requests_do_not_use_up_an_administrators_answers(guarded):
    """Whoever asks often does not keep the administrators from sending commands of their own."""
    mail = Mail(address="athome@lab.example", authserv_id="mail.lab.example", answers_per_hour=2)
    lockout = Lockout(guarded.store.engine, mail, Tokens(pepper_file="unread"))
    for _ in range(3):
        guarded.ask(ANA, CHECKIP)
    assert 3 == len(guarded.mails(IVO))
    assert (None, "first") == (lockout.too_many(IVO), lockout.too_many(ANA))
