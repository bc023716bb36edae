"""monitor_config.txt but for its WHITELIST → what becomes of each line."""

from __future__ import annotations

from collections.abc import Iterator

from dispatcher.i18n import N_
from dispatcher.legacy.files import Source
from dispatcher.legacy.keyvalue import Pair
from dispatcher.legacy.machine import Machine
from dispatcher.legacy.monitor_config import MonitorConfig
from dispatcher.legacy.rows import NO_EQUIVALENT, Row
from dispatcher.legacy.service import mailbox
from dispatcher.legacy.target import Target
from dispatcher.replies.visible import visible

_MODES = {
    "master": N_(
        "o grupo dispatchers do inventário diz que máquina lê a caixa; playbooks/site.yml a instala"
    ),
    "slave": N_("aqui nada mais fica instalado: o Ansible executa por SSH, a partir do dispatcher"),
}


def first(machines: tuple[Machine, ...], key: str) -> tuple[Source, Pair] | None:
    """Return the line of a key that counts: the first machine's that has one, the master's before others'."""
    for machine in machines:
        if machine.config and (pair := machine.config[1].known.get(key)):
            return machine.config[0], pair
    return None


def rows(machines: tuple[Machine, ...], target: Target) -> Iterator[Row]:
    """Yield every line's row, but for a WHITELIST that counts."""
    for machine in machines:
        if machine.config is None:
            continue
        source, config = machine.config
        yield from _leftovers(source.name, config)
        for key, about in (("EMAIL_SERVICE", _service), ("EMAIL_PASSWORD", _password)):
            counting = first(machines, key)
            if (pair := config.known.get(key)) and counting:
                own = counting[0] is source
                yield about(source.name, pair, target) if own else _second(source.name, pair, counting)
        if (pair := config.known.get("MODE")) and (text := _MODES.get(pair.value.lower())):
            yield Row(source.name, str(pair.line), "MODE", "replaced", text)
        if pair := config.known.get("QUEUE_DIR"):
            text = N_("a fila é o banco de dados, nada vai por SCP; antes da troca, deixe {0} esvaziar")
            yield Row(source.name, str(pair.line), pair.key, "replaced", text, (visible(pair.value, 100),))


def _leftovers(file: str, config: MonitorConfig) -> Iterator[Row]:
    for wrong in config.wrong:
        yield wrong.row(file)
    for pair in config.unknown:
        yield Row(file, str(pair.line), visible(pair.key, 40), "ignored", NO_EQUIVALENT)
    for pair in config.overridden:
        text = N_("vale a linha {0}, que diz de novo a mesma chave")
        yield Row(file, str(pair.line), pair.key, "ignored", text, (config.known[pair.key].line,))


def _service(file: str, pair: Pair, target: Target) -> Row:
    place = (file, str(pair.line), pair.key)
    if target.settings_there:
        text = N_("{0} já existe e fica como está; confira nele imap, smtp e mail")
        return Row(*place, "there", text, (target.settings_file,))
    found = mailbox(pair.value)
    if not found.blanks:
        return Row(*place, "taken", N_("imap, smtp e mail em {0}"), (target.settings_file,))
    known = found.imap or found.address
    text = N_("{0} é preparado; preencha nele: {1}") if known else N_(
        "não se sabe que provedor é (gmail, um endereço, um servidor); preencha em {0}: {1}"
    )  # fmt: skip
    return Row(*place, "missing", text, (target.settings_file, ", ".join(found.blanks)))


def _password(file: str, pair: Pair, target: Target) -> Row:
    place = (file, str(pair.line), pair.key)
    if target.password_there:
        return Row(*place, "there", N_("{0} já existe e fica como está"), (target.password_file,))
    if not pair.value:
        return Row(*place, "missing", N_("está vazia; grave a senha em {0}"), (target.password_file,))
    text = N_("{0} e smtp-password, modo 0600; o valor não é mostrado")
    if " #" in pair.value:
        text = N_("{0} e smtp-password, modo 0600; o que vem depois de # também é da senha: confira")
    return Row(*place, "taken", text, (target.password_file,))


def _second(file: str, pair: Pair, counting: tuple[Source, Pair]) -> Row:
    source, other = counting
    if pair.value == other.value:
        return Row(file, str(pair.line), pair.key, "repeated", N_("igual a {0}"), (source.name,))
    text = N_("diferente de {0}, linha {1}, que vale")
    return Row(file, str(pair.line), pair.key, "ignored", text, (source.name, other.line))
