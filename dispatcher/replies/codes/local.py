"""What came of the commands that the dispatcher itself carries out: the whitelist and the help."""

from dispatcher.i18n import N_
from dispatcher.replies.codes.entry import Entry

RESULTS: dict[str, Entry] = {
    "whitelist.added": Entry(
        N_("{address} entrou na lista como {role} e pode mandar comandos."),
        would=N_("{address} entra na lista como {role} e pode mandar comandos."),
        headline=N_("{address} entrou na lista"),
        would_headline=N_("{address} entraria na lista"),
        advice=N_(
            "Falta um token, que não vai por e-mail: quem tem acesso ao servidor o emite com athome tokens "
            "issue ENDEREÇO e o entrega em mãos."
        ),
    ),
    "whitelist.promoted": Entry(
        N_("{address} passou a administrador."),
        would=N_("{address} passa a administrador."),
        headline=N_("{address} é administrador"),
        would_headline=N_("{address} seria administrador"),
    ),
    "whitelist.removed": Entry(
        N_("{address} saiu da lista, e os tokens desse endereço não existem mais."),
        would=N_("{address} sai da lista, e os tokens desse endereço deixam de existir."),
        headline=N_("{address} saiu da lista"),
        would_headline=N_("{address} sairia da lista"),
    ),
    "whitelist.changed": Entry(
        N_("As permissões de {address} mudaram."), headline=N_("mudaram as permissões de {address}")
    ),
    "whitelist.listed": Entry(
        N_("Endereços na lista: {count:number}."),
        headline=N_("endereços na lista: {count:number}"),
        verdict=N_("Quem pode mandar comandos"),
    ),
    "help.shown": Entry(
        N_("O que você pode pedir."), headline=N_("o que você pode pedir"), verdict=N_("Ajuda")
    ),
    "whitelist.already": Entry(
        N_("{address} já está na lista."),
        headline=N_("{address} já está na lista"),
        advice=N_("Veja a lista com WHITELIST LIST."),
    ),
    "whitelist.unknown": Entry(
        N_("{address} não está na lista."),
        headline=N_("{address} não está na lista"),
        advice=N_("Veja a lista com WHITELIST LIST."),
    ),
    "whitelist.self": Entry(
        N_("Ninguém tira a si mesmo da lista. Outro administrador pode fazê-lo."),
        headline=N_("ninguém tira a si mesmo da lista"),
    ),
    "whitelist.last": Entry(
        N_("{address} é o último administrador, e sem nenhum ninguém mudaria a lista."),
        headline=N_("{address} é o último administrador"),
        advice=N_("Autorize outro administrador antes."),
    ),
    "whitelist.not_allowed": Entry(
        N_("Só um administrador muda a lista, e você não é mais um."),
        headline=N_("só um administrador muda a lista"),
    ),
}
