"""How a database is opened: on which disks, with which password, by several at once, and what is said."""

import multiprocessing
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from dispatcher.errors import SettingsError, StoreError
from dispatcher.jobs import filesystem, schema
from dispatcher.jobs.database import connect, transaction
from dispatcher.jobs.filesystem import file_system
from dispatcher.settings import Database, Runs, Settings
from tests.postgres import PASSWORD, cluster, unused_port

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv rw,relatime shared:2 master:1 - nfs4 files.example.com:/srv rw
31 30 8:2 / /srv/local\\040disk rw - xfs /dev/sdb1 rw
32 22 0:41 / /mnt rw - tmpfs none rw
33 32 0:42 / /mnt rw - fuse.sshfs someone@files.example.com: rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/athome", "ext4"), ("/srv", "nfs4"), ("/srv/athome", "nfs4"), ("/srvx", "ext4"),
        ("/srv/local disk/athome", "xfs"), ("/mnt/athome", "fuse.sshfs"),
    ],
)  # fmt: skip
def test_a_paths_file_system_is_that_of_its_innermost_mount(path, kind):
    """Also with a space in its name, and where one is mounted over another one."""
    assert kind == file_system(Path(path), MOUNTS)


def test_sqlite_on_a_network_file_system_is_refused(tmp_path, monkeypatch):
    """Before the service takes the first mail, with the way out."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:40 / {tmp_path} rw - nfs4 files.example.com:/srv rw\n")
    monkeypatch.setattr(filesystem, "_MOUNTS", mounts)
    with pytest.raises(StoreError, match=r"sistema de arquivos de rede \(nfs4\).*PostgreSQL"):
        connect(f"sqlite:///{tmp_path}/athome.db")


def tables(url):
    with transaction(connect(url)) as connection:
        return connection.execute(text("SELECT count(*) FROM schema_version")).scalar_one()


def test_many_that_open_an_empty_database_at_once_find_one_set_of_tables(database):
    """Eight processes: nobody meets a table that is being made."""
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        assert [1] * 8 == pool.map(tables, [database] * 8)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://athome:7E57C0DE@db.example.com/athome",
        "postgresql+psycopg://db.example.com/athome?user=athome&password=7E57C0DE",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_shown(url):
    """The sentence names the key to use instead."""
    with pytest.raises(ValidationError, match=r"database\.password_file") as caught:
        Settings.model_validate({"database": {"url": url}, "runs": {"lease": 60}})
    assert "7E57C0DE" not in "".join(error["msg"] for error in caught.value.errors())


def test_the_password_comes_from_its_file_anew_for_each_connection(tmp_path):
    """A changed one works without a restart; a wrong one is a sentence without it."""
    secret = tmp_path / "database-password"
    secret.write_text(PASSWORD)
    with cluster(("127.0.0.1", unused_port())) as server:
        where = f"postgresql+psycopg://athome@127.0.0.1:{server.port}/postgres"
        engine = connect(Database(url=where, password_file=secret))
        engine.dispose()
        server.sql("ALTER USER athome PASSWORD 'second-7E57C0DE'")
        with pytest.raises(StoreError, match="password authentication failed") as caught, transaction(engine):
            pass
        assert PASSWORD not in str(caught.value)
        secret.write_text("second-7E57C0DE\n")
        with transaction(engine) as connection:
            assert connection.execute(text("SELECT 1")).scalar()
        engine.dispose()


def test_a_server_that_is_not_there_is_a_sentence():
    """With the address, and what to look at."""
    with pytest.raises(StoreError, match=r"postgresql\+psycopg://athome@127\.0\.0\.1:1/athome.*no ar"):
        connect("postgresql+psycopg://athome@127.0.0.1:1/athome")


def test_leases_are_long_when_machines_share_the_work():
    """A shorter one would have finished jobs run again after a short outage."""
    shared = Database(url="postgresql+psycopg://athome@db.example.com/athome")
    with pytest.raises(ValidationError, match=r"runs\.lease"):
        Settings(database=shared, runs=Runs(lease=59))
    assert Settings(database=shared).runs.lease >= 60
    assert 5 == Settings(runs=Runs(lease=5)).runs.lease


def test_a_value_that_no_time_makes_better_is_no_outage(postgres):
    """Whoever would wait for the database would wait for ever."""
    with postgres.database() as url:
        engine = connect(url)
        with pytest.raises(Exception, match="NUL") as caught, transaction(engine) as connection:
            connection.execute(schema.totals.insert().values(
                kind="x", first="a\0b", second="", bucket=0, number=1, seconds=0
            ))  # fmt: skip
        assert not isinstance(caught.value, StoreError | SettingsError)
        engine.dispose()
