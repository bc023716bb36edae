"""DESFAZER: what takes a job back, and everything that speaks against it."""

import email
import email.policy

import pytest
from sqlalchemy import select

from dispatcher.commands import COMMANDS, InvalidCommand
from dispatcher.commands.parser import Request, parse
from dispatcher.commands.undo import Undo, Way
from dispatcher.inventory import Inventory
from dispatcher.jobs import schema
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Order
from dispatcher.jobs.local import LocalRunner
from dispatcher.jobs.store import Delivery, Store
from dispatcher.jobs.undoing import found, objection
from dispatcher.jobs.worker import Worker
from dispatcher.mail.permissions import Allowed, Denied, Unproved, judge
from dispatcher.mail.proof import Proof
from dispatcher.mail.sender import Sender
from dispatcher.replies.compose import Composer
from dispatcher.runs.report import HostResult, Report
from dispatcher.settings import Mail, Permissions, Runs, Settings
from tests.unit.inventories import FLEET

CHECKIP = "CHECKIP=203.0.113.7"
MACCHANGE = "MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=010203040599 SERVER=gv2p"
TRANSACTION = "20261123T140512123456-9f3c"
SETTINGS = Settings(mail=Mail(address="athome@example.com", authserv_id="mail.example.com"))
COMPOSER = Composer(SETTINGS)
ANA = Sender("ana@example.com", "operador", "pt_BR")
BIA = Sender("bia@example.com", "operador", "pt_BR")
ADMIN = Sender("admin@example.com", "administrador", "pt_BR")


@pytest.fixture
def store(database):
    made = Store(connect(database))
    yield made
    made.engine.dispose()


def host(name, outcome="changed", *, undo=False):
    back = {"transaction": TRANSACTION} if undo else None
    return HostResult(host=name, outcome=outcome, code="fail2ban.whitelisted", undo=back)


def put(*names):
    """What a run says of servers that it put something on."""
    return [host(name, undo=True) for name in names]


class NoServers:
    """Stands where the runner is when nothing may be run."""

    def run(self, *_arguments, **_options):
        pytest.fail("a playbook was started")


class Mails:
    """People's commands, one after the other, and what became of each."""

    def __init__(self, store):
        self.store = store
        self.count = 0

    def order(self, request, sender=ANA):
        self.count += 1
        address = sender.address if sender else None
        return Order.of(
            request, FLEET, language="pt_BR", sender=address, message_id=f"<{self.count}@example.com>"
        )

    def take(self, order):
        delivery = Delivery(
            folder="INBOX", uidvalidity=1, uid=self.count, sender=order.sender, message_id=order.message_id,
            subject="", verdict="admitted", rule="token", reason="",
        )  # fmt: skip
        return self.store.take(delivery, order=order)

    def did(self, written, *hosts, sender=ANA, status="successful"):
        """Queue a command, run it, and end it with these results."""
        request = written if isinstance(written, Request) else parse(written, FLEET)
        number = self.take(self.order(request, sender))
        job = self.store.claim()
        assert number == job.id
        report = Report(status=status, check=request.check, hosts=tuple(hosts))
        assert self.store.finish(job, report, None)
        return number

    def undo(self, number, sender=ANA, suffix="", fleet=FLEET):
        return found(self.store.engine, parse(f"DESFAZER {number}{suffix}", FLEET), sender, fleet)

    def refused(self, number, sender=ANA, suffix="", fleet=FLEET):
        """The code of the one problem, the number that it names, and what is offered instead."""
        with pytest.raises(InvalidCommand) as caught:
            self.undo(number, sender, suffix, fleet)
        (problem,) = caught.value.problems
        assert ("DESFAZER", str(number)) == (problem.field, problem.value)
        instead = caught.value.corrected
        assert instead == parse(instead, FLEET).subject
        return problem.code, problem.data.get("by"), instead


@pytest.fixture
def mails(store):
    return Mails(store)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("DESFAZER 12", "DESFAZER 12"),
        ("desfazer job #12", "DESFAZER 12"),
        ("undo 12", "DESFAZER 12"),
        ("UNDO=12 check", "DESFAZER 12 SIMULAR"),
    ],
)
def test_a_job_is_undone_by_its_number(written, canonical):
    """As STATUS and CANCELAR name it, in either language."""
    assert canonical == parse(written, FLEET).subject


def test_what_nobody_has_looked_up_cannot_be_ordered(mails):
    """Without servers Ansible would work on all of them: there is no such order, and no such run."""
    written = parse("DESFAZER 12", FLEET)
    with pytest.raises(ValueError, match="job 12"):
        Order.of(written, FLEET, language="pt_BR")
    for ask in (lambda it: it.runs, lambda it: it.governed_by, lambda it: it.extravars()):
        with pytest.raises(ValueError, match="job 12"):
            ask(written.command)


def test_a_checkip_is_undone_where_this_job_put_the_address(mails):
    """Servers that had it before, failed or were out of reach are left alone."""
    hosts = [*put("gv1p", "gv3p"), host("gv2p", "ok"), host("voip1", "unreachable")]
    number = mails.did(CHECKIP, *hosts, status="partial")
    order = mails.order(mails.undo(number))
    assert (f"DESFAZER {number}", number) == (order.subject, order.undoes)
    assert ("gv1p", "gv3p") == order.servers == order.locks
    command = order.command()
    assert ("checkip.yml", {"checkip_address": "203.0.113.7", "checkip_state": "absent"}) == (
        command.runs, command.extravars(),
    )  # fmt: skip


def test_a_macchange_is_undone_by_its_transaction(mails):
    """The server keeps what it was; the stored order is read again as the same command."""
    number = mails.did(MACCHANGE, *put("gv2p"))
    taken = mails.take(mails.order(mails.undo(number)))
    order = mails.store.job(taken).order
    assert (("gv2p",), number) == (order.servers, order.undoes)
    command = order.command()
    assert isinstance(command, Undo)
    assert ("macchange_undo.yml", {"macchange_transaction": TRANSACTION}) == (
        command.runs, command.extravars(),
    )  # fmt: skip
    reverse = "MACCHANGE=3010 MACATUAL=010203040599 MACFUTURO=010203040506 SERVER=gv2p"
    assert (MACCHANGE, reverse) == (command.way.subject, command.way.reverse)


def test_a_preview_of_an_undo_is_one_too(mails):
    """It locks and looks where the undo would work, and does not count as one."""
    number = mails.did(CHECKIP, *put("gv1p"))
    preview = mails.undo(number, suffix=" SIMULAR")
    mails.did(preview, host("gv1p"))
    assert ("gv1p",) == mails.undo(number).command.way.servers


def test_another_persons_job_is_as_unknown_as_none(mails):
    """Numbers are easily guessed; only an administrator and the shell learn what others asked for."""
    number = mails.did(CHECKIP, *put("gv1p"))
    assert ("job.unknown", None, "STATUS") == mails.refused(number, BIA) == mails.refused(999)
    for everybody in (ADMIN, None):
        assert ("gv1p",) == mails.undo(number, everybody).command.way.servers
    shell = mails.did("CHECKIP=203.0.113.8", *put("gv1p"), sender=None)
    assert ("job.unknown", None, "STATUS") == mails.refused(shell)


def test_only_what_was_really_changed_is_undone(mails):
    """Not ended, a preview, nothing changed, nothing that could be taken back: each says so."""
    preview = mails.did(f"{CHECKIP} SIMULAR", host("gv1p"))
    assert ("undo.preview", None, f"STATUS {preview}") == mails.refused(preview)
    already = mails.did(CHECKIP, host("gv1p", "ok"))
    assert ("undo.nothing", None, f"STATUS {already}") == mails.refused(already)
    recordings = mails.did(COMMANDS["RAMAIS"].example, host("voip3"))
    assert ("undo.none", None, f"STATUS {recordings}") == mails.refused(recordings)
    status = mails.did("STATUS", host("dispatcher", "ok"))
    assert ("undo.none", None, f"STATUS {status}") == mails.refused(status)
    waiting = mails.take(mails.order(parse(CHECKIP, FLEET)))
    assert ("undo.unfinished", None, f"CANCELAR {waiting}") == mails.refused(waiting)


def test_whoever_asked_for_a_preview_is_offered_none_but_previews(mails):
    """The correction is to be tapped without thinking."""
    assert "STATUS SIMULAR" == mails.refused(999, suffix=" SIMULAR")[2]


def test_a_job_is_undone_once(mails):
    """The second undo names the first, while that runs and afterwards."""
    number = mails.did(CHECKIP, *put("gv1p"))
    taken = mails.take(mails.order(mails.undo(number)))
    assert ("undo.running", str(taken), f"STATUS {taken}") == mails.refused(number)
    mails.store.finish(mails.store.claim(), Report(status="successful", hosts=(host("gv1p"),)), None)
    assert ("undo.undone", str(taken), f"STATUS {taken}") == mails.refused(number)


def test_an_undo_that_failed_somewhere_is_finished_by_another(mails):
    """It goes where the first did not get to, and nowhere else."""
    number = mails.did(CHECKIP, *put("gv1p", "gv2p"))
    mails.did(mails.undo(number), host("gv1p"), host("gv2p", "unreachable"), status="partial")
    assert ("gv2p",) == mails.undo(number).command.way.servers


def test_an_undo_that_only_looked_is_none(mails):
    """The servers were not as its preview had shown them: its report is of a look, and nothing was done."""
    number = mails.did(CHECKIP, *put("gv1p", "gv2p"))
    taken = mails.take(mails.order(mails.undo(number)))
    looked = Report(status="failed", check=True, hosts=(host("gv1p"), host("gv2p", "ok")))
    mails.store.finish(mails.store.claim(), looked, None)
    assert ("gv1p",) == mails.undo(number).command.way.servers
    assert "undo.undo" == mails.refused(taken)[0]


def test_an_undo_is_not_undone_but_the_first_command_is_sent_again(mails):
    """That is what is offered."""
    number = mails.did(MACCHANGE, *put("gv2p"))
    undone = mails.did(mails.undo(number), *put("gv2p"))
    assert ("undo.undo", None, MACCHANGE) == mails.refused(undone)


def test_what_somebody_else_relies_on_is_kept(mails):
    """Bia asked for the same and was told that it is so; her own repetition is nobody else's."""
    number = mails.did(CHECKIP, *put("gv1p", "gv2p"))
    mails.did(CHECKIP, host("gv1p", "ok"), host("gv2p", "ok"))
    assert ("gv1p", "gv2p") == mails.undo(number).command.way.servers
    other = mails.did(CHECKIP, host("gv2p", "ok"), host("gv1p", "unreachable"), sender=BIA, status="partial")
    assert ("undo.relied", str(other), f"STATUS {number}") == mails.refused(number)
    assert "undo.relied" == mails.refused(number, ADMIN)[0]


@pytest.mark.parametrize(
    "later",
    [
        lambda mails: mails.did(CHECKIP, host("gv1p", "unreachable"), sender=BIA, status="failed"),
        lambda mails: mails.did(f"{CHECKIP} SIMULAR", host("gv1p", "ok"), sender=BIA),
        lambda mails: mails.did("CHECKIP=203.0.113.8", host("gv1p", "ok"), sender=BIA),
        lambda mails: mails.did(CHECKIP, host("gv3p", "ok"), sender=BIA),
    ],
    ids=["failed", "preview", "another address", "another server"],
)
def test_what_others_did_besides_is_not_in_the_way(mails, later):
    """Only who was told that the very same is in force relies on it."""
    number = mails.did(CHECKIP, *put("gv1p"))
    later(mails)
    assert ("gv1p",) == mails.undo(number).command.way.servers


def test_who_took_the_own_command_back_relies_on_nothing(mails):
    """Bia put it on a server of her own, and undid that."""
    number = mails.did(CHECKIP, *put("gv1p"))
    other = mails.did(CHECKIP, *put("gv1p"), sender=BIA)
    assert "undo.relied" == mails.refused(number)[0]
    mails.did(mails.undo(other, BIA), host("gv1p"), sender=BIA)
    assert ("gv1p",) == mails.undo(number).command.way.servers


def test_a_server_that_takes_part_no_more_is_not_worked_on(mails):
    """Where it is the only one, somebody who knows where it went has to do it."""
    number = mails.did(CHECKIP, *put("gv1p", "gv2p"))
    smaller = Inventory(groups={"checkip_servers": ("gv2p",)}, variables={})
    assert ("gv2p",) == mails.undo(number, fleet=smaller).command.way.servers
    none = Inventory(groups={"checkip_servers": ("gv3p",)}, variables={})
    assert "undo.no_server" == mails.refused(number, fleet=none)[0]


def test_it_is_asked_again_when_its_turn_is_there(mails):
    """Between the mail and the run there may be a confirmation of an hour, and others' commands."""
    store = mails.store
    number = mails.did(CHECKIP, *put("gv1p"))
    request = mails.undo(number)
    mails.take(mails.order(request))
    job = store.claim()
    assert objection(store.engine, job) is None
    assert objection(store.engine, store.job(number)) is None
    store.finish(job, Report(status="failed", hosts=(host("gv1p", "unreachable"),)), None)
    other = mails.did(CHECKIP, host("gv1p", "ok"), sender=BIA)
    mails.take(mails.order(request))
    job = store.claim()
    notice = objection(store.engine, job)
    assert ("undo.relied", {"by": str(other)}) == (notice.code, notice.data)


def test_whoever_asks_behind_an_undo_is_served_after_it(mails):
    """The line is kept: it is undone, and then done for somebody else."""
    number = mails.did(CHECKIP, *put("gv1p"))
    mails.take(mails.order(mails.undo(number)))
    mails.take(mails.order(parse(CHECKIP, FLEET), BIA))
    assert objection(mails.store.engine, mails.store.claim()) is None


def test_what_a_broken_off_start_did_is_not_denied(mails):
    """It found all in order that its first start had changed: what that did is written down nowhere."""
    for written, instead in (
        (CHECKIP, "STATUS {}"),
        (MACCHANGE, str(parse(MACCHANGE, FLEET).command.reverse().subject())),
    ):
        number = mails.take(mails.order(parse(written, FLEET)))
        mails.store.claim()
        mails.store.requeue()
        job = mails.store.claim()
        hosts = tuple(host(name, "ok") for name in job.order.servers)
        mails.store.finish(job, Report(status="successful", hosts=hosts), None)
        assert ("undo.interrupted", None, instead.format(number)) == mails.refused(number)


def test_what_speaks_against_it_then_is_its_answer(mails):
    """The servers hear of nothing, and the sender of the job that is in the way."""
    store = mails.store
    number = mails.did(CHECKIP, *put("gv1p"))
    request = mails.undo(number)
    mails.did(CHECKIP, host("gv1p", "ok"), sender=BIA)
    mails.take(mails.order(request))
    job = store.claim()
    Worker(store, NoServers(), COMPOSER, Runs(), LocalRunner(SETTINGS, None, COMPOSER)).work(job)
    ended = store.job(job.id)
    assert ("failed", "undo.relied") == (ended.state.value, ended.report.problem.code)
    with store.engine.begin() as connection:
        mail = connection.execute(select(schema.outbox.c.message)).scalars().all()[-1]
    said = email.message_from_bytes(mail, policy=email.policy.default).get_body(("plain",)).get_content()
    assert f"Outra pessoa pediu o mesmo depois, no job {number + 1}" in " ".join(said.split())


def test_an_undo_that_was_overtaken_by_another_is_not_run(mails):
    """Both were asked for before either ran; what is put on again between them is not this job's."""
    number = mails.did(CHECKIP, *put("gv1p"))
    request = mails.undo(number)
    first = mails.did(request, host("gv1p"))
    mails.take(mails.order(request))
    notice = objection(mails.store.engine, mails.store.claim())
    assert ("undo.undone", {"by": str(first)}) == (notice.code, notice.data)


WAY = Way(
    keyword="MACCHANGE", subject=MACCHANGE, playbook="macchange_undo.yml", servers=("gv2p",), extravars={}
)
UNDO = Request(Undo(job=12, way=WAY))


@pytest.mark.parametrize(
    ("demands", "kind", "expected"),
    [
        ({}, "static", Unproved("confirmation")),
        ({}, "totp", Allowed()),
        ({"MACCHANGE": "token"}, "static", Allowed()),
        ({"MACCHANGE": "totp"}, "static", Unproved("totp")),
        ({"CHECKIP": "totp", "MACCHANGE": "token"}, "static", Allowed()),
    ],
)
def test_an_undo_asks_for_what_the_undone_command_asks(demands, kind, expected):
    """To take a change back is as much as to make it."""
    assert expected == judge(ANA, UNDO, Proof(kind=kind), Permissions(demands=demands))


def test_who_may_not_use_a_command_may_not_undo_it():
    """Also when the job is the sender's own, from better days."""
    only = Sender("ana@example.com", "operador", "pt_BR", ("CHECKIP",))
    assert Denied(COMMANDS["MACCHANGE"], "commands") == judge(only, UNDO, Proof(kind="totp"), Permissions())
