"""DESFAZER at the shell: looked up where the jobs are, judged and refused as by mail."""

import json

import pytest
import yaml
from click.testing import CliRunner

from dispatcher.cli import athome
from dispatcher.commands.parser import parse
from dispatcher.jobs.database import connect
from dispatcher.jobs.job import Order
from dispatcher.jobs.store import Store
from dispatcher.runs.report import HostResult, Report
from dispatcher.settings import PROJECT, load
from tests.unit.inventories import FLEET


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "settings.yml"
    given = {"state_dir": str(tmp_path / "state"), "inventory": str(PROJECT / "inventory/lab")}
    path.write_text(yaml.safe_dump(given))
    return path


def said(settings, *arguments):
    return CliRunner().invoke(athome, ["--settings", str(settings), *arguments])


def test_explain_shows_what_an_undo_would_run(settings):
    """The playbook, the servers of the job's own changes, and the variables; whosever job it was."""
    store = Store(connect(load(settings).job_store))
    order = Order.of(parse("CHECKIP=203.0.113.7", FLEET), FLEET, language="pt_BR", sender="ana@example.com")
    job = store.submit(order)
    hosts = (
        HostResult(host="gv1p", outcome="changed", code="fail2ban.unbanned", undo={"state": "absent"}),
        HostResult(host="gv2p", outcome="ok", code="fail2ban.already_whitelisted"),
    )
    store.finish(job, Report(status="successful", hosts=hosts), None)
    plan = json.loads(said(settings, "explain", f"desfazer {job.id}", "--json").output)
    assert ("DESFAZER 1", "playbooks/checkip.yml", ["gv1p"]) == (
        plan["subject"], plan["playbook"], [server["name"] for server in plan["servers"]],
    )  # fmt: skip
    assert {"checkip_address": "203.0.113.7", "checkip_state": "absent"} == plan["extravars"]
    shown = said(settings, "jobs", "show", str(job.id)).output
    assert f"Para desfazer: athome run 'DESFAZER {job.id}'" in shown
    assert "--limit gv1p -e checkip_address=203.0.113.7 -e checkip_state=absent" in shown


def test_what_cannot_be_undone_ends_as_any_invalid_command(settings):
    """Exit code 2, why, and what helps instead; nothing is queued."""
    done = said(settings, "run", "DESFAZER 7")
    assert 2 == done.exit_code
    assert "Não há um job 7" in done.output
    assert "Em vez disso: STATUS" in done.output
    assert [] == Store(connect(load(settings).job_store)).recent(5)
