"""What is no valid command gets an answer that teaches, or silence, and never a run."""

from contextlib import contextmanager
from email.utils import make_msgid
from pathlib import Path

import pytest

from lab.send import build, hand_in, send
from tests.road import DISPATCHER, OPERATOR, Mailbox, waited

TOUCHED = Path("/tmp/athome-injected")
EXAMPLE = "CHECKIP=203.0.113.7"


def text(mail) -> str:
    """Return the words of a mail, however its lines are broken."""
    return " ".join(mail.get_body(("plain",)).get_content().split())


TEMPLATE = f"CHECKIP={{{{ lookup('pipe','touch {TOUCHED}') }}}}"


@pytest.mark.parametrize(
    ("command", "said", "corrected"),
    [
        ("CHECKIP=3.3.3", "CHECKIP: 3.3.3 Não é um endereço IP. Esperado: um IPv4", EXAMPLE),
        ("CHECKIP=3.3.3.3.3", "CHECKIP: 3.3.3.3.3 Não é um endereço IP. Esperado: um IPv4", EXAMPLE),
        ("CHECKIP=gv1p", "CHECKIP: gv1p É um nome, não um endereço IP.", EXAMPLE),
        ("CHECKIP=3.3.3.0/24", "CHECKIP: 3.3.3.0/24 É uma rede (/24), não um endereço.", EXAMPLE),
        ("CHECKIP=127.0.0.1", "CHECKIP: 127.0.0.1 É um endereço interno de cada máquina", EXAMPLE),
        ("CHECKIP=", "CHECKIP Falta o valor depois do sinal =.", EXAMPLE),
        ("CHECKIP=003.3.3.3", "CHECKIP: 003.3.3.3 Não é um endereço IP.", "CHECKIP=3.3.3.3"),
        ("CHEKIP=3.3.3.3", "CHEKIP=3.3.3.3 O comando não existe.", "CHECKIP=3.3.3.3"),
        ("FAZTUDO=1", "FAZTUDO=1 O comando não existe. Esperado: um destes: CHECKIP", EXAMPLE),
        (TEMPLATE, f"{TEMPLATE} Chaves duplas e outros sinais de modelo não são aceitos.", EXAMPLE),
        # the first letter is Cyrillic
        ("СHECKIP=3.3.3.3", "СHECKIP=3.3.3.3 O caractere “С” (U+0421) não é aceito", EXAMPLE),
        ("", "Assunto O assunto não tem comando.", EXAMPLE),
    ],
)
def test_a_bad_command_is_answered_with_its_field_and_a_subject_to_copy(
    dispatcher, operator, command, said, corrected
):
    """The answer shows what was found, says what is wrong with it and gives a whole subject to copy."""
    TOUCHED.unlink(missing_ok=True)
    with dispatcher.nothing_runs():
        message_id = dispatcher.write(f"[{dispatcher.token}] {command}")
        assert [("refused", "grammar")] == dispatcher.verdicts(message_id)
    reply = text(operator.answer(message_id))
    assert said in reply
    assert f"ASSUNTO CORRETO, PARA COPIAR [TOKEN] {corrected} " in reply
    assert not TOUCHED.exists()


@pytest.mark.parametrize(
    "subject",
    [
        "[00000000] CHECKIP=3.3.3.3",
        "[7E57] CHECKIP=3.3.3.3",
        "CHECKIP=3.3.3.3",
        "[zzzzzzzz] CHECKIP=3.3.3.3",
        "[] X",
    ],
)
def test_a_wrong_or_malformed_token_is_refused_with_the_same_words(dispatcher, operator, subject):
    """An authenticated sender hears that the token is invalid, and no more than that; nothing runs."""
    with dispatcher.nothing_runs():
        message_id = dispatcher.write(subject)
        assert [("refused", "token")] == dispatcher.verdicts(message_id)
    assert "Erro - Token Inválido" in operator.answer(message_id)["Subject"]


@contextmanager
def silence(dispatcher, message_ids: dict[str, str], *mailboxes: Mailbox):
    """Pass when each mail sent meanwhile got a silent verdict by its rule, no job and no answer.

    `message_ids` is filled in the block: {Message-ID: the rule that has to stop it}. At the end a valid mail
    goes the whole road: an answer that was written before its own would have come before it.
    """
    answers = dispatcher.last("outbox")
    with dispatcher.nothing_runs():
        yield
        assert message_ids
        for message_id, rule in message_ids.items():
            assert [("silent", rule)] == dispatcher.verdicts(message_id)
    assert answers == dispatcher.last("outbox")
    dispatcher.ask("CHECKIP=3.3.3")
    for mailbox in mailboxes:
        for message_id in message_ids:
            assert [] == mailbox.answers(message_id)


def test_whoever_is_not_on_the_list_hears_nothing(dispatcher, lab):
    """A stranger with valid DKIM and even a valid token learns nothing from us."""
    stranger, sent = "estranho@outside.example", {}
    with silence(dispatcher, sent, Mailbox(lab, stranger)):
        sent[send(stranger, DISPATCHER, f"[{dispatcher.token}] CHECKIP=3.3.3.3")] = "whitelist"
        sent[send(stranger, DISPATCHER, "hello")] = "whitelist"


def test_a_mail_that_only_claims_to_be_from_staff_does_nothing(dispatcher, operator):
    """An unsigned mail with the operator's From and the right token is not believed."""
    sent = {}
    with silence(dispatcher, sent, operator):
        forged = build(OPERATOR, DISPATCHER, f"[{dispatcher.token}] CHECKIP=3.3.3.3")
        hand_in(forged.as_bytes(), "estranho@outside.example", DISPATCHER)
        sent[forged["Message-ID"]] = "authentication"


def test_automatic_mail_is_never_answered(dispatcher, operator):
    """Vacation notices, lists and bounces end here, also when they carry a token."""
    subject, sent = f"[{dispatcher.token}] CHECKIP=3.3.3.3", {}
    with silence(dispatcher, sent, operator):
        for name, value in (
            ("Auto-Submitted", "auto-replied"), ("Precedence", "bulk"), ("List-Id", "<x.lab.example>"),
        ):  # fmt: skip
            sent[dispatcher.write(subject, headers={name: value})] = "automatic"


def test_the_same_mail_twice_runs_once(dispatcher, operator):
    """A redelivered Message-ID makes no second job, and at most its one answer goes out again."""
    message_id, subject = make_msgid(domain="lab.example"), f"[{dispatcher.token}] CHECKIP=203.0.113.8"
    jobs, answers = dispatcher.last("jobs"), dispatcher.last("outbox")
    for _ in range(2):
        dispatcher.write(subject, message_id=message_id)
    assert [("admitted", "token"), ("repeated", "replay")] == dispatcher.verdicts(message_id, deliveries=2)
    operator.answer(message_id)
    assert jobs + 1 == dispatcher.last("jobs")
    assert answers + 1 == dispatcher.last("outbox")
    dispatcher.ask("CHECKIP=3.3.3")  # a second answer would come before this one's
    assert 1 == len({mail["Message-ID"] for mail in operator.answers(message_id)})


def test_a_mail_that_cannot_be_parsed_is_parked(dispatcher, lab):
    """It is kept for a person in the Parked folder, not lost and not tried for ever; the intake goes on."""
    message_id, seen, answers = (
        make_msgid(domain="lab.example"),
        *map(dispatcher.last, ("messages", "outbox")),
    )
    broken = (
        "From: operador@lab.example\r\nFrom: admin@lab.example\r\nTo: athome@lab.example\r\n"
        f"Subject: [{dispatcher.token}] CHECKIP=3.3.3.3\r\nMessage-ID: {message_id}\r\n\r\n"
    )
    with dispatcher.nothing_runs():
        hand_in(broken.encode(), "operador@lab.example", DISPATCHER)
        # A header that can be read in two ways is not read: the audit does not know the Message-ID either.
        query = "SELECT message_id, verdict, rule FROM messages WHERE id > ?"
        looked_at = waited(lambda: dispatcher.rows(query, seen), "the mail was not looked at")
        assert [(None, "silent", "headers")] == looked_at
    assert answers == dispatcher.last("outbox")
    mailbox = Mailbox(lab, DISPATCHER)
    waited(
        lambda: message_id in [mail["Message-ID"] for mail in mailbox.mails("Parked")], "it was not parked"
    )
    assert message_id not in [mail["Message-ID"] for mail in mailbox.mails("INBOX")]
    assert dispatcher.ask("CHECKIP=3.3.3")


def test_the_inbox_is_empty_when_all_is_done(dispatcher, lab):
    """Every mail of these tests has been dealt with and put away."""
    waited(lambda: not Mailbox(lab, DISPATCHER).mails("INBOX"), "the inbox was not empty")
