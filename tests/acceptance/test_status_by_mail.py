"""What waits and what runs is shown by mail, and ended by mail: by its sender, or by an administrator."""

import pytest

from tests.acceptance.staff import Person, settle, text
from tests.fleet import busy
from tests.road import ADMIN, OPERATOR, OUTSIDER, waited

pytestmark = pytest.mark.lab

ADDRESS = "203.0.113.77"


@pytest.fixture(scope="module")
def people(governed):
    """Two operators and an administrator."""
    governed.athome("senders", "add", OUTSIDER)
    yield (
        Person(governed, OPERATOR, governed.token),
        Person(governed, OUTSIDER, governed.issue(OUTSIDER)),
        Person(governed, ADMIN, governed.admin_token),
    )
    governed.athome("senders", "remove", OUTSIDER)


def job_of(governed, message_id: str, *states: str) -> int:
    """Wait until the job of a mail is in one of these states, and return its number."""
    query = "SELECT id, state FROM jobs WHERE message_id = ?"
    found = waited(
        lambda: [row for row in governed.rows(query, message_id) if row[1] in states], f"not {states}"
    )
    return found[0][0]


def test_what_waits_and_what_runs_is_seen_and_canceled(governed, people):
    """A run that a server holds up, and one behind it: each is seen, and ended with one terminal reply.

    The running one ends although its server still keeps it waiting; nobody sees or ends somebody else's, but
    an administrator.
    """
    ana, eva, admin = people
    with busy("gv2p"):
        running = ana.send(f"CHECKIP={ADDRESS} SIMULAR")
        first = job_of(governed, running, "running")
        queued = ana.send(f"CHECKIP={ADDRESS}")
        second = job_of(governed, queued, "queued")
        waiting = eva.send(f"CHECKIP={ADDRESS}")
        third = job_of(governed, waiting, "queued")

        said = text(ana.ask("STATUS"))
        assert f"Job {first}: em execução" in said
        assert f"Job {second}: na fila" in said
        assert f"vem depois destes jobs: {first}." in said
        assert f"Job {third}" not in said
        everybodys = text(admin.ask("STATUS"))
        assert f"Job {third}: na fila" in everybodys
        assert f"De {OUTSIDER}." in everybodys
        assert f"Não há um job {second} seu." in text(eva.ask(f"CANCELAR {second}"))

        assert f"job {second} saiu da fila" in text(ana.ask(f"CANCELAR {second}"))
        assert "Cancelado a seu pedido." in text(ana.box.answer(queued))
        assert f"job {third} saiu da fila" in text(admin.ask(f"CANCELAR {third}"))
        assert f"Cancelado por {ADMIN}." in text(eva.box.answer(waiting))

        assert "interrompido agora" in text(ana.ask(f"CANCELAR {first}"))
        ended = ana.box.answer(running)
        assert "Cancelado a seu pedido." in text(ended)
    for person, message_id in ((ana, running), (ana, queued), (eva, waiting)):
        assert 1 == len(person.box.answers(message_id))
    states = governed.rows("SELECT DISTINCT state FROM jobs WHERE id IN (?, ?, ?)", first, second, third)
    assert [("canceled",)] == states


def test_what_has_ended_is_answered_with_what_helps(governed, people):
    """CANCELAR undoes nothing, says so, and shows what became of the job; a slip gets a subject to copy."""
    ana = people[0]
    done = ana.send(f"CHECKIP={ADDRESS} SIMULAR")
    ana.box.answer(done)
    job_id = job_of(governed, done, "successful")
    said = text(ana.ask(f"cancelar #{job_id}"))
    assert f"O job {job_id} já terminou" in said
    assert "CANCELAR não desfaz" in said
    assert f"Job {job_id}: concluído" in text(ana.ask(f"STATUS {job_id}"))
    assert f"[TOKEN] CANCELAR {job_id}" in text(ana.ask(f"CANCELAR o {job_id}"))
    assert 1 == len(ana.box.answers(done))


@pytest.mark.long  # without mail: tests/unit/jobs/test_canceling.py
def test_what_a_paused_server_holds_is_canceled_and_tried_again_at_the_shell(governed, people):
    """Its sender reads in STATUS why it waits; the second try, followed to its end, answers the same mail."""
    ana = people[0]
    governed.athome("queue", "pause", "gv1p", "--reason", "troca do disco")
    try:
        held = ana.send(f"CHECKIP={ADDRESS} SIMULAR")
        job_id = job_of(governed, held, "queued")
        assert "A fila de gv1p está em pausa: troca do disco" in text(ana.ask(f"STATUS {job_id}"))
        assert "gv1p em pausa" in governed.athome("jobs", "list").stdout
        governed.athome("jobs", "cancel", str(job_id))
        assert "Cancelado no servidor do serviço, pela conta" in text(ana.box.answer(held))
        governed.athome("jobs", "retry", str(job_id))
    finally:
        governed.athome("queue", "resume", "gv1p")
    again = next(job for job in governed.jobs() if job["retry_of"] == job_id)
    followed = governed.athome("jobs", "show", str(again["id"]), "--follow").stdout
    assert "PLAY [" in followed
    assert "concluído" in followed
    assert "Simulação" in text(ana.result(held))


def test_whoever_waits_for_long_hears_where_in_line_once_and_then_the_result(governed, people):
    """The first mail names the place and the reason; nothing has to be sent again."""
    ana = people[0]
    assert governed.stop() == 0
    settle(governed, "runs", tell_after=1)
    governed.start()
    governed.athome("queue", "pause", "gv1p", "--reason", "troca do disco")
    try:
        held = ana.send(f"CHECKIP={ADDRESS} SIMULAR")
        accepted = ana.box.answer(held)
    finally:
        governed.athome("queue", "resume", "gv1p")
    job_id = job_of(governed, held, "queued", "running", "successful")
    assert f"Re: CHECKIP={ADDRESS} SIMULAR — na fila: lugar 1" == accepted["Subject"]
    assert "A fila de gv1p está em pausa: troca do disco" in text(accepted)
    assert f"[TOKEN] CANCELAR {job_id}" in text(accepted)
    assert "Simulação" in text(ana.result(held))
    assert 2 == len(ana.box.answers(held))
