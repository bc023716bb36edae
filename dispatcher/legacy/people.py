"""WHITELIST → senders, and what becomes of each entry."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dispatcher.i18n import N_
from dispatcher.legacy.machine import Machine
from dispatcher.legacy.rows import LATER, Row
from dispatcher.legacy.target import Target
from dispatcher.mail.address import normalise, split
from dispatcher.replies.visible import visible

_DOMAIN = re.compile(r"[*%]?@?(?:[\w-]+\.)+[\w-]+", re.ASCII)


def senders(machines: tuple[Machine, ...], target: Target) -> Iterator[tuple[Row, str | None]]:
    """Yield each entry of each WHITELIST, with the address that is to be authorised."""
    seen: set[str] = set()
    for machine in machines:
        if machine.config is None or (pair := machine.config[1].known.get("WHITELIST")) is None:
            continue
        place = (machine.config[0].name, str(pair.line))
        entries = list(split(pair.value))
        if not entries:
            yield (
                Row(*place, "WHITELIST", "missing", N_("está vazia; autorize: athome senders add ENDEREÇO")),
                None,
            )
        for text in entries:
            name = (*place, f"WHITELIST {visible(text, 60)}")
            try:
                address = normalise(text)
            except ValueError:
                yield Row(*name, "refused", _objection(text)), None
                continue
            if address in seen:
                yield Row(*name, "repeated", N_("já está mais acima")), None
            elif address in target.listed:
                yield Row(*name, "there", N_("já estava autorizado")), None
            elif target.settings is None:
                yield Row(*name, "later", LATER), address
            else:
                yield Row(*name, "taken", N_("autorizado como operador")), address
            seen.add(address)


def _objection(text: str) -> str:
    if _DOMAIN.fullmatch(text):
        return N_("é um domínio: aqui se autoriza cada pessoa; athome senders add ENDEREÇO")
    return N_("não é um endereço; esperado: ana@example.com. Corrija e repita")
