"""What ends a run before or without a role's own word."""

from dispatcher.i18n import N_
from dispatcher.replies.codes.entry import TELL_ADMIN, Entry

_STILL_WANTED = N_("Se ele ainda deve ser feito, envie o mesmo comando de novo.")

RESULTS: dict[str, Entry] = {
    "host.unreachable": Entry(
        N_("Não respondeu por SSH; o comando não foi concluído neste servidor."),
        advice=N_(
            "Confira se está ligado e na rede. Depois envie o mesmo comando: o que já foi feito não se "
            "repete."
        ),
    ),
    "ansible.task_failed": Entry(
        N_("A tarefa “{task}” falhou: {msg}"),
        advice=N_("Depois de resolver, envie o mesmo comando: o que já foi feito não se repete."),
    ),
    "ansible.arguments": Entry(N_("Os argumentos não foram aceitos: {errors}"), advice=TELL_ADMIN),
    "run.timeout": Entry(
        N_("O tempo acabou antes de este servidor terminar."),
        advice=N_("Confira se o servidor está sobrecarregado e envie o mesmo comando de novo."),
    ),
    "run.canceled": Entry(
        N_("Cancelado antes de terminar neste servidor."),
        advice=N_("Para concluir, envie o mesmo comando de novo."),
    ),
    "run.canceled_by_sender": Entry(
        N_("Cancelado a seu pedido."),
        advice=N_("Se ele ainda deve ser feito, envie o mesmo comando de novo."),
    ),
    "run.canceled_by": Entry(N_("Cancelado por {by}."), advice=_STILL_WANTED),
    "run.canceled_at_shell": Entry(
        N_("Cancelado no servidor do serviço, pela conta {by}."), advice=_STILL_WANTED
    ),
    "run.no_result": Entry(N_("O Ansible terminou sem dar um resultado."), advice=TELL_ADMIN),
    "run.no_hosts": Entry(N_("Nenhum servidor do inventário participa deste comando."), advice=TELL_ADMIN),
    "run.crashed": Entry(
        N_("A execução foi interrompida {attempts} vezes e não será tentada de novo. Confira os servidores."),
        advice=TELL_ADMIN,
    ),
    "run.not_permitted": Entry(
        N_("Você não pode mais usar este comando: suas permissões mudaram depois do envio."),
        advice=N_("Se você precisa dele, peça a um administrador."),
    ),
    "preview.drifted": Entry(
        N_(
            "Desde a simulação alguém mudou algo nos servidores: o que ela mostrou não vale mais, e nada foi "
            "feito. Abaixo está o que mudaria agora."
        )
    ),
    "preview.interrupted": Entry(
        N_(
            "Uma execução deste job foi interrompida e pode ter feito uma parte. Os servidores também não "
            "estão mais como a simulação os mostrou, e por isso ele parou. Abaixo está o que mudaria agora."
        )
    ),
    "preview.moot": Entry(
        N_("Desde a simulação alguém já deixou os servidores como você pediu: não foi preciso fazer nada.")
    ),
    "preview.no_offer": Entry(
        N_("Um erro interno impediu de preparar a confirmação. Nada foi feito."), advice=TELL_ADMIN
    ),
    "approval.nobody": Entry(
        N_(
            "Este comando só é feito com a aprovação de um administrador que não seja quem o pede, e agora "
            "não há outro."
        ),
        advice=N_("Quem tem acesso ao servidor pode autorizar mais um administrador."),
    ),
    "run.error": Entry(
        N_("Um erro interno interrompeu a execução ({error}). Confira os servidores."), advice=TELL_ADMIN
    ),
}

NOTICES: dict[str, Entry] = {}
