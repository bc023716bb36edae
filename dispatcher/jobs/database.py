"""Opening the database so that what it says is committed stays committed."""

from __future__ import annotations

import os
import pwd
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, DBAPIError, IntegrityError

from dispatcher.errors import SettingsError, StoreError
from dispatcher.jobs.filesystem import refuse_network
from dispatcher.jobs.migrations import upgrade
from dispatcher.settings import Database

_READS = "athome_reads"
_MIGRATION = 0x6174686F6D65  # "athome": the advisory lock of whoever changes the tables
# How long a server that is not heard of any more is waited for, in seconds; tcp_user_timeout in milliseconds.
_HEARD = {
    "connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 20_000, "application_name": "athome",
}  # fmt: skip


def connect(where: str | Database) -> Engine:
    """Open the database and bring its tables up to date. Raises StoreError with the way out.

    ``where``: an SQLAlchemy URL, or the section of the settings that has it. Its password is read anew for
    each connection, so that a changed one works at once.
    """
    engine = engine_of(Database(url=where) if isinstance(where, str) else where)
    try:
        with engine.begin() as connection:
            if is_postgresql(engine):
                for limit in ("lock_timeout", "statement_timeout"):  # it takes as long as it takes
                    connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION)))
            upgrade(connection)
    except DatabaseError as error:
        raise StoreError(
            f"O banco de dados {engine.url.render_as_string()} não abre: {_said(error)}.",
            "Confira se o servidor está no ar, a conta e a senha (database.password_file)."
            if is_postgresql(engine)
            else "Confira o disco e as permissões; uma cópia de segurança pode substituir o arquivo.",
        ) from None
    return engine


def engine_of(where: Database) -> Engine:
    """Return the way to the database, whatever its tables are. Raises SettingsError, StoreError."""
    try:
        return _made(make_url(where.url or ""), where.password)
    except (ArgumentError, ImportError, KeyError) as error:
        postgres = isinstance(error, ImportError) and "psycopg" in str(error)
        raise SettingsError(
            "A chave database.url não serve: não é um endereço de banco de dados que este programa conhece.",
            "Instale o suporte a PostgreSQL: pip install 'athome-voip-monitor[postgres]'." if postgres
            else "Deixe-a de fora para usar SQLite em state_dir, ou indique postgresql+psycopg://conta@host/banco.",
        ) from None  # fmt: skip


def is_postgresql(engine: Engine) -> bool:
    """Whether other machines may share it."""
    return engine.dialect.name == "postgresql"


def insert_new(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an insert that does nothing when a unique index has such a row already."""
    if is_postgresql(connection.engine):
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction. A database that does not answer is a StoreError: what needs it has to wait.

    What no later time makes better is none: IntegrityError is an answer, DataError a fault of the value.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (IntegrityError, DataError):
        raise
    except DBAPIError as error:
        raise StoreError(
            f"O banco de dados não respondeu como devia: {_said(error)}.",
            "Confira se o servidor está no ar; o que estava em andamento não se perdeu."
            if is_postgresql(engine)
            else "Confira espaço em disco e permissões; o que estava em andamento não se perdeu.",
        ) from error


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that changes nothing; on SQLite it holds up nobody who writes. Raises StoreError."""
    with transaction(engine.execution_options(**{_READS: True})) as connection:
        yield connection


def _made(url: URL, password: Callable[[], str | None]) -> Engine:
    """Return the engine. Parameters may be whole mails: no error shows or logs them."""
    if url.get_backend_name() == "postgresql":
        # No thread waits for another one's connection, only for the server.
        engine = create_engine(
            url, hide_parameters=True, pool_pre_ping=True, max_overflow=-1, connect_args=_HEARD
        )

        @event.listens_for(engine, "do_connect")
        def with_password(_dialect: Any, _record: Any, _args: Any, options: dict[str, Any]) -> None:
            if (known := password()) is not None:
                options["password"] = known

        event.listen(engine, "connect", _bounded)
        return engine
    if url.get_backend_name() != "sqlite":
        raise ArgumentError(url.get_backend_name())
    if url.database:
        _private_file(Path(url.database))
        refuse_network(Path(url.database).parent)
    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "connect", _durable)
    event.listen(engine, "begin", _begin)
    return engine


def _said(error: DBAPIError) -> str:
    """Return the driver's words in one line."""
    return " ".join(str(error.orig).split()).rstrip(".")


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
            f"Execute assim: sudo -u {_account(owner)} athome … (com a instalação: sudo athome …)",
        )


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _bounded(connection: Any, _record: Any) -> None:
    """Let the server notice soon that we are gone, and free what we had locked; a commit is on its disk."""
    connection.autocommit = True
    for setting in (
        "tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 3",
        "tcp_user_timeout = 20000", "idle_in_transaction_session_timeout = 30000", "lock_timeout = 15000",
        "statement_timeout = 60000",
    ):  # fmt: skip
        connection.execute(f"SET {setting}")
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
    connection.autocommit = False


def _durable(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = (
        None  # transactions begin where _begin says, not where Python's driver guesses
    )
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """Take the write lock at once: a transaction that starts by reading cannot fail half-way for the lock."""
    reads = connection.get_execution_options().get(_READS)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
