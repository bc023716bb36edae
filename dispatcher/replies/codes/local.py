"""What came of the commands that the dispatcher itself carries out: the whitelist, the help, the jobs."""

from dispatcher.i18n import N_
from dispatcher.replies.codes.entry import Entry

ROLES = (N_("operador"), N_("administrador"))

RESULTS: dict[str, Entry] = {
    "whitelist.added": Entry(
        N_("{address} entrou na lista como {role:word} e pode mandar comandos."),
        would=N_("{address} entra na lista como {role:word} e pode mandar comandos."),
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
    "status.shown": Entry(
        N_("Jobs que não terminaram: {count:number}."),
        headline=N_("jobs que não terminaram: {count:number}"),
        verdict=N_("Situação"),
    ),
    "status.nothing": Entry(
        N_("Nenhum job espera nem está em execução."),
        headline=N_("nenhum job em andamento"),
        verdict=N_("Situação"),
    ),
    "status.one": Entry(N_("Job {id}"), headline=N_("job {id}"), verdict=N_("Situação")),
    "job.unknown": Entry(
        N_("Não há um job {id} seu."),
        headline=N_("não há um job {id} seu"),
        advice=N_("Envie STATUS para ver os seus jobs e os números deles."),
    ),
    "cancel.done": Entry(
        N_("O job {id} saiu da fila e não será executado."),
        would=N_("O job {id} seria cancelado: ainda não começou."),
        headline=N_("o job {id} está cancelado"),
        would_headline=N_("o job {id} seria cancelado"),
        advice=N_("Quem o pediu recebe a resposta final dele, que diz quem o cancelou."),
    ),
    "cancel.stopping": Entry(
        N_("O job {id} está em execução e é interrompido agora. O que já foi feito fica feito."),
        would=N_("O job {id} está em execução e seria interrompido."),
        headline=N_("o job {id} está sendo interrompido"),
        would_headline=N_("o job {id} seria interrompido"),
        advice=N_(
            "A resposta final dele vai a quem o pediu e diz o que chegou a ser feito em cada servidor."
        ),
    ),
    "cancel.already": Entry(
        N_("O job {id} já está sendo interrompido, a pedido de {by}."),
        headline=N_("o job {id} já está sendo interrompido"),
        verdict=N_("Nada precisou mudar"),
    ),
    "cancel.ended": Entry(
        N_("O job {id} já terminou: não há o que cancelar."),
        headline=N_("o job {id} já terminou"),
        advice=N_(
            "CANCELAR não desfaz o que foi feito. Se há como desfazer, a resposta final desse job diz como."
        ),
    ),
    "cancel.itself": Entry(
        N_("O job {id} é este próprio pedido."), headline=N_("o job {id} é este próprio pedido")
    ),
    "whitelist.not_allowed": Entry(
        N_("Só um administrador muda a lista, e você não é mais um."),
        headline=N_("só um administrador muda a lista"),
    ),
}

# What a job waits for.
NOTICES: dict[str, Entry] = {
    "queue.confirmation": Entry(N_("Espera que quem o mandou responda ao pedido de confirmação.")),
    "queue.approval": Entry(N_("Espera a aprovação de um administrador que não seja quem o mandou.")),
    "queue.paused": Entry(N_("A fila de {server} está em pausa.")),
    "queue.paused_because": Entry(N_("A fila de {server} está em pausa: {reason}")),
    "queue.behind": Entry(N_("Na fila de {servers}, vem depois destes jobs: {jobs}.")),
    "queue.behind_many": Entry(
        N_("Na fila de {servers}, {ahead:number} jobs vêm antes; os primeiros são {jobs}.")
    ),
    "queue.later": Entry(N_("A execução se perdeu com a máquina que a fazia e recomeça em instantes.")),
    "queue.version": Entry(N_("Espera uma versão mais nova do programa.")),
    "queue.worker": Entry(N_("Começa assim que houver um lugar livre.")),
}
