"""Bringing the tables of an older version up to this one, with everything that is in them."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from dispatcher.errors import StoreError
from dispatcher.jobs import schema

# What each version added to tables that were there before; new tables are made by themselves.
ADDED = {
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
    4: (
        "jobs ADD COLUMN not_before FLOAT",
        "jobs ADD COLUMN payload INTEGER",
        "jobs ADD COLUMN names INTEGER",
        "job_servers ADD COLUMN unfinished BOOLEAN",
    ),
    5: (
        "jobs ADD COLUMN canceled_by VARCHAR(320)",
        "jobs ADD COLUMN retry_of INTEGER",
    ),
    6: (
        "jobs ADD COLUMN offer VARCHAR(8)",
        "jobs ADD COLUMN preview_of INTEGER",
        "jobs ADD COLUMN foreseen VARCHAR(64)",
        "jobs ADD COLUMN confirmed_by VARCHAR(320)",
        "jobs ADD COLUMN undoes INTEGER",
        "jobs ADD COLUMN told_at FLOAT",
    ),
}
# And what follows for what was there: a mail that was run under an older version is no new one.
_FILLED = {
    3: (
        "INSERT INTO claims SELECT sender, message_id, created_at, 0 FROM jobs WHERE message_id IS NOT NULL",
        "CREATE INDEX outbox_by_recipient ON outbox (recipient, created_at)",
        "UPDATE outbox SET about = (SELECT message_id FROM jobs WHERE jobs.id = outbox.job_id)",
    ),
    4: (
        "UPDATE jobs SET names = (SELECT count(*) FROM job_servers WHERE job_id = jobs.id)",
        "UPDATE job_servers SET unfinished = false",
        (
            "UPDATE job_servers SET unfinished = true"
            " WHERE job_id IN (SELECT id FROM jobs WHERE state IN ('queued', 'running'))"
        ),
        "DROP INDEX jobs_by_server",
        "CREATE INDEX jobs_by_server ON job_servers (unfinished, server, job_id)",
        "CREATE INDEX jobs_by_lease ON jobs (lease_until) WHERE lease_until IS NOT NULL",
        "CREATE INDEX jobs_by_names ON jobs (names, state, id)",
        "CREATE INDEX jobs_by_end ON jobs (finished_at, keyword, state, started_at)",
    ),
    5: ("CREATE UNIQUE INDEX one_retry_per_job ON jobs (retry_of)",),
    6: (
        "CREATE UNIQUE INDEX one_job_per_preview ON jobs (preview_of)",
        "CREATE INDEX undoing_jobs ON jobs (undoes)",
    ),
}


def upgrade(connection: Connection) -> None:
    """Make what is missing, within the caller's transaction, which nobody else may share.

    Raises StoreError for tables of a newer version.
    """
    schema.metadata.create_all(connection)
    found = connection.execute(select(schema.schema_version.c.version)).scalar()
    for version in range((found or schema.VERSION) + 1, schema.VERSION + 1):
        for change in ADDED[version]:
            connection.exec_driver_sql(f"ALTER TABLE {change}")
        for statement in _FILLED.get(version, ()):
            connection.exec_driver_sql(statement)
        connection.execute(update(schema.schema_version).values(version=version))
    _same_version(connection)


def _same_version(connection: Connection) -> None:
    version = connection.execute(select(schema.schema_version.c.version)).scalar()
    if version is None:
        connection.execute(insert(schema.schema_version).values(version=schema.VERSION))
    elif version != schema.VERSION:
        raise StoreError(
            f"O banco de dados é da versão {version}; este programa conhece a {schema.VERSION}.",
            "Use a versão do programa que criou o banco, ou atualize o programa.",
        )
