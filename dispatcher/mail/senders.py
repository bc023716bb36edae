"""Who may send commands: the whitelist, looked up anew for every mail, so that a change counts at once."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Engine, select

from dispatcher.errors import AthomeError
from dispatcher.jobs import schema
from dispatcher.jobs.database import reading, transaction
from dispatcher.mail.address import normalise
from dispatcher.mail.sender import ROLES, Role, Sender
from dispatcher.mail.whitelist import SENDERS, SHELL, Change, ChangeRefused, Whitelist, as_sender

__all__ = ["ROLES", "Role", "Sender", "SenderError", "Senders", "shell_account", "valid"]


class SenderError(AthomeError):
    """An address that is none, or that is (not) on the whitelist: the sentence says which command helps."""

    exit_code = 65  # EX_DATAERR


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the whitelist's history."""

    changed_at: float  # UTC, seconds since 1970
    changed_by: str  # an administrator's address, or shell:account
    address: str
    action: str  # add | remove | change
    detail: Mapping[str, Any]  # role, language, commands as they were set


class Senders:
    """The whitelist in the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, address: str) -> Sender | None:
        """Return the sender of a normalised address, None when nobody of that address is authorised."""
        with reading(self._engine) as connection:
            row = connection.execute(SENDERS.where(schema.senders.c.address == address)).one_or_none()
        return as_sender(row) if row else None

    def all(self) -> list[Sender]:
        """Return everybody on the whitelist, by address."""
        with reading(self._engine) as connection:
            return [as_sender(row) for row in connection.execute(SENDERS.order_by(schema.senders.c.address))]

    def add(
        self,
        address: str,
        role: str = "operador",
        language: str = "pt_BR",
        commands: Iterable[str] | None = None,
        after: After | None = None,
    ) -> Sender:
        """Authorise an address, from the shell. Raises SenderError when it is none, or is authorised already.

        ``after`` is called in the same transaction, with the list after and before.
        """
        sender = Sender(valid(address), role, language, None if commands is None else tuple(commands))
        self._apply(lambda _listed: Change("add", sender), sender.address, after)
        return sender

    def change(self, address: str, after: After | None = None, **values: Any) -> Sender:
        """Give a sender another role, language or commands, from the shell. Raises SenderError."""
        address = valid(address)

        def wanted(listed: Mapping[str, Sender]) -> Change:
            known = listed.get(address, Sender(address, "operador", "pt_BR"))
            return Change("change", replace(known, **values))

        return self._apply(wanted, address, after).sender

    def remove(self, address: str, after: After | None = None) -> Sender:
        """Take an address off the whitelist, and its tokens with it, from the shell. Raises SenderError."""
        address = valid(address)

        def wanted(listed: Mapping[str, Sender]) -> Change:
            return Change("remove", listed.get(address, Sender(address, "operador", "pt_BR")))

        return self._apply(wanted, address, after).sender

    def history(self, limit: int, address: str | None = None) -> list[Event]:
        """Return the newest changes, newest first."""
        table = schema.sender_history
        columns = [table.c[name] for name in Event.__dataclass_fields__]
        query = select(*columns).order_by(table.c.id.desc()).limit(limit)
        if address is not None:
            query = query.where(table.c.address == valid(address))
        with reading(self._engine) as connection:
            return [Event(*row) for row in connection.execute(query)]

    def _apply(
        self, wanted: Callable[[Mapping[str, Sender]], Change], address: str, after: After | None
    ) -> Change:
        with transaction(self._engine) as connection:
            whitelist = Whitelist(connection, shell_account())
            before = whitelist.listed()
            change = wanted(before)
            try:
                whitelist.apply(change)
            except ChangeRefused as refused:
                problem, way_out = _SENTENCES[refused.code]
                raise SenderError(problem.format(address), way_out) from None
            if after:
                after(whitelist, before)
        return change


After = Callable[[Whitelist, Mapping[str, Sender]], None]  # after a change: the list before it


_LIST = "Veja a lista com: athome senders list"
_SENTENCES = {
    "already": ("{0} já está autorizado assim.", _LIST),
    "unknown": ("{0} não está autorizado.", _LIST),
    "last": (
        "{0} é o último administrador: sem ele ninguém mudaria a lista por e-mail.",
        "Torne outra pessoa administradora antes: athome senders set ENDEREÇO --role administrador",
    ),
}


def shell_account() -> str:
    """Return ``shell:account``: the person at the shell, also behind sudo."""
    try:
        return SHELL + (os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:  # a container's user without a name
        return f"{SHELL}#{os.getuid()}"


def valid(address: str) -> str:
    """Return the address in its one spelling. Raises SenderError when it is none."""
    try:
        return normalise(address.strip())
    except ValueError:
        raise SenderError(
            f"{address!r} não é um endereço de e-mail.", "Escreva-o assim: operador@example.com"
        ) from None
