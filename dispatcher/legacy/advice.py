"""What is weak in the old system, and what is left to do: the import says it, people do it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from dispatcher.i18n import N_
from dispatcher.legacy import account, inventory_form
from dispatcher.legacy.files import Source
from dispatcher.legacy.machine import Machine
from dispatcher.legacy.rows import Advice
from dispatcher.legacy.servers_config import OldServer
from dispatcher.legacy.service import Mailbox
from dispatcher.legacy.target import Target


def weak(
    machines: tuple[Machine, ...],
    target: Target,
    box: Mailbox,
    servers: tuple[OldServer, ...],
    sender: str | None,
) -> Iterator[Advice]:
    """Yield what an attacker or an accident could use."""
    secrets = [one.config[0] for one in machines if one.config and one.config[1].value("EMAIL_PASSWORD")]
    tokens = [machine.tokens[0] for machine in machines if machine.tokens]
    if secrets:
        yield Advice(
            N_("A senha da caixa está à vista em {0}, e em toda cópia de segurança desse arquivo."),
            N_("Troque-a no provedor, grave a nova em {1} e em smtp-password, e apague: shred -u {2}"),
            (_names(secrets), target.password_file, _arguments(secrets)),
        )
        password = account.first(machines, "EMAIL_PASSWORD")
        if password and target.password_there and target.password == password[1].value:
            yield Advice(
                N_("{0} ainda tem a senha do sistema anterior."),
                N_("Troque-a no provedor, grave a nova ali e em smtp-password, e reinicie o serviço."),
                (target.password_file,),
            )
    if tokens:
        yield Advice(
            N_("Os tokens de {0} abriam o assunto de qualquer pessoa: quem leu um e-mail antigo tem um."),
            N_("Emita um para cada pessoa (athome tokens issue ENDEREÇO) e apague: shred -u {1}")
            if sender is None
            else N_("Troque cada um que importou (athome tokens rotate NÚMERO) e apague: shred -u {1}"),
            (_names(tokens), _arguments(tokens)),
        )
    if exposed := [source for source in (*secrets, *tokens) if source.exposed]:
        yield Advice(
            N_("Outras contas da máquina podem ler {0}."),
            N_("Até apagar: chmod 600 {1}"),
            (_names(exposed), _arguments(exposed)),
        )
    if named := [server.id for server in servers if server.named]:
        yield Advice(
            N_("São alcançados por um nome, não por um endereço: {0}."),
            N_("Prefira endereços: sem o DNS, nenhum comando chega a esses servidores."),
            (", ".join(named),),
        )
    if box.barred:
        yield Advice(
            N_("A Microsoft só aceita OAuth para ler uma caixa por IMAP; este programa usa senha."),
            N_("Leve os comandos a uma caixa de outro provedor antes de trocar de sistema."),
        )


def steps(
    machines: tuple[Machine, ...], target: Target, box: Mailbox, servers: tuple[OldServer, ...]
) -> Iterator[Advice]:
    """Yield what is left for people to do, in its order."""
    config = any(machine.config for machine in machines)
    if config and not target.settings_there and box.blanks:
        yield Advice(
            N_("Falta na configuração: {0}."),
            N_("Preencha em {1}."),
            (", ".join(box.blanks), target.settings_file),
        )
    if servers and target.fleet is None:
        yield Advice(
            N_("O sistema anterior não dizia onde estão {0}."),
            N_("Ponha o endereço de cada um em {1}."),
            (", ".join(inventory_form.unaddressed(servers)), target.inventory / "hosts.yml"),
        )
        yield Advice(
            N_("Os arquivos de MAC, as gravações e o bucket não estavam nos arquivos antigos."),
            N_("Descreva-os em {0}."),
            (target.inventory / "group_vars",),
        )
    if target.unready and any(machine.config or machine.tokens for machine in machines):
        yield Advice(
            N_("Remetentes e tokens esperam: {0}")
            if target.settings_there
            else N_("Remetentes e tokens esperam por uma instalação."),
            N_("Complete a configuração, instale com playbooks/site.yml e repita este comando ali."),
            (target.unready.problem,),
        )
    elif config and not any(sender.privileged for sender in target.listed.values()):
        yield Advice(
            N_("Ninguém é administrador: o sistema anterior não tinha papéis."),
            N_("Escolha uma pessoa: athome senders set ENDEREÇO --role administrador"),
        )


def _names(sources: list[Source]) -> str:
    return ", ".join(source.name for source in sources)


def _arguments(sources: list[Source]) -> str:
    """Return them as a line in a shell has them."""
    return shlex.join(source.name for source in sources)
