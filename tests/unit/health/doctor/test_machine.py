"""What the doctor finds on its own machine: clock, certificates, secrets, database, what a server offers."""

import sqlite3
import time

import pytest

from dispatcher.health.doctor import clock, configuration, database, network
from dispatcher.health.doctor.chart import Chart, OverError
from dispatcher.health.doctor.fleet import Seen
from dispatcher.health.doctor.mailbox import lacking
from dispatcher.jobs.database import connect
from dispatcher.jobs.schema import VERSION
from tests.unit.health.doctor.said import found, heard

DAY = 86400.0


@pytest.mark.parametrize(
    ("ahead", "during", "expected"),
    [(0.5, (10.0, 12.0), 0.0), (9.0, (10.0, 12.0), 7.0), (-8.0, (10.0, 12.0), -8.0)],
)
def test_a_clock_is_off_by_what_the_task_cannot_explain(ahead, during, expected):
    """A time within the task's own is no difference."""
    assert expected == clock.offset(heard("server.seen", during=during, time=during[0] + ahead))


def test_our_own_clock_is_blamed_when_the_servers_agree(case):
    """One server of three that differs is that server's; three that differ alike are ours."""

    def said(**ahead):
        looks = [heard("server.seen", host=h, during=(10.0, 10.5), time=10 + a) for h, a in ahead.items()]
        return [one for one in found(clock.look, case(seen=Seen(looks=looks))) if one.check != "network"]

    (one,) = said(gv1p=0.1, gv2p=40.0, gv3p=0.2)
    assert ("gv2p", "warning") == (one.check, one.status)
    assert "40 s adiantado" in one.said
    (ours,) = said(gv1p=-60.0, gv2p=-61.0, gv3p=-60.0)
    assert ("servers", "failing") == (ours.check, ours.status)
    assert "timedatectl set-ntp true" in ours.way_out


@pytest.mark.parametrize(("left", "status"), [(90, "ok"), (21.5, "ok"), (20.5, "warning"), (0.2, "warning")])
def test_a_certificate_is_renewed_in_time(case, left, status):
    """Three weeks before its end somebody is told."""
    chart = Chart("smtp")
    ends = 1_800_000_000.0 - 1_800_000_000.0 % DAY  # a midnight
    shown = {"notAfter": time.strftime("%b %d %H:%M:%S %Y GMT", time.gmtime(ends))}
    network._valid(case(), chart, shown, now=ends - left * DAY)
    assert [status] == [one.status for one in chart.findings]
    assert f"{int(left)} dia" in chart.findings[0].said


def test_a_secret_of_others_or_for_others_is_closed(case, tmp_path):
    """Mode and owner, each with the line that puts it right; a good one is named, its content never."""
    pepper = tmp_path / "pepper"
    pepper.write_text("0123456789abcdef0123")
    made = case(tokens={"pepper_file": str(pepper)})
    pepper.chmod(0o640)
    (mode, short) = found(configuration.look, made)
    assert f"\nchmod 600 {pepper}" in mode.way_out
    assert ("warning", "tokens.pepper") == (short.status, short.check)
    pepper.chmod(0o600)
    pepper.write_text("a1" * 32)
    assert all("a1a1" not in one.said for one in found(configuration.look, made))
    assert {"ok"} == {one.status for one in found(configuration.look, made)}
    pepper.unlink()
    assert {"failing"} == {one.status for one in found(configuration.look, made)}


def test_what_systemd_hands_over_has_no_second_copy(case, tmp_path, monkeypatch):
    """A credential is the unit's alone; a file beside the settings that nobody reads any more is named."""
    handed, folder = tmp_path / "handed", tmp_path / "credentials"
    handed.mkdir()
    folder.mkdir(mode=0o750)
    (handed / "token-pepper").write_text("a1" * 32)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    made = case(tokens={"pepper_file": "token-pepper"})
    (closed,) = found(configuration.look, made)
    assert closed.way_out.endswith(f"\nchmod 700 {folder}")
    folder.chmod(0o700)
    assert {"ok"} == {one.status for one in found(configuration.look, made)}
    (tmp_path / "token-pepper").write_text("b2" * 32)
    (copy,) = found(configuration.look, made)
    assert "b2b2" not in copy.said
    assert copy.way_out.endswith(f"\nshred -u {tmp_path}/token-pepper")


def test_settings_that_others_can_change_are_named(case):
    """Whoever writes there decides what the service runs."""
    made = case()
    made.path.chmod(0o664)
    (one,) = found(configuration.look, made)
    assert one.way_out.endswith(f"\nchmod go-w {made.path}")


def test_databases_are_looked_at_and_left_as_they_are(case, tmp_path):
    """None there is no fault; an older one is upgraded by the next start, a newer one by nobody."""
    made, path = case(), tmp_path / "athome.db"
    assert ["warning"] == [one.status for one in found(database.look, made)]
    assert not path.exists()
    connect(made.settings.job_store).dispose()
    assert ["ok"] == [one.status for one in found(database.look, made)]
    for version, status in ((VERSION - 1, "warning"), (VERSION + 1, "failing")):
        with sqlite3.connect(path) as opened:
            opened.execute("UPDATE schema_version SET version = ?", [version])
        opened.close()
        (one,) = found(database.look, made)
        assert (status, str(version) in one.said) == (one.status, True)
    path.write_bytes(b"no database at all, but long enough to be looked at as one" * 40)
    with pytest.raises(OverError):
        found(database.look, made)


def test_a_shared_database_is_looked_at_too(case, postgres):
    """Empty before the first start, then answering, with its version; one that is away is said so, soon."""
    with postgres.database() as url:
        made = case(database={"url": url})
        (empty,) = found(database.look, made)
        assert ("schema", "warning") == (empty.check, empty.status)
        connect(made.settings.job_store).dispose()
        (one,) = found(database.look, made)
        assert ("ok", True) == (one.status, one.said.startswith("PostgreSQL 1"))
    chart = Chart("database")
    with pytest.raises(OverError):
        database.look(case(database={"url": "postgresql+psycopg://athome@127.0.0.1:1/athome"}), chart)
    assert ["failing"] == [one.status for one in chart.findings]
    assert chart.findings[0].way_out


@pytest.mark.parametrize(
    ("offered", "missing"),
    [
        (["IMAP4REV1", "IDLE", "MOVE"], []),
        (["IDLE", "UIDPLUS"], []),
        (["MOVE"], ["IDLE"]),
        ([], ["IDLE", "MOVE"]),
    ],
)
def test_a_mail_server_has_to_offer_what_the_service_needs(offered, missing):
    """IDLE, and one of the two ways to move a mail."""
    assert missing == lacking(offered)
