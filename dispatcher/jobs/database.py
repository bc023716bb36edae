"""Opening the database so that what it says is committed stays committed."""

from __future__ import annotations

import os
import pwd
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError

from dispatcher.errors import SettingsError, StoreError
from dispatcher.jobs import schema


def connect(url: str) -> Engine:
    """Open the database and create the tables that are missing. Raises StoreError with the way out."""
    try:
        parsed = make_url(url)
        engine = create_engine(parsed)
    except (ArgumentError, ImportError) as error:
        raise SettingsError(
            f"A chave database.url não serve: {error}.",
            "Deixe-a de fora para usar SQLite em state_dir.",
        ) from None
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite and parsed.database:
        _private_file(Path(parsed.database))
    if sqlite:
        event.listen(engine, "connect", _durable)
        event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            schema.metadata.create_all(connection)
            _upgrade(connection)
            _same_version(connection)
    except DatabaseError as error:
        raise StoreError(
            f"O banco de dados {parsed.render_as_string()} não abre: {error.orig}.",
            "Confira o disco e as permissões; uma cópia de segurança pode ser posta no lugar do arquivo.",
        ) from None
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction. A database that does not answer is a StoreError: what needs it has to wait."""
    try:
        with engine.begin() as connection:
            yield connection
    except IntegrityError:  # an answer, not a failure
        raise
    except DatabaseError as error:
        raise StoreError(
            f"O banco de dados não respondeu como devia: {error.orig}.",
            "Confira espaço em disco e permissões; o que estava em andamento não se perdeu.",
        ) from error


def _private_file(path: Path) -> None:
    """Create the file 0600 before SQLite would create it readable for everybody.

    Its owner is the service's account: a file that root creates beside it would lock the service out.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = path.parent.stat().st_uid
        if owner == os.geteuid():
            path.touch(mode=0o600)
    except OSError as error:
        raise StoreError(
            f"Não é possível gravar em {path.parent}: {error.strerror}.",
            "Corrija as permissões, ou indique outra pasta com a chave state_dir da configuração.",
        ) from None
    if owner != os.geteuid():
        raise StoreError(
            f"{path.parent} pertence à conta {_account(owner)}, e não à que executa este comando.",
            f"Execute assim: sudo -u {_account(owner)} athome …",
        )


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _durable(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = (
        None  # transactions begin where _begin says, not where Python's driver guesses
    )
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """Take the write lock at once: a transaction that starts by reading cannot fail half-way for the lock."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


# What each version added to tables that were there before; new tables are made by themselves.
_ADDED = {
    2: ("jobs ADD COLUMN servers JSON",),
    3: (
        "senders ADD COLUMN commands JSON",
        "senders ADD COLUMN failures INTEGER",
        "senders ADD COLUMN failed_at FLOAT",
        "senders ADD COLUMN locked_until FLOAT",
        "tokens ADD COLUMN kind VARCHAR(8)",
        "tokens ADD COLUMN salt VARCHAR(64)",
        "tokens ADD COLUMN expires_at FLOAT",
        "tokens ADD COLUMN used_at FLOAT",
        "outbox ADD COLUMN about VARCHAR(998)",
    ),
}
# And what follows for what was there: a mail that was run under an older version is no new one.
_FILLED = {
    3: (
        "INSERT INTO claims SELECT sender, message_id, created_at, 0 FROM jobs WHERE message_id IS NOT NULL",
        "CREATE INDEX outbox_by_recipient ON outbox (recipient, created_at)",
        "UPDATE outbox SET about = (SELECT message_id FROM jobs WHERE jobs.id = outbox.job_id)",
    ),
}


def _upgrade(connection: Connection) -> None:
    """Bring an older database up to this version, with everything that is in it."""
    found = connection.execute(select(schema.schema_version.c.version)).scalar()
    for version in range((found or schema.VERSION) + 1, schema.VERSION + 1):
        for change in _ADDED[version]:
            connection.exec_driver_sql(f"ALTER TABLE {change}")
        for statement in _FILLED.get(version, ()):
            connection.exec_driver_sql(statement)
        connection.execute(update(schema.schema_version).values(version=version))


def _same_version(connection: Connection) -> None:
    version = connection.execute(select(schema.schema_version.c.version)).scalar()
    if version is None:
        connection.execute(insert(schema.schema_version).values(version=schema.VERSION))
    elif version != schema.VERSION:
        raise StoreError(
            f"O banco de dados é da versão {version}; este programa conhece a {schema.VERSION}.",
            "Use a versão do programa que criou o banco, ou atualize o programa.",
        )
