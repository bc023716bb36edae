"""A copy of the database that is whole although the service goes on, and the way back from it.

SQLite alone: PostgreSQL has tools of its own. The old file is never overwritten: it stays beside the new one.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.engine import make_url

from dispatcher.errors import AthomeError, NotFoundError
from dispatcher.jobs.schema import VERSION
from dispatcher.settings import Database

_UNFINISHED = ("awaiting_confirmation", "queued", "running")


class BackupError(AthomeError):
    """A backup cannot be made, or cannot be taken back: the sentence says why, and nothing was changed."""

    exit_code = 73  # EX_CANTCREAT


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database file holds."""

    version: int
    jobs: int
    unfinished: int
    senders: int
    newest: float | None  # when the last mail or job in it came; UTC, seconds since 1970
    size: int  # bytes


def location(database: Database, file: Path) -> Path:
    """Return SQLite's file. For PostgreSQL, raises BackupError with the command to use instead."""
    url = make_url(database.url or "")
    if url.get_backend_name() == "sqlite":
        return Path(url.database or "")
    address = url.set(drivername="postgresql", password=None).render_as_string()
    where, target = shlex.quote(f"--dbname={address}"), shlex.quote(str(file))
    raise BackupError(
        "O banco de dados é PostgreSQL, que tem suas próprias ferramentas.",
        f"Cópia: pg_dump --format=custom --file={target} {where}; com todos os serviços parados, de volta:"
        f" pg_restore --clean --if-exists --single-transaction {where} {target} (a senha: em ~/.pgpass).",
    )


def back_up(database: Path, target: Path) -> Contents:
    """Copy the database as it is at this moment into a new file, for its owner alone, and check the copy."""
    if not database.exists():
        raise NotFoundError(f"O banco de dados {database} não existe.", "Confira state_dir na configuração.")
    if target.exists():
        raise BackupError(f"{target} já existe.", "Indique outro nome: cópias não são sobrescritas.")
    part = target.with_name(f"{target.name}.part")
    with _explained(target):
        part.unlink(missing_ok=True)
        try:
            _copy(database, part)
            found = examine(part)
            part.replace(target)
            _sync(target.parent)
        finally:
            part.unlink(missing_ok=True)
    return found


def named(folder: Path) -> Path:
    """Return the file of a backup made now; by their names the newest comes last."""
    return folder / f"athome-{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}.db"


def forget(folder: Path, keep: int) -> int:
    """Delete all but so many of the newest backups that ``named`` has named; return how many."""
    old = sorted(folder.glob("athome-*Z.db"))[:-keep]
    with _explained(folder):
        for file in old:
            file.unlink()
    return len(old)


def examine(file: Path) -> Contents:
    """Read the whole file, and return what it holds. Raises BackupError unless it is sound, and ours."""
    if not file.is_file():
        raise NotFoundError(f"O arquivo {file} não existe.", "Indique um arquivo feito por athome backup.")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
            wrong = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if wrong == "ok" and (broken := connection.execute("PRAGMA foreign_key_check").fetchone()):
                wrong = f"foreign key of {broken[0]}"
            if wrong != "ok":
                raise BackupError(f"{file} está danificado: {wrong}.", "Use uma cópia anterior.")
            return _contents(connection, file)
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            raise BackupError(
                f"{file} não é uma cópia deste programa.", "Indique um arquivo feito por athome backup."
            ) from None
        raise BackupError(f"{file} não pode ser lido: {error}.", "Confira as permissões e o disco.") from None
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{file} não é um banco de dados: {error}.", "Use uma cópia anterior.") from None


def prepare(backup: Path, database: Path) -> Path:
    """Lay a copy of the backup beside the database, ready to be brought up to date and to take its place."""
    found = examine(backup)
    if found.version > VERSION:
        raise BackupError(
            f"{backup} é da versão {found.version}; este programa conhece até a {VERSION}.",
            "Atualize o programa antes.",
        )
    new = database.with_name(f"{database.name}.restoring")
    with _explained(new):
        _remove(new)
        _copy(backup, new)
        there = f"file:{quote(str(database))}?mode=ro"
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(there, uri=True)) as old:
            (last,) = old.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetchone() or (0,)
            with closing(sqlite3.connect(new)) as connection, connection:  # a number is never given twice
                connection.execute(
                    "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'jobs'", (last,)
                )
                connection.execute(
                    "INSERT INTO sqlite_sequence (name, seq) SELECT 'jobs', ?"
                    " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'jobs')",
                    (last,),
                )
    return new


def exchange(new: Path, database: Path) -> Path | None:
    """Put the prepared file in the database's place; return where the old one is kept.

    The caller holds the state folder's lock. Raises BackupError while any other process has the old one open.
    """
    with _explained(database):
        _closed(new, sound=True)
        kept: Path | None = None
        if database.exists():
            _closed(database, sound=False)
            stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
            kept = database.with_name(f"{database.name}.before-restore-{stamp}")
            os.link(database, kept)
            for suffix in ("-wal", "-shm"):  # left of a broken one: it must not become the new one's
                with suppress(FileNotFoundError):
                    Path(f"{database}{suffix}").rename(f"{kept}{suffix}")
        new.replace(database)
        _sync(database.parent)
        return kept


def discard(new: Path) -> None:
    """Remove a prepared file that is not put in place."""
    _remove(new)


def _copy(source: Path, target: Path) -> None:
    """Copy as one snapshot, into one file without a journal beside it, which is on the disk at the return."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with (
        closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, timeout=10)) as read,
        closing(sqlite3.connect(target, isolation_level=None)) as written,
    ):
        read.backup(written)  # in one step: with several, each write of the service would start it anew
        written.execute("PRAGMA journal_mode=DELETE")
    file = os.open(target, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _contents(connection: sqlite3.Connection, file: Path) -> Contents:
    def one(query: str) -> int:
        return int((connection.execute(query).fetchone() or (0,))[0] or 0)

    marks = ", ".join(f"'{state}'" for state in _UNFINISHED)
    (newest,) = connection.execute(
        "SELECT max(at) FROM (SELECT max(created_at) AS at FROM jobs UNION SELECT max(seen_at) FROM messages)"
    ).fetchone()
    return Contents(
        version=one("SELECT version FROM schema_version"),
        jobs=one("SELECT count(*) FROM jobs"),
        unfinished=one(f"SELECT count(*) FROM jobs WHERE state IN ({marks})"),  # noqa: S608 - our own words
        senders=one("SELECT count(*) FROM senders"),
        newest=newest,
        size=file.stat().st_size,
    )


def _closed(database: Path, *, sound: bool) -> None:
    """See to it that everything is in the one file, and that nobody has it open."""
    try:
        with closing(sqlite3.connect(database, timeout=1, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise BackupError(
                "Outro processo usa o banco de dados: um athome run, ou uma ferramenta do SQLite.",
                "Espere que termine, ou pare-o, e repita.",
            ) from None
        if sound:
            raise
    except sqlite3.DatabaseError:
        if sound:  # else it is why somebody restores
            raise


def _remove(file: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupError(
            f"{error.filename or file}: {error.strerror}.",
            "Confira a pasta, as permissões e o espaço em disco.",
        ) from None
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{file}: {error}.", "Confira as permissões e o espaço em disco.") from None
