"""The one table of codes: what each means in words, and what to do about it.

Portuguese is the source; ``locale/`` has the translations. Placeholders name fields of the code's data, which
are put in as text and never looked at as templates. ``{character:code}`` shows a character's number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babel.lists import format_list

from dispatcher.i18n import N_, locale, translations
from dispatcher.replies.visible import visible


@dataclass(frozen=True, slots=True)
class Entry:
    """What a code means: ``text``, or ``would`` in a preview, where nothing has happened yet.

    ``advice`` is what to do next, and ``headline`` the shortest way to say it of some ``{hosts}``.
    """

    text: str
    would: str | None = None
    advice: str | None = None
    headline: str | None = None
    would_headline: str | None = None


_SAME_COMMAND = N_("Depois de resolver, envie o mesmo comando: o que já foi feito não se repete.")
_TELL_ADMIN = N_("Avise o administrador e informe o número do job.")

# In a headline, the first of these codes that occurs speaks for all servers with the same outcome.
RESULTS: dict[str, Entry] = {
    "fail2ban.unbanned": Entry(
        N_("Estava bloqueado em {jails}; foi desbloqueado e está na lista permanente."),
        would=N_("Está bloqueado em {jails}; seria desbloqueado e posto na lista permanente."),
        advice=N_("Peça ao cliente que tente de novo: o endereço já tem acesso e não volta a ser bloqueado."),
        headline=N_("desbloqueado em {hosts}"),
        would_headline=N_("seria desbloqueado em {hosts}"),
    ),
    "fail2ban.whitelisted": Entry(
        N_("Não estava bloqueado; agora está na lista permanente."),
        would=N_("Não está bloqueado; seria posto na lista permanente."),
        advice=N_(
            "O endereço não estava bloqueado. Se o cliente ainda não se conecta, confira usuário e senha no "
            "aparelho e a rede dele."
        ),
        headline=N_("posto na lista permanente em {hosts}"),
        would_headline=N_("seria posto na lista permanente em {hosts}"),
    ),
    "fail2ban.removed": Entry(
        N_("Foi tirado da lista permanente."),
        would=N_("Seria tirado da lista permanente."),
        headline=N_("tirado da lista permanente em {hosts}"),
        would_headline=N_("seria tirado da lista permanente em {hosts}"),
    ),
    "fail2ban.already_whitelisted": Entry(
        N_("Liberado e na lista permanente; nada a fazer."),
        advice=N_(
            "Nenhum servidor bloqueia este endereço. Se o cliente ainda não se conecta, confira usuário e "
            "senha no aparelho, a rede dele, e se o endereço dele mudou."
        ),
        headline=N_("nada a fazer, está liberado"),
    ),
    "fail2ban.banned": Entry(N_("Está bloqueado em {jails}."), headline=N_("bloqueado em {hosts}")),
    "fail2ban.not_banned": Entry(N_("Não está bloqueado."), headline=N_("não está bloqueado")),
    "fail2ban.not_whitelisted": Entry(
        N_("Não está na lista permanente."), headline=N_("não está na lista permanente")
    ),
    "fail2ban.verified": Entry(
        N_("Na lista permanente, sem bloqueio, e o firewall deixa passar."),
        headline=N_("conferido, está liberado"),
    ),
    "fail2ban.down": Entry(
        N_("O fail2ban não responde neste servidor."),
        advice=N_("Inicie o fail2ban (systemctl start fail2ban) e envie o mesmo comando de novo."),
    ),
    "fail2ban.absent": Entry(
        N_("O fail2ban não está instalado neste servidor."),
        advice=N_("Instale o fail2ban, ou tire o servidor do grupo do inventário."),
    ),
    "fail2ban.unsupported": Entry(
        N_("O fail2ban {version} é antigo demais; é preciso o 0.11.2 ou mais novo."),
        advice=N_("Atualize o fail2ban e envie o mesmo comando de novo."),
    ),
    "fail2ban.partial": Entry(
        N_("Feito só em parte: vale até o fail2ban reiniciar, porque não pôde ser gravado."),
        advice=N_("Corrija o que o aviso aponta e envie o mesmo comando de novo."),
    ),
    "fail2ban.still_banned": Entry(
        N_("Continua bloqueado em {jails}: o fail2ban bloqueou de novo."),
        advice=N_(
            "Envie o mesmo comando de novo; se voltar a acontecer, veja o log do fail2ban no servidor."
        ),
    ),
    "fail2ban.firewall_blocked": Entry(
        N_("O fail2ban liberou, mas uma regra do firewall ainda bloqueia o endereço."),
        advice=N_("Tire a regra do firewall que o aviso mostra; ela não é deste endereço no fail2ban."),
    ),
    "fail2ban.locked": Entry(
        N_("Outra execução está mexendo na lista deste servidor."),
        advice=N_("Espere um minuto e envie o mesmo comando de novo."),
    ),
    "fail2ban.invalid_address": Entry(N_("O servidor não aceita o endereço {address}.")),
    "fail2ban.error": Entry(N_("O fail2ban deu um erro: {error}"), advice=_TELL_ADMIN),
    "host.unreachable": Entry(
        N_("Não respondeu por SSH; o comando não foi concluído neste servidor."),
        advice=N_(
            "Confira se está ligado e na rede. Depois envie o mesmo comando: o que já foi feito não se "
            "repete."
        ),
    ),
    "ansible.task_failed": Entry(N_("A tarefa “{task}” falhou: {msg}"), advice=_SAME_COMMAND),
    "ansible.arguments": Entry(N_("Os argumentos não foram aceitos: {errors}"), advice=_TELL_ADMIN),
    "run.timeout": Entry(
        N_("O tempo acabou antes de este servidor terminar."),
        advice=N_("Confira se o servidor está sobrecarregado e envie o mesmo comando de novo."),
    ),
    "run.canceled": Entry(
        N_("Cancelado antes de terminar neste servidor."),
        advice=N_("Para concluir, envie o mesmo comando de novo."),
    ),
    "run.no_result": Entry(N_("O Ansible terminou sem dar um resultado."), advice=_TELL_ADMIN),
    "run.no_hosts": Entry(N_("Nenhum servidor do inventário participa deste comando."), advice=_TELL_ADMIN),
    "run.crashed": Entry(
        N_("A execução foi interrompida {attempts} vezes e não será tentada de novo. Confira os servidores."),
        advice=_TELL_ADMIN,
    ),
    "run.error": Entry(
        N_("Um erro interno interrompeu a execução ({error}). Confira os servidores."), advice=_TELL_ADMIN
    ),
}

NOTICES: dict[str, Entry] = {
    "fail2ban.subnet_ban": Entry(
        N_("A rede {network}, que inclui este endereço, está bloqueada em {jail}; ela não foi alterada.")
    ),
    "fail2ban.firewall_other_rule": Entry(N_("Uma regra que não é do fail2ban o bloqueia: {rule}")),
    "fail2ban.not_in_firewall": Entry(
        N_("Em {jail} o fail2ban dizia bloqueado, mas o firewall não tinha a regra.")
    ),
    "fail2ban.firewall_unknown": Entry(N_("Não foi possível ler o firewall: {error}")),
    "fail2ban.config_broken": Entry(N_("A configuração do fail2ban tem um erro: {error}")),
    "fail2ban.not_saved": Entry(N_("A lista permanente não pôde ser gravada: {error}")),
    "fail2ban.not_in_config": Entry(
        N_("{jails}: em execução, mas fora da configuração; ali vale só até o fail2ban reiniciar.")
    ),
    "fail2ban.whitelisted_elsewhere": Entry(
        N_("A configuração do administrador também o libera em {jail}; isso foi mantido.")
    ),
    "fail2ban.dropped_entry": Entry(
        N_("Uma linha da lista permanente não é um endereço e sai dela: {entry}")
    ),
}

PROBLEMS: dict[str, Entry] = {
    "subject.empty": Entry(N_("O assunto não tem comando. Esperado: um comando depois do token.")),
    "subject.not_ascii": Entry(
        N_(
            "O caractere “{character}” ({character:code}) não é aceito, mesmo que pareça uma letra comum. "
            "Esperado: só letras sem acento, números e sinais do teclado; digite em vez de colar."
        )
    ),
    "subject.template": Entry(
        N_("Chaves duplas e outros sinais de modelo não são aceitos. Esperado: o próprio valor.")
    ),
    "subject.control": Entry(
        N_("O assunto tem caracteres invisíveis. Esperado: só texto comum; digite em vez de colar.")
    ),
    "subject.too_long": Entry(
        N_("O assunto é longo demais. Esperado: um só comando, de no máximo {limit} caracteres.")
    ),
    "command.unknown": Entry(N_("O comando não existe. Esperado: um destes: {known}.")),
    "field.unknown": Entry(N_("Este comando não tem esse campo. Os campos dele são: {known}.")),
    "field.duplicate": Entry(N_("O campo aparece mais de uma vez. Esperado: uma vez só.")),
    "field.missing": Entry(N_("Falta o campo, ou o sinal = depois dele. Esperado: CAMPO=valor.")),
    "field.missing_may_be_empty": Entry(
        N_(
            "Falta o campo, ou o sinal = depois dele. Esperado: CAMPO=valor ou, para ficar vazio, CAMPO= sem "
            "nada depois do sinal."
        )
    ),
    "field.empty": Entry(N_("Falta o valor depois do sinal =.")),
    "field.extra_text": Entry(N_("Há texto a mais depois do valor: “{text}”. Esperado: só o valor.")),
    "address.invalid": Entry(
        N_(
            "Não é um endereço IP. Esperado: um IPv4, com quatro números de 0 a 255 separados por pontos, ou "
            "um IPv6."
        )
    ),
    "address.name": Entry(N_("É um nome, não um endereço IP. Esperado: o endereço do cliente, em números.")),
    "address.network": Entry(
        N_("É uma rede (/{prefix}), não um endereço. Esperado: o endereço de um só cliente, sem a barra.")
    ),
    "address.loopback": Entry(
        N_(
            "É um endereço interno de cada máquina (loopback). Esperado: o endereço público de onde o "
            "cliente se conecta."
        )
    ),
    "address.multicast": Entry(
        N_(
            "É um endereço de grupo (multicast), de onde ninguém se conecta. Esperado: o endereço público do "
            "cliente."
        )
    ),
    "address.link_local": Entry(
        N_(
            "É um endereço que só vale na rede local dele (link-local). Esperado: o endereço público de onde "
            "o cliente se conecta."
        )
    ),
    "address.unspecified": Entry(
        N_("É um endereço vazio, que não é de ninguém. Esperado: o endereço público do cliente.")
    ),
    "address.reserved": Entry(
        N_("É um endereço reservado, que não é usado na Internet. Esperado: o endereço público do cliente.")
    ),
    "extension.invalid": Entry(N_("Não é um ramal. Esperado: só números, de 1 a 10 algarismos.")),
    "extension.list": Entry(
        N_("São vários ramais. Esperado: um só; para os outros, envie um e-mail para cada um.")
    ),
    "mac.invalid": Entry(
        N_("Não são 12 dígitos, mas {count}. Esperado: 12, de 0 a 9 e de A a F, com ou sem separadores.")
    ),
    "mac.character": Entry(
        N_(
            "O caractere “{character}” não existe em um MAC. Esperado: 12 dígitos, de 0 a 9 e de A a F, com "
            "ou sem separadores."
        )
    ),
    "mac.all_zeros": Entry(
        N_("Só zeros não é o MAC de nenhum aparelho. Esperado: o que está na etiqueta do aparelho.")
    ),
    "mac.all_ones": Entry(
        N_("Só F é o endereço de todos, não o de um aparelho. Esperado: o que está na etiqueta do aparelho.")
    ),
    "mac.same": Entry(
        N_("É igual a MACATUAL, e nada mudaria. Esperado: o MAC do aparelho novo, ou vazio para remover.")
    ),
    "mac.both_empty": Entry(
        N_(
            "MACATUAL e MACFUTURO estão vazios. Esperado: só MACATUAL vazio, para acrescentar, ou só "
            "MACFUTURO, para remover."
        )
    ),
    "server.unknown": Entry(N_("O servidor não participa deste comando. Esperado: um destes: {known}.")),
}

ENTRIES: dict[str, Entry] = RESULTS | NOTICES | PROBLEMS

_UNKNOWN = N_("O servidor respondeu com o código {code}.")
_NOT_GIVEN = N_("(não informado)")


def sentence(code: str, data: Mapping[str, Any], language: str, *, check: bool = False) -> str:
    """Return what the code means, with the data in it; a neutral sentence when the code is not known."""
    entry = ENTRIES.get(code)
    if entry is None:
        return fill(_UNKNOWN, {"code": code}, language)
    return fill(entry.would if check and entry.would else entry.text, data, language)


def advice(code: str, language: str) -> str | None:
    """Return what to do next about a result, if there is something to do."""
    entry = ENTRIES.get(code)
    return translations(language).gettext(entry.advice) if entry and entry.advice else None


def fill(text: str, data: Mapping[str, Any], language: str) -> str:
    """Translate the text and put the data's values in. A value is text, whatever it looks like."""
    values = {name: _Value(_words(value, language)) for name, value in data.items()}
    missing = _Value(translations(language).gettext(_NOT_GIVEN))
    return translations(language).gettext(text).format_map(_Values(values, missing))


def enumeration(items: Sequence[str], language: str) -> str:
    """Return ``a, b e c``."""
    return format_list([visible(item) for item in items], locale=locale(language))


def _words(value: Any, language: str) -> str:
    if isinstance(value, (list, tuple)):
        return enumeration([str(item) for item in value], language)
    return visible(str(value))


class _Value(str):
    """A value in a sentence; the format ``code`` gives the character's number, such as U+0421."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return f"U+{ord(self[0]):04X}" if spec == "code" and self else str(self)


class _Values(dict[str, _Value]):
    """What a sentence names and the data lacks, or has empty, is shown as not given."""

    def __init__(self, values: Mapping[str, _Value], missing: _Value) -> None:
        super().__init__({name: value for name, value in values.items() if value})
        self._missing = missing

    def __missing__(self, _name: str) -> _Value:
        return self._missing
