"""Servers that a person has paused: jobs that lock one wait, in their place, until it is resumed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone

from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from dispatcher.jobs.database import reading, transaction
from dispatcher.jobs.schema import paused


@dataclass(frozen=True, slots=True)
class Pause:
    """A server that nothing is started on. ``by``: shell:account; ``reason``: for whoever waits."""

    server: str
    at: datetime  # UTC
    by: str
    reason: str


class Pauses:
    """The paused servers of one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[Pause]:
        """Return them by name."""
        with reading(self._engine) as connection:
            return listed(connection)

    def pause(self, server: str, by: str, reason: str) -> bool:
        """Start nothing more that locks this server; what runs goes on. False: it was paused before."""
        row = {"server": server, "paused_at": time.time(), "paused_by": by, "reason": reason}
        try:
            with transaction(self._engine) as connection:
                connection.execute(insert(paused).values(row))
        except IntegrityError:
            return False
        return True

    def resume(self, server: str) -> bool:
        """Let jobs of this server start again. False: it was not paused."""
        with transaction(self._engine) as connection:
            return connection.execute(delete(paused).where(paused.c.server == server)).rowcount == 1


def listed(connection: Connection) -> list[Pause]:
    """Return the paused servers by name, within the caller's transaction."""
    found = connection.execute(select(paused).order_by(paused.c.server)).all()
    return [
        Pause(row.server, datetime.fromtimestamp(row.paused_at, tz=timezone.utc), row.paused_by, row.reason)
        for row in found
    ]
