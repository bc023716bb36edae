"""Changes of the whitelist: what may be changed, by whom, and one transaction in which it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, select, update

from dispatcher.jobs import schema
from dispatcher.mail.sender import Sender

SHELL = "shell:"  # and the account: somebody at the shell, who is on no list and may do anything
SENDERS = select(*(schema.senders.c[name] for name in Sender.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the whitelist. ``sender`` is the person as to be, or of a removal as it was meant."""

    action: Literal["add", "remove", "change"]
    sender: Sender


class ChangeRefused(ValueError):  # noqa: N818 - an answer for whoever asked
    """The change may not be made. ``code``: already | unknown | self | last | not_allowed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def objection(listed: Mapping[str, Sender], change: Change, by: str) -> str | None:
    """Return why ``by`` may not make the change on this list, as a code of ChangeRefused; None: it may."""
    sender, actor = change.sender, listed.get(by)
    old = listed.get(sender.address)
    others = any(one.privileged for one in listed.values() if one.address != sender.address)
    leaves = change.action == "remove" or not sender.privileged
    questions = {
        "not_allowed": not by.startswith(SHELL) and not (actor and actor.privileged),
        "already": old is not None if change.action == "add" else change.action == "change" and sender == old,
        "unknown": old is None and change.action != "add",
        "self": by == sender.address and leaves,
        "last": old is not None and old.privileged and leaves and not others,
    }
    return next((code for code, refused in questions.items() if refused), None)


class Whitelist:
    """The list within one transaction. Every change leaves its row in the history.

    ``by``: an administrator's address, or ``shell:account``. ``changes``: what was changed, by the rows' ids.
    """

    def __init__(self, connection: Connection, by: str) -> None:
        self.connection = connection
        self.by = by
        self.changes: dict[int, Change] = {}

    def listed(self) -> dict[str, Sender]:
        """Return everybody by address; whoever reads it to change it keeps others from doing so."""
        return {row.address: as_sender(row) for row in self.connection.execute(SENDERS.with_for_update())}

    def apply(self, change: Change) -> None:
        """Make a change. Raises ChangeRefused: what was found out before may no longer be so."""
        if code := objection(self.listed(), change, self.by):
            raise ChangeRefused(code)
        sender, table = change.sender, schema.senders
        row = {
            "role": sender.role, "language": sender.language,
            "commands": None if sender.commands is None else list(sender.commands),
        }  # fmt: skip
        mine = table.c.address == sender.address
        if change.action == "add":
            self.connection.execute(insert(table).values(**row, address=sender.address, added_at=time.time()))
        elif change.action == "change":
            self.connection.execute(update(table).where(mine).values(**row))
        else:  # the tokens go with it: the foreign key says so
            self.connection.execute(delete(table).where(mine))
        event = self.connection.execute(
            insert(schema.sender_history)
            .values(
                changed_at=time.time(),
                changed_by=self.by,
                address=sender.address,
                action=change.action,
                detail={} if change.action == "remove" else row,
            )
            .returning(schema.sender_history.c.id)
        )
        self.changes[event.scalar_one()] = change


def as_sender(row: Any) -> Sender:
    """Return a row of SENDERS as a value."""
    return Sender(row.address, row.role, row.language, None if row.commands is None else tuple(row.commands))
