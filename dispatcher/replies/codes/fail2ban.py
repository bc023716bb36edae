"""What the role fail2ban_access says, in words."""

from dispatcher.i18n import N_
from dispatcher.replies.codes.entry import TELL_ADMIN, Entry

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
        N_("Foi tirado da lista permanente; não foi bloqueado de novo."),
        would=N_("Seria tirado da lista permanente; não seria bloqueado de novo."),
        advice=N_(
            "O endereço continua com acesso. Se voltar a errar a senha, o fail2ban o bloqueia como a "
            "qualquer outro."
        ),
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
        N_("Não está na lista permanente."),
        headline=N_("já não estava na lista permanente"),
        label=N_("já não estava"),
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
    "fail2ban.error": Entry(N_("O fail2ban deu um erro: {error}"), advice=TELL_ADMIN),
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
