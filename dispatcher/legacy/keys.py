"""tokens.json → tokens of one sender, and what becomes of each entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dispatcher.errors import SettingsError
from dispatcher.i18n import N_
from dispatcher.legacy.machine import Machine
from dispatcher.legacy.rows import LATER, NO_EQUIVALENT, Fate, Row, unusable
from dispatcher.legacy.target import Target
from dispatcher.legacy.tokens_json import OldToken
from dispatcher.replies.visible import visible

_Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """A token that is to count for a sender."""

    sender: str
    token: str = field(repr=False)
    description: str
    enabled: bool


_Judge = Callable[[_Place, OldToken], tuple[Row, Claim | None]]


def claims(
    machines: tuple[Machine, ...], target: Target, sender: str | None, people: frozenset[str]
) -> Iterator[tuple[Row, Claim | None]]:
    """Yield each token, with whose it is to be. ``people``: who is authorised, or will be."""
    judge = _judge(target, sender, people)
    seen: dict[str, bool] = {}
    for machine in machines:
        if machine.tokens is None:
            continue
        source, document = machine.tokens
        for row in unusable(source.name, document.unknown, document.wrong):
            yield row, None
        for one in document.tokens:
            for key in one.unknown:
                yield Row(source.name, str(one.item), visible(key, 40), "ignored", NO_EQUIVALENT), None
            place = (source.name, str(one.item), f"token {_masked(one)}")
            if (known := seen.get(one.token)) is None:
                seen[one.token] = one.enabled
                yield judge(place, one)
            elif known == one.enabled:
                yield Row(*place, "repeated", N_("o mesmo token já está mais acima")), None
            else:
                text = N_("o mesmo token já está mais acima, com outro enabled; vale o primeiro")
                yield Row(*place, "refused", text), None


def _judge(target: Target, sender: str | None, people: frozenset[str]) -> _Judge:
    """Return what says of a token what becomes of it: the same of all, or whether it is new."""
    if sender is None:
        return _alike("reissue", N_("não era de ninguém: emita um novo por pessoa, ou use --sender"))
    if sender not in people:
        text = N_("{0} não está autorizado nem em WHITELIST: athome senders add {0}")
        return _alike("refused", text, sender)
    if target.settings is None:
        return _alike("later", LATER)
    try:
        counts = target.counts()
    except SettingsError as error:
        return _alike("later", N_("{0} {1} Repita então este comando."), error.problem, error.way_out)

    def judge(place: _Place, one: OldToken) -> tuple[Row, Claim | None]:
        if counts(sender, one.token):
            return Row(*place, "there", N_("já era de {0}"), (sender,)), None
        if other := next((person for person in target.listed if counts(person, one.token)), None):
            text = N_("já é de {0}, e um token é de uma pessoa: emita outro para {1}")
            return Row(*place, "refused", text, (other, sender)), None
        text = N_("passa a ser de {0}") if one.enabled else N_("passa a ser de {0}, desativado como estava")
        return Row(*place, "taken", text, (sender,)), Claim(sender, one.token, one.description, one.enabled)

    return judge


def _alike(fate: Fate, text: str, *values: object) -> _Judge:
    return lambda place, _one: (Row(*place, fate, text, values), None)


def _masked(token: OldToken) -> str:
    """Return enough of a token to find it in the file, with what it was for."""
    about = visible(token.description, 40)
    return f"{token.token[:2]}…" + (f" ({about})" if about else "")
