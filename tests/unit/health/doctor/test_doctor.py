"""`athome doctor` as a whole: its areas, exit codes and answers."""

import json

from click.testing import CliRunner

from dispatcher.cli import athome
from dispatcher.cli.doctor import AREAS as TITLES
from dispatcher.health.doctor.examination import AREAS


def test_every_area_has_a_title():
    """The shell lists the areas before it loads them; both lists are the same, in the same order."""
    assert list(AREAS) == list(TITLES)


def test_wrong_settings_are_a_finding_too(tmp_path):
    """Exit code 78, in JSON as in a terminal, with the key that is wrong."""
    path = tmp_path / "settings.yml"
    path.write_text("imap: {hots: imap.example.com}")
    answer = CliRunner().invoke(athome, ["--settings", str(path), "doctor", "--json"])
    said = json.loads(answer.output)
    assert (78, False) == (answer.exit_code, said["ok"])
    assert "imap.hots" in said["findings"][0]["said"]
    shown = CliRunner().invoke(athome, ["--settings", str(path), "doctor"])
    assert 78 == shown.exit_code
    assert "✗" in shown.output
    assert "→" in shown.output


def test_what_waits_for_nothing_is_looked_at_alone(tmp_path):
    """`--only` leaves the fleet and the mail servers alone; warnings do not fail."""
    path = tmp_path / "settings.yml"
    path.write_text(json.dumps({"state_dir": str(tmp_path), "inventory": "/nonexistent"}))
    run = CliRunner().invoke(
        athome, ["--settings", str(path), "doctor", "--json", "--only", "versions", "--only", "database"]
    )
    said = json.loads(run.output)
    assert (0, True) == (run.exit_code, said["ok"])
    assert {"versions", "database"} == {one["of"] for one in said["findings"]}
    assert ["warning"] == [one["status"] for one in said["findings"] if one["of"] == "database"]


def test_a_fault_of_ours_in_an_area_is_a_finding(tmp_path, monkeypatch):
    """The other areas are looked at all the same."""
    path = tmp_path / "settings.yml"
    path.write_text(json.dumps({"state_dir": str(tmp_path)}))

    def fault(_case, _chart):
        raise ZeroDivisionError

    monkeypatch.setattr(
        "dispatcher.health.doctor.examination.AREAS", {"versions": AREAS["versions"], "disk": fault}
    )
    run = CliRunner().invoke(
        athome, ["--settings", str(path), "doctor", "--only", "versions", "--only", "disk"]
    )
    assert 75 == run.exit_code
    assert "disk: um erro interno interrompeu o exame (ZeroDivisionError)." in run.output
    assert "ansible-core" in run.output
