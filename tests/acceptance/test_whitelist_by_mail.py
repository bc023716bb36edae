"""Who may command is changed by mail: by an administrator, after a confirmation, at once."""

import threading

import pytest

from dispatcher.jobs.database import connect
from dispatcher.mail.senders import SenderError, Senders
from tests.acceptance.staff import Person, text
from tests.road import ADMIN, OPERATOR, OUTSIDER, waited

pytestmark = pytest.mark.lab


@pytest.fixture
def admin(governed) -> Person:
    return Person(governed, ADMIN, governed.admin_token)


@pytest.fixture
def operator(governed) -> Person:
    return Person(governed, OPERATOR, governed.token)


def listed(governed) -> dict[str, str]:
    return {one["address"]: one["role"] for one in governed.athome_json("senders", "list")}


def changed(admin, command) -> str:
    """Send a change, confirm it, and return what the result says."""
    message_id = admin.send(command)
    admin.confirm(admin.box.answer(message_id))
    return text(admin.result(message_id))


def test_whoever_is_added_can_command_at_once_and_whoever_is_removed_no_longer(governed, admin, operator):
    """One mail and its confirmation put somebody on the list: that person and every administrator are told.

    A token, issued in person, then opens a command without any restart. Removed, the same person is a
    stranger, who hears nothing; the history has both changes and who made them.
    """
    outsider = Person(governed, OUTSIDER)
    governed.athome("senders", "add", "chefe@lab.example", "--role", "administrador")
    before = outsider.count(), admin.count()
    stranger = outsider.send("CHECKIP=203.0.113.7 SIMULAR", "7E57C0DE")
    assert [("silent", "whitelist")] == governed.verdicts(stranger)

    demand = admin.box.answer(message_id := admin.send(f"WHITELIST ADD {OUTSIDER.upper()}"))
    assert OUTSIDER not in listed(governed)
    assert "estranho@outside.example entra na lista como operador" in text(demand)
    admin.confirm(demand)
    assert "Todos os administradores foram avisados" in text(admin.result(message_id))
    assert "operador" == listed(governed)[OUTSIDER]
    welcome = text(outsider.told(before[0], "Você já pode mandar comandos"))
    assert "Peça um token" in welcome
    told = governed.rows("SELECT recipient FROM outbox WHERE message_id LIKE '<whitelist_told.%'")
    assert ("chefe@lab.example",) in told

    outsider.token = governed.issue(OUTSIDER)
    assert "AJUDA" in outsider.ask("AJUDA")["Subject"]

    assert "saiu da lista" in changed(admin, f"WHITELIST REMOVE {OUTSIDER}")
    assert OUTSIDER not in listed(governed)
    before = outsider.count()
    assert [("silent", "whitelist")] == governed.verdicts(outsider.send("AJUDA"))
    assert before == outsider.count()
    history = governed.athome_json("senders", "history", OUTSIDER)
    assert [("remove", ADMIN), ("add", ADMIN)] == [(one["action"], one["changed_by"]) for one in history]
    governed.athome("senders", "remove", "chefe@lab.example")


def test_nobody_takes_oneself_off_nor_the_last_administrator(governed, admin):
    """Neither is even asked to be confirmed; the answer says why, and the list stays."""
    answer = admin.ask(f"WHITELIST REMOVE {ADMIN}")
    assert "Ninguém tira a si mesmo da lista" in text(answer)
    assert "administrador" == listed(governed)[ADMIN]
    refused = governed.athome("senders", "remove", ADMIN, check=False)
    assert (65, True) == (refused.returncode, "último administrador" in refused.stderr)
    demoted = governed.athome("senders", "set", ADMIN, "--role", "operador", check=False)
    assert (65, True) == (demoted.returncode, "último administrador" in demoted.stderr)


@pytest.mark.long  # the two removals at once are short
def test_of_two_administrators_who_remove_each_other_one_stays(governed, admin):
    """Both are confirmed at the same time: the second to be carried out finds the first one's result."""
    governed.athome("senders", "add", OUTSIDER, "--role", "administrador")
    other = Person(governed, OUTSIDER, governed.issue(OUTSIDER))
    mine, theirs = admin.send(f"WHITELIST REMOVE {OUTSIDER}"), other.send(f"WHITELIST REMOVE {ADMIN}")
    demands = admin.box.answer(mine), other.box.answer(theirs)
    for person, demand in zip((admin, other), demands, strict=True):
        person.confirm(demand)
    waited(
        lambda: len([row for row in governed.rows("SELECT state FROM jobs ORDER BY id DESC LIMIT 2")
                     if row[0] in ("successful", "failed", "awaiting_confirmation")]) == 2
        and not governed.rows("SELECT 1 FROM jobs WHERE state IN ('queued', 'running')"),
        "the two removals did not end",
    )  # fmt: skip
    left = [address for address, role in listed(governed).items() if role == "administrador"]
    assert 1 == len(left)
    if left == [OUTSIDER]:  # the other one was faster
        governed.athome("senders", "add", ADMIN, "--role", "administrador")
        governed.admin_token = governed.issue(ADMIN)
        governed.athome("senders", "remove", OUTSIDER)


def test_an_operator_is_refused_and_told_what_there_is_instead(governed, operator):
    """The answer names the command and whose it is, and lists what this sender may do; nothing is changed."""
    answer = operator.ask(f"WHITELIST ADD {OUTSIDER} ADMIN")
    assert "Sem permissão: WHITELIST" in answer["Subject"]
    said = text(answer)
    assert "dos administradores" in said
    assert "CHECKIP=203.0.113.7" in said
    assert "[TOKEN] WHITELIST" not in said
    assert ADMIN not in said
    assert OUTSIDER not in listed(governed)
    help_ = text(operator.ask("HELP"))
    assert "CHECKIP" in help_
    assert "WHITELIST" not in help_


def test_a_list_of_commands_restricts_a_sender(governed, operator):
    """Who may only CHECKIP is refused RAMAIS, and AJUDA shows what is left."""
    governed.athome("senders", "set", OPERATOR, "--commands", "CHECKIP")
    try:
        refused = operator.ask("MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO= SERVER=gv2p")
        assert "Sem permissão: MACCHANGE" in refused["Subject"]
        assert "MACCHANGE" not in text(operator.ask("AJUDA"))
    finally:
        governed.athome("senders", "set", OPERATOR, "--commands", "tudo")
    assert "MACCHANGE" in text(operator.ask("AJUDA"))


@pytest.mark.parametrize(
    ("command", "said", "offered"),
    [
        (f"WHITELIST ADDD {OUTSIDER}", "um destes: ADD, REMOVE, LIST", f"WHITELIST ADD {OUTSIDER}"),
        ("WHITELIST ADD", "Falta o endereço", "WHITELIST ADD nova.pessoa@example.com"),
        ("WHITELIST ADD ana@example,com", "Não é um endereço", "WHITELIST ADD ana@example.com"),
        (f"WHITELIST ADD {OPERATOR}", "já está na lista", "WHITELIST LIST"),
        ("WHITELIST REMOVE operadr@lab.example", "não está na lista", f"WHITELIST REMOVE {OPERATOR}"),
        ("WHITELIST ADD ana@são.example", "não é aceito", "WHITELIST ADD ana@xn--so-sia.example"),
    ],
)
def test_a_mistake_is_answered_with_a_subject_to_copy(governed, admin, command, said, offered):
    """Nothing is asked to be confirmed that could not be done."""
    answer = text(admin.ask(command))
    assert said in answer
    assert f"[TOKEN] {offered}" in answer


def test_the_list_is_shown_without_a_confirmation(governed, admin):
    """Everybody with their role, in one mail."""
    said = text(admin.ask("WHITELIST LIST"))
    assert f"{ADMIN}: administrador" in said
    assert f"{OPERATOR}: operador" in said


def test_the_shell_changes_the_list_too(governed, admin):
    """`athome run` needs no confirmation, says who it was in the history, and administrators are told."""
    before = admin.count()
    done = governed.athome("run", "WHITELIST ADD bia@lab.example")
    assert "bia@lab.example entrou na lista" in done.stdout
    assert "bia@lab.example" in governed.athome("run", "WHITELIST LIST").stdout
    assert "bia@lab.example" in admin.told(before, "Mudou quem pode mandar comandos")["Subject"]
    (event,) = governed.athome_json("senders", "history", "bia@lab.example")
    assert event["changed_by"].startswith("shell:")
    governed.athome("senders", "remove", "bia@lab.example")


def test_two_removals_at_once_leave_an_administrator(governed):
    """From threads on one database: of two administrators exactly one can be removed."""
    url = f"sqlite:///{governed.state}/two.db"
    people = Senders(connect(url))
    for name in ("um", "dois"):
        people.add(f"{name}@lab.example", "administrador")
    start, failed = threading.Barrier(2), []

    def remove(name: str) -> None:
        mine = Senders(connect(url))
        start.wait()
        try:
            mine.remove(f"{name}@lab.example")
        except SenderError as error:
            failed.append(str(error))

    threads = [threading.Thread(target=remove, args=(name,)) for name in ("um", "dois")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 == len(failed)
    assert 1 == len(people.all())
