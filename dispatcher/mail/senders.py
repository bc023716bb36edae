"""Who may send commands: the whitelist, looked up anew for every mail, so that a change counts at once."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from dispatcher.errors import AthomeError
from dispatcher.jobs import schema
from dispatcher.jobs.database import transaction
from dispatcher.mail.address import normalise


class SenderError(AthomeError):
    """An address that is none, or that is (not) on the whitelist: the sentence says which command helps."""

    exit_code = 65  # EX_DATAERR


@dataclass(frozen=True, slots=True)
class Sender:
    """A person on the whitelist."""

    address: str  # lower case, domain in ASCII
    role: str  # operador | administrador
    language: str  # of the replies: pt_BR | en

    @property
    def privileged(self) -> bool:
        """Whether replies may show what is confidential, such as the MAC that an extension really has."""
        return self.role == "administrador"


class Senders:
    """The whitelist in the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, address: str) -> Sender | None:
        """Return the sender of a normalised address, None when nobody of that address is authorised."""
        with transaction(self._engine) as connection:
            row = connection.execute(_SENDERS.where(schema.senders.c.address == address)).one_or_none()
        return Sender(*row) if row else None

    def all(self) -> list[Sender]:
        """Return everybody on the whitelist, by address."""
        with transaction(self._engine) as connection:
            return [Sender(*row) for row in connection.execute(_SENDERS.order_by(schema.senders.c.address))]

    def add(self, address: str, role: str = "operador", language: str = "pt_BR") -> Sender:
        """Authorise an address. Raises SenderError when it is none, or is authorised already."""
        sender = Sender(_valid(address), role, language)
        row = {"address": sender.address, "role": role, "language": language, "added_at": time.time()}
        try:
            with transaction(self._engine) as connection:
                connection.execute(insert(schema.senders).values(row))
        except IntegrityError:
            raise SenderError(
                f"{sender.address} já está autorizado.", "Veja a lista com: athome senders list"
            ) from None
        return sender

    def remove(self, address: str) -> None:
        """Take an address off the whitelist, and its tokens with it. Raises SenderError if unknown."""
        address = _valid(address)
        with transaction(self._engine) as connection:
            connection.execute(delete(schema.tokens).where(schema.tokens.c.sender == address))
            gone = connection.execute(delete(schema.senders).where(schema.senders.c.address == address))
        if not gone.rowcount:
            raise SenderError(f"{address} não está autorizado.", "Veja a lista com: athome senders list")


_SENDERS = select(schema.senders.c.address, schema.senders.c.role, schema.senders.c.language)


def _valid(address: str) -> str:
    try:
        return normalise(address.strip())
    except ValueError:
        raise SenderError(
            f"{address!r} não é um endereço de e-mail.", "Escreva-o assim: operador@example.com"
        ) from None
