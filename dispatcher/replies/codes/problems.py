"""What can be wrong with a subject, and what was expected instead."""

from dispatcher.i18n import N_
from dispatcher.replies.codes.entry import Entry

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
    "job.number_missing": Entry(N_("Falta o número do job. Esperado: um, como 12; STATUS mostra os seus.")),
    "job.number": Entry(N_("Não é o número de um job. Esperado: um só, como 12; STATUS mostra os seus.")),
    "whitelist.action": Entry(N_("Falta dizer o que fazer com a lista. Esperado: um destes: {known}.")),
    "whitelist.address_missing": Entry(N_("Falta o endereço de e-mail. Esperado: um, como ana@example.com.")),
    "whitelist.address_invalid": Entry(
        N_("Não é um endereço de e-mail. Esperado: um só, como ana@example.com.")
    ),
    "whitelist.one_address": Entry(N_("É mais de um endereço. Esperado: um por e-mail.")),
    "whitelist.extra": Entry(N_("Há texto a mais. Esperado: nada ou, depois de um endereço novo, ADMIN.")),
    "help.unknown": Entry(N_("Não há ajuda sobre isso. Esperado: nada ou um destes: {known}.")),
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
    "extensions.invalid": Entry(
        N_(
            "Não é um ramal: {wrong}. Esperado: só números, de 1 a 10 algarismos, separados por vírgula, "
            "ponto e vírgula ou espaço."
        )
    ),
    "extensions.range": Entry(
        N_("Faixas de ramais não são aceitas. Esperado: cada ramal por extenso, separado por vírgula.")
    ),
    "extensions.duplicate": Entry(N_("Há ramais repetidos: {duplicates}. Esperado: cada um só uma vez.")),
    "extensions.too_many": Entry(
        N_("São {count} ramais. Esperado: no máximo {limit} por comando; para os outros, envie outro e-mail.")
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
    "moment.invalid": Entry(
        N_("Não é uma data. Esperado: dia/mês/ano e, se quiser, a hora, como em 01/11/2025 08:30.")
    ),
    "moment.no_such_month": Entry(N_("O mês {month} não existe. Esperado: dia/mês/ano, nesta ordem.")),
    "moment.no_such_day": Entry(N_("O dia não existe. Esperado: um dia de 1 a {last}, nesse mês.")),
    "moment.no_such_time": Entry(N_("A hora não existe. Esperado: de 00:00 a 23:59.")),
    "moment.midnight": Entry(
        N_("A hora 24:00 não é aceita. Esperado: 23:59, o último minuto do dia, ou 00:00 do dia seguinte.")
    ),
    "moment.skipped": Entry(
        N_(
            "Essa hora não existiu: o horário de verão ({zone}) começou nela e os relógios foram adiantados. "
            "Esperado: uma hora antes ou depois."
        )
    ),
    "moment.future": Entry(
        N_("Está no futuro (agora: {now}), e ainda não há gravações. Esperado: uma data que já passou.")
    ),
    "window.order": Entry(N_("Vem antes de INICIO ({start}). Esperado: uma data depois dele.")),
    "window.too_long": Entry(
        N_(
            "São {days} dias. Esperado: no máximo {limit} por comando; para os outros, envie outro e-mail "
            "com o INICIO mais tarde."
        )
    ),
    "server.missing": Entry(N_("Falta dizer o servidor. Esperado: um destes: {known}.")),
    "server.unknown": Entry(N_("O servidor não participa deste comando. Esperado: um destes: {known}.")),
    "server.no_recordings": Entry(
        N_(
            "As gravações deste servidor não são alcançadas daqui (falta audios_from no inventário). "
            "Esperado: um destes: {known}."
        )
    ),
}
