"""What athome jobs and athome queue say, and what they do."""

import json
import threading
import time

import pytest
import yaml
from click.testing import CliRunner
from sqlalchemy import select, update

from dispatcher.cli import athome
from dispatcher.cli.follow import Log
from dispatcher.errors import NotFoundError, NotNowError
from dispatcher.inventory import InventorySource
from dispatcher.jobs import schema
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import PAYLOAD, Order
from dispatcher.jobs.store import Delivery, Store
from dispatcher.runs.report import Report
from tests.unit.inventories import FLEET


@pytest.fixture
def settings(tmp_path, database):
    path = tmp_path / "settings.yml"
    path.write_text(yaml.safe_dump({"state_dir": str(tmp_path / "state"), "database": {"url": database}}))
    return path


def queued(database, **values):
    store = Store(connect(database))
    store.submit(Order(
        keyword="CHECKIP", subject="CHECKIP=203.0.113.7", arguments={"checkip": "203.0.113.7"},
        servers=("gv1p",), locks=("gv1p",), check=False, language="pt_BR",
    ))  # fmt: skip
    with store.engine.begin() as connection:
        connection.execute(update(schema.jobs).values(values))
    store.engine.dispose()


def said(settings, *arguments):
    return CliRunner().invoke(athome, ["--settings", str(settings), "jobs", *arguments]).output


@pytest.mark.parametrize("verb", ["list", "show"])
def test_a_job_of_a_newer_version_says_what_it_waits_for(settings, database, verb):
    """It stays in the queue, and whoever looks sees why; in JSON too."""
    queued(database, payload=PAYLOAD + 1)
    where = [verb] if verb == "list" else [verb, "1"]
    assert "na fila: pede uma versão mais nova do programa" in said(settings, *where)
    shown = json.loads(said(settings, *where, "--json"))
    assert (shown[0] if verb == "list" else shown)["too_new"]


def test_a_job_that_waits_for_its_time_says_until_when(settings, database):
    """One whose time has come says nothing of it."""
    queued(database, not_before=time.time() + 3600)
    assert "na fila até " in said(settings, "list")
    queued(database, not_before=1.0)
    assert "até" not in said(settings, "list")


def by_mail(database, number=1, *servers) -> int:
    store = Store(connect(database))
    order = Order(
        keyword="CHECKIP", subject="CHECKIP=203.0.113.7", arguments={"checkip": "203.0.113.7"},
        servers=servers or ("gv1p",), locks=servers or ("gv1p",), check=False, language="pt_BR",
        sender="ana@example.com", message_id=f"<{number}@example.com>",
    )  # fmt: skip
    delivery = Delivery(
        folder="INBOX", uidvalidity=1, uid=number, sender=order.sender, message_id=order.message_id,
        subject=order.subject, verdict="admitted", rule="token", reason="",
    )  # fmt: skip
    job_id = store.take(delivery, order=order)
    store.engine.dispose()
    return job_id


def athome_says(settings, *arguments):
    return CliRunner().invoke(athome, ["--settings", str(settings), *arguments])


def test_a_job_is_canceled_and_tried_again_at_the_shell(settings, database):
    """Its sender gets the one terminal reply; the new job names the old one, and neither is done twice."""
    job_id = str(by_mail(database))
    assert "Job 1 cancelado." in said(settings, "cancel", job_id)
    assert "cancelado" in said(settings, "cancel", job_id)
    assert "Cancelado por shell:" in " ".join(said(settings, "show", job_id).split())
    with connect(database).begin() as connection:
        (reply,) = connection.execute(select(schema.outbox)).all()
    assert ("ana@example.com", 1) == (reply.recipient, reply.job_id)
    assert "Job 2 na fila; repete o 1." in said(settings, "retry", job_id)
    again = athome_says(settings, "jobs", "retry", job_id)
    assert isinstance(again.exception, NotNowError)
    assert "é o job 2" in str(again.exception)
    assert 1 == json.loads(said(settings, "show", "2", "--json"))["retry_of"]


def test_to_cancel_what_has_ended_is_answered_with_what_it_did(settings, database):
    """No second end, and the way to its result."""
    by_mail(database)
    store = Store(connect(database))
    store.finish(store.claim(), Report(status="successful"), None)
    done = athome_says(settings, "jobs", "cancel", "1")
    assert isinstance(done.exception, NotNowError)
    assert "concluído" in str(done.exception)
    assert "athome jobs show 1" in str(done.exception)


def test_a_pause_is_seen_wherever_jobs_are(settings, database, monkeypatch):
    """In the list, in a job, in the queue and in the health; resumed, in none."""
    monkeypatch.setattr(InventorySource, "read", lambda _source: FLEET)
    by_mail(database, 1, "gv1p", "gv2p")
    paused = athome_says(settings, "queue", "pause", "gv1p", "--reason", "troca do disco")
    assert "gv1p está em pausa." in paused.output
    assert "já estava" in athome_says(settings, "queue", "pause", "gv1p").output
    assert "na fila: gv1p em pausa" in said(settings, "list")
    assert "A fila de gv1p está em pausa: troca do disco" in said(settings, "show", "1")
    shown = athome_says(settings, "queue", "show").output
    assert "troca do disco" in shown
    assert "gv2p" in shown
    assert "Em pausa: gv1p." in athome_says(settings, "health").output
    (line,) = json.loads(athome_says(settings, "queue", "show", "gv1p", "--json").output)
    assert ("gv1p", 1, None) == (line["server"], line["waiting"], line["running"])
    assert "gv1p retomado." in athome_says(settings, "queue", "resume", "gv1p").output
    assert "pausa" not in said(settings, "list")
    assert "não estava" in athome_says(settings, "queue", "resume", "gv1p").output


def test_a_server_that_there_is_not_cannot_be_paused(settings, monkeypatch):
    """A slip would hold nothing, and nobody would notice."""
    monkeypatch.setattr(InventorySource, "read", lambda _source: FLEET)
    slip = athome_says(settings, "queue", "pause", "gv1q")
    assert isinstance(slip.exception, NotFoundError)
    assert "Quis dizer gv1p?" in str(slip.exception)
    assert "Ninguém espera" in athome_says(settings, "queue", "show").output


def test_a_run_is_followed_to_its_end(settings, database, tmp_path):
    """What Ansible says comes line by line, harmless to a terminal, then the result."""
    job_id = by_mail(database)
    store = Store(connect(database))
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(said(settings, "show", "1", "--follow")))
    thread.start()
    job = store.claim()
    log = tmp_path / "state" / "runs" / str(job_id) / "artifacts"
    log.mkdir(parents=True)
    with (log / "stdout").open("w") as stream:
        stream.write("\x1b[0;32mTASK [one]\x1b[0m\n  ok: \x1b]0;evil\x07[gv1p]\nhal")
        stream.flush()
        stream.write("f a line\n")
    store.finish(job, Report(status="failed"), None)
    thread.join(30)
    (text,) = outcome
    assert "TASK [one]\n  ok: ]0;evil[gv1p]\nhalf a line\n" in text
    assert "\x1b" not in text
    assert "job 1: falhou" in text


def test_a_log_that_begins_anew_is_read_anew(tmp_path):
    """A run that was lost and started again has a file of its own."""
    log = Log(tmp_path / "stdout")
    assert [] == list(log.lines())
    (tmp_path / "stdout").write_text("one\ntwo\nthr")
    assert ["one", "two"] == list(log.lines())
    (tmp_path / "new").write_text("again\n")
    (tmp_path / "new").replace(tmp_path / "stdout")
    assert ["again"] == list(log.lines())
    assert [] == list(log.lines())
