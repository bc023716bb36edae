"""WHITELIST: who may send commands, changed by an administrator's mail."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import ClassVar, Literal

from dispatcher.commands.base import InvalidCommand, Problem
from dispatcher.commands.context import Context
from dispatcher.commands.local import Desk, LocalCommand, result
from dispatcher.i18n import N_
from dispatcher.mail.address import normalise
from dispatcher.mail.sender import Role, Sender
from dispatcher.mail.whitelist import Change, objection
from dispatcher.runs.report import HostResult
from dispatcher.settings import Demand

_ACTIONS = ("ADD", "REMOVE", "LIST")
_MEANT = {
    "INCLUIR": "ADD", "ADICIONAR": "ADD", "AUTORIZAR": "ADD", "POR": "ADD", "NEW": "ADD",
    "REMOVER": "REMOVE", "EXCLUIR": "REMOVE", "APAGAR": "REMOVE", "TIRAR": "REMOVE", "DEL": "REMOVE",
    "DELETE": "REMOVE", "LISTA": "LIST", "LISTAR": "LIST", "SHOW": "LIST", "VER": "LIST",
}  # fmt: skip
_ADMIN = ("ADMIN", "ADMINISTRADOR", "ADMINISTRATOR")
_SOMEBODY = "nova.pessoa@example.com"
_SHOWN = 80


class Whitelist(LocalCommand):
    """``WHITELIST ADD ana@example.com [ADMIN]``, ``WHITELIST REMOVE ana@example.com``, ``WHITELIST LIST``."""

    keyword: ClassVar[str] = "WHITELIST"
    role: ClassVar[Role | None] = "administrador"
    demand: ClassVar[Demand] = "confirmation"
    always_confirmed: ClassVar[bool] = True
    purpose: ClassVar[str] = N_("Mostra e muda quem pode mandar comandos.")
    explained: ClassVar[Mapping[str, str]] = {
        "WHITELIST LIST": N_("mostra quem está na lista"),
        f"WHITELIST ADD {_SOMEBODY}": N_("autoriza um endereço; ADMIN depois dele o torna administrador"),
        f"WHITELIST REMOVE {_SOMEBODY}": N_("tira um endereço da lista, com os tokens dele"),
    }
    example: ClassVar[str] = "WHITELIST LIST"
    previewed: ClassVar[str] = f"WHITELIST ADD {_SOMEBODY}"

    action: Literal["ADD", "REMOVE", "LIST"]
    address: str = ""  # in its one spelling; empty: LIST
    admin: bool = False

    @property
    def only_reads(self) -> bool:
        """Whether it is LIST."""
        return self.action == "LIST"

    @classmethod
    def read(cls, words: str, _context: Context) -> Whitelist:
        """Return the command of ``ADD ana@example.com ADMIN``. Raises InvalidCommand."""
        action, _, rest = words.partition(" ")
        if action.upper() not in _ACTIONS:
            raise _no_action(action, rest)
        if action.upper() == "LIST":
            if rest.strip():
                raise _refused("WHITELIST LIST", rest, "whitelist.extra")
            return cls(action="LIST")
        return _changing(action.upper(), rest.split())

    def locks(self, _inventory: object) -> tuple[str, ...]:
        """Return the list itself: changes of it are made in their order."""
        return () if self.only_reads else ("whitelist",)

    def subject(self) -> str:
        """Return the words in their order."""
        return " ".join(filter(None, (self.keyword, self.action, self.address, "ADMIN" * self.admin)))

    def change(self, listed: Mapping[str, Sender], language: str) -> Change:
        """Return what it does to this list. ADD … ADMIN of somebody who is on it gives that role."""
        old = listed.get(self.address)
        new = Sender(self.address, "administrador" if self.admin else "operador", language)
        if self.action == "REMOVE":
            return Change("remove", old or new)
        if old and self.admin and not old.privileged:
            return Change("change", Sender(old.address, "administrador", old.language, old.commands))
        return Change("add", new)

    def foresee(self, listed: Mapping[str, Sender], by: str) -> HostResult | None:
        """Return what the list, and who asks, make of it."""
        if self.only_reads:
            return None
        change = self.change(listed, "")
        data = {"address": self.address, "role": change.sender.role}
        if code := objection(listed, change, by):
            return result("failed", f"whitelist.{code}", **data)
        return result("changed", f"whitelist.{_DONE[change.action]}", **data)

    def refusal(self, listed: Mapping[str, Sender], by: str) -> InvalidCommand | None:
        """Return why the list cannot be changed so, with what to send instead."""
        outcome = self.foresee(listed, by)
        if outcome is None or outcome.outcome != "failed":
            return None
        unknown = outcome.code == "whitelist.unknown"
        near = next(iter(get_close_matches(self.address, listed, n=1, cutoff=0.8)), None) if unknown else None
        instead = f"{self.keyword} REMOVE {near}" if near else f"{self.keyword} LIST"
        invented: tuple[str, ...] = ()
        if outcome.code == "whitelist.last":
            instead, invented = f"{self.keyword} ADD {_SOMEBODY} ADMIN", (f"{self.keyword} ADD",)
        return _refused(
            f"{self.keyword} {self.action}", self.address, outcome.code,
            suggestion=near, corrected=instead, invented=invented, role=str(outcome.data["role"]),
        )  # fmt: skip

    def carry_out(self, desk: Desk, *, check: bool) -> HostResult:
        """Show or change the list."""
        listed = desk.whitelist.listed()
        outcome = self.foresee(listed, desk.whitelist.by)
        if outcome is None:
            people = [listed[address] for address in sorted(listed)]
            rows = [{"address": one.address, "role": one.role, "commands": one.commands} for one in people]
            return result("ok", "whitelist.listed", senders=rows, count=len(rows))
        if outcome.outcome == "changed" and not check:
            desk.whitelist.apply(self.change(listed, desk.language))
        return outcome


_DONE = {"add": "added", "remove": "removed", "change": "promoted"}


def _no_action(given: str, rest: str) -> InvalidCommand:
    """Name the three actions; where one is near, show the whole command with it in place."""
    word = given.upper()
    near = _MEANT.get(word) or next(iter(get_close_matches(word, _ACTIONS, n=1)), None)
    if "@" in given:  # the action was left out: ADD is the likeliest, but not for us to say
        rest, near = given, None
    corrected, invented = "WHITELIST LIST", tuple[str, ...]()
    if near in ("ADD", "REMOVE"):
        try:
            corrected = _changing(near, rest.split()).subject()
        except InvalidCommand as error:
            corrected, invented = error.corrected, error.invented
    elif "@" in given:
        corrected = f"WHITELIST ADD {_understood(given) or _SOMEBODY}"
    return _refused(
        "WHITELIST", given, "whitelist.action", suggestion=near, corrected=corrected, invented=invented
    )


def _changing(action: str, words: list[str]) -> Whitelist:
    """Read an address and, of ADD, what may follow."""
    place = f"WHITELIST {action}"
    if not words:
        raise _refused(
            place, "", "whitelist.address_missing",
            corrected=f"{place} {_SOMEBODY}", invented=(place,),
        )  # fmt: skip
    given, more = words[0], words[1:]
    admin = action == "ADD" and [word.upper() in _ADMIN for word in more] == [True]
    try:
        command = Whitelist(action=action, address=normalise(given), admin=admin)
    except ValueError:
        found = [address for word in words if (address := _understood(word))]
        near = found[0] if len(found) == 1 else _understood(given)
        raise _refused(
            place, given, "whitelist.address_invalid", suggestion=near,
            corrected=f"{place} {near or _SOMEBODY}" + " ADMIN" * admin, invented=() if near else (place,),
        ) from None  # fmt: skip
    if more and not admin:
        meant = action == "ADD" and get_close_matches(more[0].upper(), _ADMIN, n=1)
        code = "whitelist.one_address" if "@" in more[0] else "whitelist.extra"
        raise _refused(
            place, " ".join(more), code, suggestion="ADMIN" if meant else None,
            corrected=command.subject() + " ADMIN" * bool(meant),
        )  # fmt: skip
    return command


def _understood(text: str) -> str | None:
    """Return the address that was probably meant by ``<ana@example.com>,`` or ``ana@example,com``."""
    plain = text.removeprefix("mailto:").strip("<>()[]\"',;.:").replace(",", ".")
    try:
        return normalise(plain)
    except ValueError:
        return None


def _refused(
    field: str,
    value: str,
    code: str,
    *,
    suggestion: str | None = None,
    corrected: str = "WHITELIST LIST",
    invented: tuple[str, ...] = (),
    role: str = "",
) -> InvalidCommand:
    data = {"known": ", ".join(_ACTIONS), "address": value[:_SHOWN], "role": role}
    problem = Problem(field=field, value=value.strip()[:_SHOWN], code=code, data=data, suggestion=suggestion)
    return InvalidCommand((problem,), corrected, invented)
