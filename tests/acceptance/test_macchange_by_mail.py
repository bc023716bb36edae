"""A technician at a customer's desk: one mail and the telephone is another one, or nothing has changed."""

import re
from dataclasses import dataclass
from email.message import EmailMessage

import pytest

from tests.fleet import (
    MACCHANGE_SERVERS,
    arimonitor_has,
    busy,
    edit_phones,
    fresh_phones,
    on,
    phones,
    playbook,
)
from tests.road import OPERATOR, Dispatcher, Mailbox

ADMINISTRATOR = "admin@lab.example"
OLD, NEW = "010203040506", "00005e0053aa"
CHANGE = f"MACCHANGE=3010 MACATUAL={OLD} MACFUTURO={NEW} SERVER=gv2p"
STATE = "/var/lib/athome-mac-binding"


@dataclass
class Person:
    """Somebody of the staff, who writes commands and reads the answers."""

    dispatcher: Dispatcher
    address: str
    token: str

    def send(self, *commands: str) -> list[str]:
        """Send all of them at once; return their Message-IDs."""
        return [self.dispatcher.write(f"[{self.token}] {command}", self.address) for command in commands]

    def read(self, message_id: str) -> EmailMessage:
        """Wait for the answer to one of them."""
        return Mailbox(self.dispatcher.lab, self.address).answer(message_id)

    def ask(self, *commands: str) -> list[EmailMessage]:
        """Send all of them at once; return the answers in the same order."""
        return [self.read(message_id) for message_id in self.send(*commands)]


@pytest.fixture
def operator(dispatcher) -> Person:
    return Person(dispatcher, OPERATOR, dispatcher.token)


@pytest.fixture(scope="module")
def administrator(dispatcher) -> Person:
    # The last one could not be removed.
    dispatcher.athome("senders", "add", "chefe@lab.example", "--role", "administrador", check=False)
    dispatcher.athome("senders", "add", ADMINISTRATOR, "--role", "administrador")
    token = dispatcher.athome("tokens", "issue", ADMINISTRATOR, "--description", "telefone").stdout.strip()
    yield Person(dispatcher, ADMINISTRATOR, token)
    dispatcher.athome("senders", "remove", ADMINISTRATOR)


@pytest.fixture(autouse=True)
def fresh(lab):
    fresh_phones()


@pytest.fixture(scope="module", autouse=True)
def clean_up(lab):
    yield
    fresh_phones()


def text(mail: EmailMessage) -> str:
    """Return the words of a mail, however its lines are broken."""
    return " ".join(mail.get_body(("plain",)).get_content().split())


def everything(mail: EmailMessage) -> str:
    """Return all that a mail says, in any part, with MACs in one notation."""
    parts = (part.get_content() for part in mail.walk() if part.get_content_maintype() == "text")
    return re.sub("[:.-]", "", "\n".join((str(mail["Subject"]), *parts))).lower()


def test_the_new_telephone_works_and_a_mistake_is_taken_back(operator):
    """Both files and arimonitor have the new MAC and nothing else is touched; again, nothing changes.

    The command that the answer offers, sent as it is, puts every byte back.
    """
    before = phones("gv2p")
    (reply,) = operator.ask("macchange=3010 macatual=01:02:03:04:05:06 macfuturo=0000.5E00.53AA server=GV2P")
    assert tuple(file.replace(OLD.encode(), NEW.encode()) for file in before) == phones("gv2p")
    assert NEW == arimonitor_has("gv2p", "3010")
    assert "Re: MACCHANGE=3010 — MAC trocado em gv2p" == reply["Subject"]
    assert "O MAC do ramal 3010 mudou de 01:02:03:04:05:06 para 00:00:5e:00:53:aa." in text(reply)
    assert f"Você pediu: {CHANGE} " in text(reply)

    changed = phones("gv2p")
    (again,) = operator.ask(CHANGE)
    assert changed == phones("gv2p")
    assert "nada a fazer, o MAC já é esse" in again["Subject"]
    assert "desfazer" not in text(again)

    undo = re.search(r"Para desfazer, envie: \[TOKEN\] (DESFAZER [0-9]+) ", text(reply))[1]
    (back,) = operator.ask(undo)
    assert before == phones("gv2p")
    assert OLD == arimonitor_has("gv2p", "3010")
    assert f"Re: {undo} — mudança desfeita em gv2p" == back["Subject"]
    assert f"[TOKEN] {CHANGE} " in text(back)


def test_a_telephone_goes_and_another_comes(operator):
    """An empty MACFUTURO removes, an empty MACATUAL adds; a preview shows it and changes nothing."""
    before = [phones(host) for host in MACCHANGE_SERVERS]
    remove = f"MACCHANGE=3010 MACATUAL={OLD} MACFUTURO= SERVER=gv1p"
    add = f"MACCHANGE=3012 MACATUAL= MACFUTURO={NEW} SERVER=gv3p"
    previews = operator.ask(f"{remove} SIMULAR", f"{CHANGE} SIMULAR", f"{add} SIMULAR")
    assert before == [phones(host) for host in MACCHANGE_SERVERS]
    for preview, mac in zip(previews, (OLD, NEW, NEW), strict=True):
        assert "Simulação: nada foi alterado" in text(preview)
        for file in ("users.conf", "macs.csv"):
            assert f"/etc/asterisk/{file}" in text(preview)
        assert re.search(rf"^\s*[+-].*{mac}", preview.get_body(("plain",)).get_content(), re.MULTILINE)
        assert "desfazer" not in text(preview)
        assert "inventada" not in everything(preview)  # the passwords in users.conf

    removed, added = operator.ask(remove, add)
    assert "Re: MACCHANGE=3010 — MAC removido em gv1p" == removed["Subject"]
    assert "" == arimonitor_has("gv1p", "3010")
    assert not any(OLD.encode() in file for file in phones("gv1p"))
    assert "Re: MACCHANGE=3012 — MAC acrescentado em gv3p" == added["Subject"]
    assert NEW == arimonitor_has("gv3p", "3012")
    assert all(NEW.encode() in file for file in phones("gv3p"))
    for reply in (removed, added):
        assert re.search(r"Para desfazer, envie: \[TOKEN\] DESFAZER [0-9]+ ", text(reply))
    assert before[1] == phones("gv2p")


REFUSED_AT_ONCE = {
    CHANGE.replace(NEW, "00005e0053"): "MACFUTURO: 00005e0053 Não são 12 dígitos, mas 10.",
    CHANGE.replace(OLD, "O10203040506"): "O caractere “O” não existe em um MAC. Esperado: 12 dígitos",
    CHANGE.replace(NEW, "00:00:00:00:00:00"): "Só zeros não é o MAC de nenhum aparelho.",
    CHANGE.replace(NEW, "FFFFFFFFFFFF"): "Só F é o endereço de todos, não o de um aparelho.",
    CHANGE.replace(NEW, "01-02-03-04-05-06"): "É igual a MACATUAL, e nada mudaria.",
    "MACCHANGE=3010 MACATUAL= MACFUTURO= SERVER=gv2p": "MACATUAL e MACFUTURO estão vazios.",
    CHANGE.replace("gv2p", "gvp2"): "um destes: gv1p, gv2p, gv3p. Você quis dizer gv2p?",
    CHANGE.replace("gv2p", "voip3"): "O servidor não participa deste comando.",
    CHANGE.replace("3010", "3010,3011"): "São vários ramais. Esperado: um só",
    f"MACCHANGE=3010 MACATUAL={OLD} SERVER=gv2p": "MACFUTURO Falta o campo, ou o sinal = depois dele.",
}


def test_what_cannot_be_right_is_refused_before_any_server_hears_of_it(operator):
    """Each mistake has its own sentence and a corrected command; a forgotten MACFUTURO removes nothing."""
    before = [phones(host) for host in MACCHANGE_SERVERS]
    with operator.dispatcher.nothing_runs():
        replies = operator.ask(*REFUSED_AT_ONCE)
    for said, reply in zip(REFUSED_AT_ONCE.values(), replies, strict=True):
        assert said in text(reply)
        assert re.search(
            r"PARA COPIAR \[TOKEN\] MACCHANGE=3010 MACATUAL=\w* MACFUTURO=\w+ SERVER=", text(reply)
        )
    assert before == [phones(host) for host in MACCHANGE_SERVERS]


REFUSED_BY_THE_SERVER = {
    "MACCHANGE=3011 MACATUAL=010203040506 MACFUTURO= SERVER=gv1p": "O MAC gravado no ramal 3011 não confere",
    "MACCHANGE=3011 MACATUAL= MACFUTURO=00005e0053aa SERVER=gv2p": (
        "O MAC gravado no ramal 3011 não confere com o MACATUAL enviado (nenhum)."
    ),
    "MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=00005e005311 SERVER=gv1p": (
        "O MAC 00:00:5e:00:53:11 já é usado em outro ramal: 3011."
    ),
    "MACCHANGE=3999 MACATUAL=010203040506 MACFUTURO=00005e0053aa SERVER=gv2p": "O ramal 3999 não existe em",
    "MACCHANGE=3019 MACATUAL=00005e005319 MACFUTURO=00005e0053aa SERVER=gv1p": (
        "O ramal 3019 aparece mais de uma vez em /etc/asterisk/users.conf (linhas"
    ),
    "MACCHANGE=3015 MACATUAL=010203040506 MACFUTURO=00005e0053aa SERVER=gv2p": (
        "Os arquivos do servidor não dizem o mesmo MAC para o ramal 3015."
    ),
}


def test_what_does_not_fit_the_server_is_refused_and_nothing_changes(operator):
    """Each refusal has its own sentence and what to do, and every file is as before, byte for byte."""
    before = [phones(host) for host in MACCHANGE_SERVERS]
    replies = operator.ask(*REFUSED_BY_THE_SERVER)
    for said, reply in zip(REFUSED_BY_THE_SERVER.values(), replies, strict=True):
        assert said in text(reply)
        assert "O QUE FAZER AGORA" in text(reply)
        assert "falhou em" in reply["Subject"]
    assert before == [phones(host) for host in MACCHANGE_SERVERS]


def test_a_panels_file_is_left_to_the_panel(operator):
    """A file that FreePBX writes is not touched: the panel would write it again without the change."""
    edit_phones("gv2p", "users.conf", lambda old: b"; Do not edit: this file is generated by FreePBX\n" + old)
    before = phones("gv2p")
    (reply,) = operator.ask(CHANGE)
    assert before == phones("gv2p")
    assert "O arquivo /etc/asterisk/users.conf é gerado pelo painel FreePBX" in text(reply)


def test_only_an_administrator_reads_the_true_mac(operator, administrator):
    """A wrong MACATUAL tells an operator nothing, in no part of the mail; an administrator reads the MAC."""
    guess = "MACCHANGE=3011 MACATUAL=010203040506 MACFUTURO=00005e0053aa SERVER="
    guesses = (f"{guess}gv1p", f"{guess}gv2p SIMULAR")
    for reply in operator.ask(*guesses):
        assert "00005e005311" not in everything(reply)
        assert "não confere" in text(reply)
    for reply in administrator.ask(*guesses):
        assert "MAC gravado: 00:00:5e:00:53:11." in text(reply)


def test_whatever_stands_in_the_way_leaves_every_file_as_it_was(operator):
    """An arimonitor that refuses, hangs or lies, and another change under way: the mail says which.

    As soon as nothing is in the way, the same mail works.
    """
    before = {host: phones(host) for host in MACCHANGE_SERVERS}
    commands = [CHANGE.replace("gv2p", host) for host in MACCHANGE_SERVERS]
    on("gv1p", "arimonitorctl refuse")
    on("gv2p", "arimonitorctl hang")
    put_back = "Os arquivos voltaram ao que eram, porque o arimonitor não"
    with busy("gv3p", STATE):
        *others, locked = operator.send(*commands)
        for message_id in others:
            reply = text(operator.read(message_id))
            assert f"{put_back} confirmou a mudança" in reply
            assert "Confira se o arimonitor está funcionando" in reply
            assert "desfazer" not in reply
        on("gv1p", "arimonitorctl lie")
        assert f"{put_back} mostra o MAC novo" in text(operator.ask(commands[0])[0])
        assert before == {host: phones(host) for host in MACCHANGE_SERVERS}

        on("gv1p", "arimonitorctl accept")
        assert "MAC trocado em gv1p" in operator.ask(commands[0])[0]["Subject"]
        assert NEW == arimonitor_has("gv1p", "3010")
        assert "Outra mudança está em andamento neste servidor." in text(operator.read(locked))
    assert before["gv3p"] == phones("gv3p")


@pytest.mark.long  # DESFAZER runs the same playbook
def test_an_administrator_undoes_by_the_transaction_of_the_mail(administrator):
    """The id in the answer is what macchange_undo.yml takes: every byte is back."""
    before = phones("gv2p")
    (reply,) = administrator.ask(CHANGE)
    assert before != phones("gv2p")
    given = re.search(
        r"playbooks/macchange_undo\.yml (--limit gv2p -e macchange_transaction=\S+) ", text(reply)
    )
    playbook("macchange_undo.yml", *given[1].split())
    assert before == phones("gv2p")
