"""The outbox as a person sees it: what has not arrived, why, and what is to be done with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from sqlalchemy import Connection, Engine, Row, func, select, update

from dispatcher.errors import AthomeError, NotFoundError
from dispatcher.jobs.database import reading, transaction
from dispatcher.jobs.schema import outbox

# In the order of a mail's life. waiting: for its time, or for the server. sending: handed over, and it is
# not written down whether it was taken. dead: refused for good. bounced: taken, and then reported as not
# delivered. dropped: by a person, who wanted it not to be sent.
STATES = ("waiting", "sending", "sent", "dead", "bounced", "dropped")
OPEN = ("waiting", "sending", "dead", "bounced")  # what is not done with

_FIELDS = (
    "id", "message_id", "job_id", "recipient", "state", "attempts", "not_before", "created_at", "sent_at",
    "error",
)  # fmt: skip


class NotNowError(AthomeError):
    """A mail is not in a state for what was asked: the sentence says what to do instead."""

    exit_code = 75  # EX_TEMPFAIL


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """One mail of the outbox. Times are UTC."""

    id: int
    message_id: str
    job_id: int | None
    recipient: str
    state: str
    attempts: int
    not_before: datetime  # before that, it is not touched
    created_at: datetime
    sent_at: datetime | None  # of one that is being sent: when it was handed over
    error: str | None


class Letters:
    """What a person does with the table; the service that sends notices it within seconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def recent(self, limit: int, states: Sequence[str] = OPEN) -> list[Letter]:
        """Return the newest mails in these states, newest first."""
        query = select(*(outbox.c[field] for field in _FIELDS)).where(outbox.c.state.in_(states))
        with reading(self._engine) as connection:
            return [
                _letter(row) for row in connection.execute(query.order_by(outbox.c.id.desc()).limit(limit))
            ]

    def get(self, number: int) -> tuple[Letter, bytes]:
        """Return one mail and its content. Raises NotFoundError."""
        with reading(self._engine) as connection:
            letter = _found(connection, number)
            content = connection.execute(select(outbox.c.message).where(outbox.c.id == number)).scalar_one()
            return letter, bytes(content)

    def retry(self, number: int) -> Letter:
        """Let a mail go out at once. One of which nobody knows whether it was taken is looked for first.

        Raises NotFoundError, or NotNowError for one that is sent or in the hands of the server.
        """
        with transaction(self._engine) as connection:
            letter = _found(connection, number)
            if letter.state == "sent":
                raise NotNowError(
                    f"O servidor SMTP já aceitou o e-mail {number}.",
                    "Se não chegou, procure o Message-ID no registro do servidor: athome outbox show.",
                )
            _not_in_hand(letter)
            whole = select(func.length(outbox.c.message)).where(outbox.c.id == number)
            if not connection.execute(whole).scalar():
                raise NotNowError(
                    f"O texto do e-mail {number} já foi apagado (retention.replies_days).",
                    "O resultado do job continua em: athome jobs show",
                )
            values: dict[str, object] = {"not_before": 0.0}
            if letter.state != "sending":
                values |= {"state": "waiting", "attempts": 0, "sent_at": None, "error": None}
            _change(connection, letter, values)
            return letter

    def drop(self, number: int) -> Letter:
        """Let a mail never go out (again); its row stays. Raises NotFoundError or NotNowError."""
        with transaction(self._engine) as connection:
            letter = _found(connection, number)
            if letter.state == "sent":
                raise NotNowError(
                    f"O servidor SMTP já aceitou o e-mail {number}.", "Não há mais o que descartar."
                )
            _not_in_hand(letter)
            _change(connection, letter, {"state": "dropped"})
            return letter


def _found(connection: Connection, number: int) -> Letter:
    row = connection.execute(
        select(*(outbox.c[field] for field in _FIELDS)).where(outbox.c.id == number)
    ).one_or_none()
    if row is None:
        raise NotFoundError(
            f"Não há e-mail de número {number} na caixa de saída.", "Veja os que há com: athome outbox list"
        )
    return _letter(row)


def _not_in_hand(letter: Letter) -> None:
    """Refuse what a sender has in hand: both would send it."""
    if letter.state == "sending" and letter.error is None and letter.not_before.timestamp() > time.time():
        raise NotNowError(
            f"O e-mail {letter.id} está sendo entregue ao servidor SMTP.",
            "Veja daqui a pouco o que foi feito dele: athome outbox list",
        )


def _change(connection: Connection, letter: Letter, values: dict[str, object]) -> None:
    same = (outbox.c.id == letter.id) & (outbox.c.state == letter.state)
    attempts = outbox.c.attempts == letter.attempts
    if connection.execute(update(outbox).where(same, attempts).values(**values)).rowcount != 1:
        raise NotNowError(f"O e-mail {letter.id} acaba de mudar.", "Veja-o de novo: athome outbox list")


def _letter(row: Row[tuple[object, ...]]) -> Letter:
    values = dict(row._mapping)  # noqa: SLF001 - public in spite of its name
    for field in ("not_before", "created_at", "sent_at"):
        if values[field] is not None:
            values[field] = datetime.fromtimestamp(values[field], timezone.utc)
    return Letter(**values)
