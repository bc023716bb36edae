"""What athome jobs says of a job that may not start yet."""

import json
import time

import pytest
import yaml
from click.testing import CliRunner
from sqlalchemy import update

from dispatcher.cli import athome
from dispatcher.jobs import schema
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import PAYLOAD, Order
from dispatcher.jobs.store import Store


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
