"""The tables. Unique indexes are the promises: what they forbid cannot happen, whatever crashes.

All times are UTC, in seconds since 1970 (both databases compare them alike). JSON, never pickle.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

VERSION = 6  # of this file; kept in the table schema_version

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

# Every mail that was looked at, with its verdict: the audit. The token is in no column.
messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("folder", String(255), nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("sender", String(320)),  # as claimed by From; believed only when verdict is 'admitted'
    Column("message_id", String(998)),
    Column("subject", Text),  # what follows the token; the token's place is marked
    Column("verdict", String(16), nullable=False),  # admitted | refused | repeated | silent | parked
    Column("rule", String(32), nullable=False),  # the rule that decided
    Column("reason", Text, nullable=False),
    Column("job_id", ForeignKey("jobs.id")),
    UniqueConstraint("folder", "uidvalidity", "uid", name="one_row_per_delivery"),
    Index("messages_by_time", "seen_at"),
)

# A mail of a proved sender, taken once for all: a second delivery finds its row and what was answered to it.
claims = Table(
    "claims",
    metadata,
    Column("sender", String(320), primary_key=True),
    Column("message_id", String(998), primary_key=True),
    Column("claimed_at", Float, nullable=False),
    Column("repeats", Integer, nullable=False, default=0),  # how often the answer was sent again
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("sender", String(320)),
    Column("message_id", String(998)),
    Column("thread", Text, nullable=False, default=""),  # References of the mail
    Column("keyword", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("servers", JSON),  # where it runs; null in rows of version 1: on what it locks
    Column("check", Boolean, nullable=False),
    Column("language", String(8), nullable=False),
    Column("state", String(32), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("owner", String(8), nullable=False),  # serve | shell: who may run it
    Column("claim", String(32)),
    Column("lease_until", Float),  # who works on it and is gone stops renewing it
    Column("not_before", Float),  # it is not started before; null: at once
    Column("payload", Integer),  # job.PAYLOAD of who wrote it; null in rows of version 3: 1
    Column("names", Integer),  # how many names it locks
    Column("canceled_by", String(320)),  # who wants it to end: an address, or shell:account
    Column("retry_of", Integer),  # the job that it is again; that one may be forgotten
    Column("offer", String(8)),  # of a preview, how it may be carried out: asked | demanded | approval
    Column("preview_of", Integer),  # the preview that it carries out; that one may be forgotten
    Column("foreseen", String(64)),  # the digest of what that preview showed: else it is not carried out
    Column("confirmed_by", String(320)),  # whose answer let it start
    Column("undoes", Integer),  # the job that it takes back; that one may be forgotten
    Column("told_at", Float),  # when its sender was told that it waits for its turn
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("report", JSON),
    UniqueConstraint("sender", "message_id", name="one_job_per_message"),
    Index("jobs_by_state", "state", "id"),
    Index(
        "jobs_by_lease",
        "lease_until",
        sqlite_where=text("lease_until IS NOT NULL"),
        postgresql_where=text("lease_until IS NOT NULL"),
    ),
    Index("jobs_by_names", "names", "state", "id"),  # those that lock nothing stand in no queue
    Index("jobs_by_end", "finished_at", "keyword", "state", "started_at"),  # what is counted, and forgotten
    Index("one_retry_per_job", "retry_of", unique=True),
    Index("one_job_per_preview", "preview_of", unique=True),
    Index("undoing_jobs", "undoes"),
    sqlite_autoincrement=True,  # an id is never given twice, also after a purge
)

# What a job locks: the servers that it changes, or a name for something else that it has to itself. A job
# waits while an older unfinished job has one of them.
job_servers = Table(
    "job_servers",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("server", String(255), primary_key=True),
    Column("unfinished", Boolean),  # the job is queued or running; false or null: it is in nobody's way
    Index("jobs_by_server", "unfinished", "server", "job_id"),
)

# What is being worked on: the primary key lets one job at a time have each.
locks = Table(
    "locks",
    metadata,
    Column("server", String(255), primary_key=True),
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
)

# What is in nobody's turn until a person says so: jobs that lock it wait.
paused = Table(
    "paused",
    metadata,
    Column("server", String(255), primary_key=True),
    Column("paused_at", Float, nullable=False),
    Column("paused_by", String(320), nullable=False),  # shell:account
    Column("reason", Text, nullable=False),  # for whoever waits; may be empty
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", String(255), nullable=False, unique=True),  # deterministic: one reply per cause
    Column("job_id", ForeignKey("jobs.id")),
    Column("recipient", String(320), nullable=False),
    Column("about", String(998)),  # Message-ID of the mail that it answers; null: it answers none
    Column("message", LargeBinary, nullable=False),  # the whole mail, RFC 5322
    Column("state", String(8), nullable=False),  # waiting | sending | sent | dead | bounced | dropped
    Column("attempts", Integer, nullable=False, default=0),
    Column("not_before", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("sent_at", Float),
    Column("error", Text),
    Index("outbox_by_state", "state", "not_before"),
    Index("outbox_by_recipient", "recipient", "created_at"),
)

senders = Table(
    "senders",
    metadata,
    Column("address", String(320), primary_key=True),  # normalised: lower case, domain in ASCII
    Column("role", String(16), nullable=False),  # operador | administrador
    Column("language", String(8), nullable=False),
    Column("added_at", Float, nullable=False),
    Column("commands", JSON),  # keywords that this sender may use; null: all that the role may
    Column("failures", Integer),  # wrong tokens in a row, of mails that were proved to be this sender's
    Column("failed_at", Float),  # the last of them
    Column("locked_until", Float),
)

# Who put whom on the whitelist, or took off: kept when the sender is gone.
sender_history = Table(
    "sender_history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("changed_at", Float, nullable=False),
    Column("changed_by", String(320), nullable=False),  # an administrator's address, or shell:account
    Column("address", String(320), nullable=False),
    Column("action", String(16), nullable=False),  # add | remove | change
    Column("detail", JSON, nullable=False),  # role, language, commands as they were set
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sender", ForeignKey("senders.address", ondelete="CASCADE"), nullable=False),
    # HMAC-SHA256 of sender and token, hex; of a one-time token: of its enrolment, from which its codes follow
    Column("digest", String(64), nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("issued_at", Float, nullable=False),
    Column("kind", String(8)),  # static | totp; null in rows of version 2: static
    Column("salt", String(64)),  # of a one-time token: what its secret is derived from, with the pepper
    Column("expires_at", Float),  # null: never
    Column("used_at", Float),  # the last time that it opened a command
)

# One-time codes that were used: each step of a one-time token counts once.
used_codes = Table(
    "used_codes",
    metadata,
    Column("token_id", ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True),
    Column("step", BigInteger, primary_key=True),
)

# What waits for its sender's answer: a code that was mailed to the sender, and starts the job once.
confirmations = Table(
    "confirmations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("sender", String(320), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),  # HMAC-SHA256 of sender and code, hex
    Column("expires_at", Float, nullable=False),
    Column("used_at", Float),
)

# What was counted of rows that are gone: counters that people watch never go back.
totals = Table(
    "totals",
    metadata,
    Column("kind", String(16), primary_key=True),  # runs | mails
    Column("first", String(64), primary_key=True),  # the command, or the verdict
    Column("second", String(64), primary_key=True),  # the job's last state, or the rule
    Column("bucket", Integer, primary_key=True),  # of runs: which of the bounds of durations; else 0
    Column("number", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),  # of runs: how long they took, together
)
