"""What the role audio_collection answers.

A code whose data says of what kind it is (``what``, ``reason``) has a sentence for each kind.
"""

from dispatcher.i18n import N_
from dispatcher.replies.codes.entry import TELL_ADMIN, Entry

_FOUND = N_("{files:recordings} ({bytes:size}), de {start:moment} a {end:moment}.")
_PERIOD = N_("Corrija INICIO e FIM e envie o comando de novo.")
_LESS = N_("Peça um período menor, ou menos ramais por vez.")
_AGAIN = N_("Envie o mesmo comando de novo: o que for igual não é feito duas vezes.")

RESULTS: dict[str, Entry] = {
    "audio.collected": Entry(
        _FOUND,
        label=N_("pronto"),
        headline=N_("gravações prontas: {files:number}"),
    ),
    "audio.reused": Entry(
        N_(
            "Este pedido já tinha sido atendido e nada mudou desde então: é o mesmo arquivo, com um link "
            "novo. {files:recordings} ({bytes:size}), de {start:moment} a {end:moment}."
        ),
        label=N_("pronto"),
        headline=N_("gravações prontas: {files:number}"),
    ),
    "audio.would_collect": Entry(
        _FOUND,
        label=N_("encontrado"),
        headline=N_("gravações encontradas: {files:number}"),
        would_headline=N_("gravações encontradas: {files:number}"),
    ),
    "audio.nothing_found": Entry(
        N_("Nenhuma gravação destes ramais, de {start:moment} a {end:moment}."),
        label=N_("nada"),
        verdict=N_("Nada encontrado"),
        advice=N_(
            "Confira os ramais, o servidor e o período. Se tudo estiver certo, não houve ligação gravada."
        ),
        headline=N_("nenhuma gravação no período"),
    ),
    "audio.too_much": Entry(
        N_("É mais do que cabe em um pedido. Nada foi copiado."),
        advice=_LESS,
        headline=N_("mais do que cabe em um pedido"),
        rewrite=True,
    ),
    "audio.too_much.files": Entry(
        N_("São {count:number} gravações; o limite de um pedido é {limit:number}. Nada foi copiado."),
        advice=_LESS,
    ),
    "audio.too_much.bytes": Entry(
        N_("As gravações somam {count:size}; o limite de um pedido é {limit:size}. Nada foi copiado."),
        advice=_LESS,
    ),
    "audio.too_much.days": Entry(
        N_("São {count:number} dias; o limite de um pedido é {limit:number}. Nada foi copiado."), advice=_LESS
    ),
    "audio.readable": Entry(
        N_("As gravações podem ser lidas em {root}."), headline=N_("as gravações podem ser lidas")
    ),
    "audio.publishable": Entry(
        N_("Os arquivos prontos podem ser publicados em {where}."),
        headline=N_("os arquivos prontos podem ser publicados"),
    ),
    "audio.bad_window": Entry(N_("O servidor não aceita este período."), advice=_PERIOD, rewrite=True),
    "audio.bad_window.order": Entry(N_("FIM vem antes de INICIO."), advice=_PERIOD),
    "audio.bad_window.future": Entry(N_("O período ainda está no futuro."), advice=_PERIOD),
    "audio.bad_window.nonexistent": Entry(
        N_("Os relógios do servidor não mostraram essa hora: o horário de verão a pulou."), advice=_PERIOD
    ),
    "audio.bad_window.invalid": Entry(N_("INICIO ou FIM não é uma data que exista."), advice=_PERIOD),
    "audio.no_source": Entry(
        N_("As gravações deste servidor ainda não podem ser reunidas. Falta no inventário: {missing}."),
        advice=N_("Avise o administrador: ele preenche o que falta no inventário."),
    ),
    "audio.source_refused": Entry(
        N_("O lugar onde as gravações ficam não deixou lê-las: {error}"),
        advice=N_(
            "Avise o administrador: credenciais, bucket ou pasta das gravações precisam ser conferidos."
        ),
    ),
    "audio.publish_failed": Entry(
        N_("O arquivo não pôde ser publicado, e nada ficou pela metade: {error}"),
        advice=N_("Avise o administrador: o bucket ou a pasta dos arquivos prontos precisa ser conferido."),
    ),
    "audio.no_space": Entry(
        N_(
            "Não há espaço em disco para o arquivo: são precisos {needed:size}, há {free:size}. Nada foi "
            "deixado lá."
        ),
        advice=N_("Peça um período menor, ou avise o administrador."),
    ),
    "audio.all_missing": Entry(
        N_("Nenhuma das gravações pôde ser lida: {missing_count:number}. Nada foi publicado."),
        advice=TELL_ADMIN,
    ),
    "audio.stopped": Entry(
        N_("A montagem do arquivo foi interrompida, e nada ficou pela metade."), advice=_AGAIN
    ),
    "audio.too_slow": Entry(
        N_(
            "A montagem do arquivo demorou demais: {files:number} de {of:number} gravações. Nada foi "
            "publicado."
        ),
        advice=_LESS,
    ),
    "audio.busy": Entry(
        N_("O mesmo pedido já está sendo atendido, e não terminou a tempo."),
        advice=N_("Espere o e-mail dele. Se não vier, envie o mesmo comando de novo."),
    ),
    "audio.error": Entry(N_("A coleta das gravações deu um erro: {error}"), advice=TELL_ADMIN),
}

NOTICES: dict[str, Entry] = {
    "audio.missing": Entry(
        N_(
            "Gravações que não puderam ser incluídas: {count:number}. O arquivo _manifesto.csv, no ZIP, diz "
            "quais."
        ),
        would=N_("Gravações que não poderiam ser incluídas: {count:number}."),
    ),
    "audio.unparsed": Entry(
        N_("Arquivos cujo nome foge do padrão, de que não se sabe o ramal: {count:number}.")
    ),
    "audio.clock": Entry(
        N_(
            "Gravações com a hora do nome adiantada ou atrasada (fuso horário do servidor desatualizado): "
            "{count:number}. Vale a hora verdadeira da ligação."
        )
    ),
    "audio.recording_now": Entry(
        N_("Gravações que talvez ainda estejam em andamento, deixadas de fora: {count:number}.")
    ),
    "audio.queues": Entry(
        N_(
            "Ligações de filas e grupos podem não ter o ramal no nome da gravação; essas não são encontradas "
            "por ele."
        )
    ),
    "audio.not_expiring": Entry(
        N_("Os arquivos antigos não puderam ser apagados. Avise o administrador: {error}")
    ),
}
