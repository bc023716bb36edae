"""Why a job is not undone: nothing is wrong with the subject, so each says what stands in the way."""

from dispatcher.i18n import N_
from dispatcher.replies.codes.entry import Entry

REFUSALS: dict[str, Entry] = {
    "undo.unfinished": Entry(
        N_("Esse job ainda não terminou, e não há o que desfazer. Para que pare, use CANCELAR.")
    ),
    "undo.preview": Entry(N_("Esse job foi uma simulação: nada foi alterado.")),
    "undo.interrupted": Entry(
        N_(
            "Uma execução desse job foi interrompida, e não ficou anotado o que ela mudou: pelo número não "
            "se desfaz. Confira o servidor antes."
        )
    ),
    "undo.nothing": Entry(N_("Esse job não mudou nada que se possa desfazer. STATUS mostra o que ele fez.")),
    "undo.none": Entry(N_("O que {keyword} faz não se desfaz com este comando.")),
    "undo.undo": Entry(
        N_(
            "Esse job já é um DESFAZER. Para fazer de novo o que ele desfez, envie outra vez o comando de "
            "antes."
        )
    ),
    "undo.running": Entry(N_("O job {by} já está desfazendo esse. Espere a resposta dele.")),
    "undo.undone": Entry(N_("Esse job já foi desfeito, pelo job {by}.")),
    "undo.relied": Entry(
        N_(
            "Outra pessoa pediu o mesmo depois, no job {by}, e conta com isso: por isso não se desfaz por "
            "aqui. Combine com ela, ou peça ao administrador."
        )
    ),
    "undo.no_server": Entry(
        N_("O que esse job mudou foi em {servers}, que não participa mais. Peça ao administrador.")
    ),
}
