"""What the role mac_binding says, in words that a technician reads at a customer's desk."""

from dispatcher.i18n import N_
from dispatcher.replies.codes.entry import TELL_ADMIN, Entry

_STORED = N_("MAC gravado: {present:mac}.")
_LABEL = N_("Use o MAC que está na etiqueta do aparelho e envie o comando de novo.")
_ARIMONITOR = N_(
    "Confira se o arimonitor está funcionando neste servidor, ou avise o administrador. Depois envie o mesmo "
    "comando de novo."
)

RESULTS: dict[str, Entry] = {
    "mac_binding.changed": Entry(
        N_("O MAC do ramal {extension} mudou de {mac_before:mac} para {mac_after:mac}."),
        would=N_("O MAC do ramal {extension} mudaria de {mac_before:mac} para {mac_after:mac}."),
        advice=N_("Ligue ou reinicie o aparelho novo, espere o registro e faça uma chamada de teste."),
        headline=N_("MAC trocado em {hosts}"),
        would_headline=N_("o MAC seria trocado em {hosts}"),
    ),
    "mac_binding.added": Entry(
        N_("O ramal {extension}, que não tinha MAC, agora tem {mac_after:mac}."),
        would=N_("O ramal {extension}, que não tem MAC, passaria a ter {mac_after:mac}."),
        advice=N_("Ligue ou reinicie o aparelho, espere o registro e faça uma chamada de teste."),
        headline=N_("MAC acrescentado em {hosts}"),
        would_headline=N_("o MAC seria acrescentado em {hosts}"),
    ),
    "mac_binding.removed": Entry(
        N_("O MAC {mac_before:mac} foi removido do ramal {extension}, que ficou sem aparelho."),
        would=N_("O MAC {mac_before:mac} seria removido do ramal {extension}, que ficaria sem aparelho."),
        advice=N_("Desligue o aparelho, ou reinicie-o: este ramal não é mais dele."),
        headline=N_("MAC removido em {hosts}"),
        would_headline=N_("o MAC seria removido em {hosts}"),
    ),
    "mac_binding.undone": Entry(
        N_("O MAC do ramal {extension} voltou de {mac_before:mac} para {mac_after:mac}."),
        would=N_("O MAC do ramal {extension} voltaria de {mac_before:mac} para {mac_after:mac}."),
        advice=N_("Reinicie o aparelho que volta a ser do ramal e faça uma chamada de teste."),
        headline=N_("mudança desfeita em {hosts}"),
        would_headline=N_("a mudança seria desfeita em {hosts}"),
    ),
    "mac_binding.told_again": Entry(
        N_(
            "Os arquivos já estavam certos (ramal {extension}, MAC {mac_after:mac}); o arimonitor não, e "
            "foi avisado."
        ),
        would=N_(
            "Os arquivos já estão certos (ramal {extension}, MAC {mac_after:mac}); o arimonitor não, e "
            "seria avisado."
        ),
        advice=N_("Reinicie o aparelho, espere o registro e faça uma chamada de teste."),
        headline=N_("arimonitor avisado em {hosts}"),
        would_headline=N_("o arimonitor seria avisado em {hosts}"),
    ),
    "mac_binding.already_changed": Entry(
        N_("O ramal {extension} já tem o MAC {mac_after:mac}; nada a fazer."),
        advice=N_("Se o aparelho ainda não registra, confira se este é o MAC da etiqueta dele e reinicie-o."),
        headline=N_("nada a fazer, o MAC já é esse"),
    ),
    "mac_binding.already_removed": Entry(
        N_("O ramal {extension} já está sem MAC; nada a fazer."),
        headline=N_("nada a fazer, o ramal já está sem MAC"),
    ),
    "mac_binding.already_undone": Entry(
        N_("A mudança {undoes} já estava desfeita; nada a fazer."),
        headline=N_("nada a fazer, já estava desfeita"),
    ),
    "mac_binding.found": Entry(
        N_("O ramal {extension} tem um MAC."), confidential=_STORED, headline=N_("o ramal tem um MAC")
    ),
    "mac_binding.not_found": Entry(
        N_("O ramal {extension} não tem MAC."), headline=N_("o ramal não tem MAC")
    ),
    "mac_binding.verified": Entry(
        N_("O ramal {extension} está com o MAC {mac_after:mac} em todos os arquivos."),
        headline=N_("conferido, o MAC é esse"),
    ),
    "mac_binding.readable": Entry(
        N_("Os arquivos de MAC deste servidor podem ser lidos."), headline=N_("os arquivos podem ser lidos")
    ),
    "mac_binding.not_bound": Entry(
        N_("O ramal {extension} não está com o MAC {mac_after:mac} em todos os arquivos."),
        confidential=_STORED,
        advice=N_("Para trocar o MAC, envie o comando MACCHANGE."),
    ),
    "mac_binding.mismatch": Entry(
        N_(
            "O MAC gravado no ramal {extension} não confere com o MACATUAL enviado ({mac_before:mac}). Nada "
            "foi alterado."
        ),
        confidential=_STORED,
        advice=N_(
            "Confira o ramal, o servidor e a etiqueta do aparelho antigo (MACATUAL fica vazio só se o ramal "
            "ainda não tem MAC). Se tudo estiver certo, informe ao administrador o número do job: ele vê o "
            "MAC gravado."
        ),
        rewrite=True,
    ),
    "mac_binding.duplicate": Entry(
        N_("O MAC {mac_after:mac} já é usado em outro ramal: {extensions}. Nada foi alterado."),
        advice=N_(
            "Confira a etiqueta do aparelho novo. Se ele saiu do outro ramal, remova-o de lá primeiro "
            "(MACFUTURO vazio) e envie o mesmo comando de novo."
        ),
    ),
    "mac_binding.no_extension": Entry(
        N_("O ramal {extension} não existe em {file}. Nada foi alterado."),
        advice=N_("Confira o ramal e o servidor. Um ramal novo precisa ser criado antes de receber um MAC."),
        rewrite=True,
    ),
    "mac_binding.ambiguous": Entry(
        N_(
            "O ramal {extension} aparece mais de uma vez em {file} (linhas {lines}), e não é certo qual "
            "vale. Nada foi alterado."
        ),
        advice=N_("Peça ao administrador que deixe um só no arquivo e envie o mesmo comando de novo."),
    ),
    "mac_binding.files_disagree": Entry(
        N_("Os arquivos do servidor não dizem o mesmo MAC para o ramal {extension}. Nada foi alterado."),
        confidential=N_("Gravado: {values:mac}."),
        advice=N_("Avise o administrador e informe o número do job: ele vê o que está em cada arquivo."),
    ),
    "mac_binding.locked": Entry(
        N_("Outra mudança está em andamento neste servidor. Nada foi alterado."),
        advice=N_("Espere um minuto e envie o mesmo comando de novo."),
    ),
    "mac_binding.managed": Entry(
        N_("O arquivo {file} é gerado pelo painel {panel}, que apagaria a mudança. Nada foi alterado."),
        advice=N_("Troque o MAC no painel do servidor, ou peça isso ao administrador."),
    ),
    "mac_binding.not_confirmed": Entry(
        N_("Este servidor ainda não está preparado para o MACCHANGE. Falta no inventário: {missing}."),
        advice=N_(
            "Avise o administrador: ele confere os arquivos do servidor e preenche o que falta no inventário."
        ),
    ),
    "mac_binding.cannot_add": Entry(
        N_("Em {file} não há de onde tirar a configuração de um aparelho novo. Nada foi alterado."),
        advice=N_("Peça ao administrador que crie primeiro a configuração do aparelho neste servidor."),
    ),
    "mac_binding.file_error": Entry(
        N_("O arquivo {file} não pôde ser usado, e tudo ficou como antes: {error}"), advice=TELL_ADMIN
    ),
    "mac_binding.changed_since": Entry(
        N_("Alguém editou {files} nesse meio-tempo; a edição foi mantida e nada foi alterado."),
        advice=N_("Confira com quem editou o arquivo, antes de tentar outra vez."),
        headline=N_("alguém editou o arquivo em {hosts}"),
        reverse=True,
    ),
    "mac_binding.notify_failed": Entry(
        N_("Os arquivos voltaram ao que eram, porque o arimonitor não confirmou a mudança: {error}"),
        advice=_ARIMONITOR,
    ),
    "mac_binding.verify_failed": Entry(
        N_("Os arquivos voltaram ao que eram, porque o arimonitor não mostra o MAC novo: {error}"),
        advice=_ARIMONITOR,
    ),
    "mac_binding.not_told_again": Entry(
        N_(
            "Os arquivos já estavam certos (ramal {extension}, MAC {mac_after:mac}) e continuam assim; o "
            "arimonitor não, e não foi possível avisá-lo: {error}"
        ),
        advice=_ARIMONITOR,
    ),
    "mac_binding.not_restored": Entry(
        N_("A mudança falhou, e não foi possível pôr {files} de volta como antes: {error}"),
        advice=N_(
            "Avise o administrador já e informe o número do job. O próximo MACCHANGE neste servidor "
            "conserta os arquivos antes de tudo."
        ),
    ),
    "mac_binding.unknown_transaction": Entry(
        N_("Este servidor não guarda, ou não guarda mais, a mudança {transaction}."),
        advice=N_(
            "Confira o número da mudança e o servidor. Uma mudança antiga se desfaz com o comando inverso."
        ),
        reverse=True,
    ),
    "mac_binding.not_undoable": Entry(
        N_("A mudança {transaction} não chegou a valer: não há o que desfazer."),
        advice=N_("Se o MAC do ramal não é o esperado, troque-o com o comando MACCHANGE."),
    ),
    # What the dispatcher refuses before: from the role it means that the two do not agree.
    "mac_binding.invalid_extension": Entry(
        N_("O servidor não aceita o ramal {value}."), advice=TELL_ADMIN, rewrite=True
    ),
    "mac_binding.invalid_mac": Entry(N_("O servidor não aceita o MAC {value}."), advice=_LABEL, rewrite=True),
    "mac_binding.all_zeros": Entry(
        N_("Um MAC só de zeros não é de nenhum aparelho."), advice=_LABEL, rewrite=True
    ),
    "mac_binding.all_ones": Entry(
        N_("Um MAC só de F não é de nenhum aparelho."), advice=_LABEL, rewrite=True
    ),
    "mac_binding.same_mac": Entry(N_("Os dois MACs são iguais: nada mudaria."), advice=_LABEL, rewrite=True),
    "mac_binding.both_empty": Entry(
        N_("Os dois MACs estão vazios: não há o que mudar."), advice=_LABEL, rewrite=True
    ),
    "mac_binding.error": Entry(N_("A troca do MAC deu um erro: {error}"), advice=TELL_ADMIN),
}

NOTICES: dict[str, Entry] = {
    "mac_binding.group_bit": Entry(
        N_("Nenhuma placa de rede tem um MAC como {mac:mac} (bit de grupo): confira a etiqueta do aparelho.")
    ),
    "mac_binding.finished": Entry(N_("Só faltava em {files}; o resto já tinha o MAC novo.")),
    "mac_binding.recovered": Entry(
        N_(
            "Uma mudança anterior, que tinha sido interrompida ({transaction}), foi desfeita antes: "
            "{restored}."
        )
    ),
    "mac_binding.recovery_conflict": Entry(
        N_(
            "Uma mudança anterior tinha sido interrompida ({transaction}); alguém editou {files} depois "
            "dela, e isso foi mantido."
        )
    ),
    "mac_binding.unfinished": Entry(
        N_(
            "Uma mudança anterior foi interrompida ({transaction}); a próxima que alterar algo a desfaz "
            "antes."
        )
    ),
    "mac_binding.not_notified": Entry(
        N_("Neste servidor o arimonitor não é avisado: reinicie-o ou recarregue-o.")
    ),
    "mac_binding.reverse_failed": Entry(
        N_("O arimonitor não soube que a mudança foi desfeita e talvez ainda tenha o MAC novo: {error}")
    ),
    "mac_binding.no_macs": Entry(N_("Nenhum ramal tem MAC em {file}.")),
    "mac_binding.not_pruned": Entry(N_("As cópias de segurança antigas não puderam ser apagadas: {error}")),
}
