"""What is no valid command gets an answer that teaches, or silence, and never a run."""

import time

import pytest

from lab.send import build, hand_in, send
from tests.road import DISPATCHER, OPERATOR, Mailbox


def text(mail) -> str:
    return mail.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    ("command", "words", "corrected"),
    [
        ("CHECKIP=3.3.3", "3.3.3", "CHECKIP=203.0.113.7"),
        ("CHECKIP=3.3.3.3.3", "3.3.3.3.3", "CHECKIP=203.0.113.7"),
        ("CHECKIP=gv1p", "gv1p", "CHECKIP=203.0.113.7"),
        ("CHECKIP=3.3.3.0/24", "3.3.3.0/24", "CHECKIP=203.0.113.7"),
        ("CHECKIP=127.0.0.1", "127.0.0.1", "CHECKIP=203.0.113.7"),
        ("CHECKIP=", "CHECKIP", "CHECKIP=203.0.113.7"),
        ("CHECKIP=003.3.3.3", "003.3.3.3", "CHECKIP=3.3.3.3"),
        ("CHEKIP=3.3.3.3", "CHEKIP", "CHECKIP=3.3.3.3"),
        ("FAZTUDO=1", "CHECKIP", "CHECKIP=203.0.113.7"),
        ("CHECKIP={{ lookup('pipe','touch /tmp/athome-injected') }}", "CHECKIP", "CHECKIP=203.0.113.7"),
        ("СHECKIP=3.3.3.3", "С", "CHECKIP=203.0.113.7"),  # the first letter is Cyrillic
        ("", "", "CHECKIP=203.0.113.7"),
    ],
)
def test_a_bad_command_is_answered_with_its_field_and_a_subject_to_copy(
    dispatcher, command, words, corrected
):
    """The answer names what was found and shows a whole corrected subject; nothing runs."""
    before = len(dispatcher.jobs())
    reply = dispatcher.ask(command)
    assert words in text(reply)
    assert corrected in text(reply)
    assert dispatcher.token not in reply.as_string()
    assert before == len(dispatcher.jobs())


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
    before = len(dispatcher.jobs())
    reply = operator.answer(dispatcher.write(subject))
    assert "Token Inválido" in reply["Subject"]
    assert before == len(dispatcher.jobs())


def silent(dispatcher, message_ids: list[str], *mailboxes: Mailbox) -> None:
    """Pass when none of these was answered or run, although a valid mail after them has been answered."""
    before = len(dispatcher.jobs())
    dispatcher.ask("CHECKIP=3.3.3")  # behind them in the same queue
    assert before == len(dispatcher.jobs())
    for mailbox in mailboxes:
        for message_id in message_ids:
            assert [] == mailbox.answers(message_id)


def test_whoever_is_not_on_the_list_hears_nothing(dispatcher, lab):
    """A stranger with valid DKIM and even a valid token learns nothing from us."""
    strangers = [
        send("estranho@outside.example", DISPATCHER, f"[{dispatcher.token}] CHECKIP=3.3.3.3"),
        send("estranho@outside.example", DISPATCHER, "hello"),
    ]
    silent(dispatcher, strangers, Mailbox(lab, "estranho@outside.example"))


def test_a_mail_that_only_claims_to_be_from_staff_does_nothing(dispatcher, operator):
    """An unsigned mail with the operator's From and the right token is not believed."""
    forged = build(OPERATOR, DISPATCHER, f"[{dispatcher.token}] CHECKIP=3.3.3.3")
    hand_in(forged.as_bytes(), "estranho@outside.example", DISPATCHER)
    silent(dispatcher, [forged["Message-ID"]], operator)


def test_automatic_mail_is_never_answered(dispatcher, operator):
    """Vacation notices, lists and bounces end here, also when they carry a token."""
    subject = f"[{dispatcher.token}] CHECKIP=3.3.3.3"
    automatic = [
        dispatcher.write(subject, headers={"Auto-Submitted": "auto-replied"}),
        dispatcher.write(subject, headers={"Precedence": "bulk"}),
        dispatcher.write(subject, headers={"List-Id": "<x.lab.example>"}),
    ]
    silent(dispatcher, automatic, operator)


def test_the_same_mail_twice_runs_once(dispatcher, operator):
    """A redelivered Message-ID makes no second job and no second answer."""
    message_id = "<twice@lab.example>"
    for _ in range(2):
        dispatcher.write(f"[{dispatcher.token}] CHECKIP=203.0.113.8", message_id=message_id)
    operator.answer(message_id)
    before = len(dispatcher.jobs())
    silent(dispatcher, [])
    assert before == len(dispatcher.jobs())
    assert 1 == len(operator.answers(message_id))


def test_a_mail_that_cannot_be_parsed_is_parked(dispatcher, lab):
    """It is kept for a person in the Parked folder, not lost and not tried for ever; the intake goes on."""
    broken = (
        b"From: operador@lab.example\r\nFrom: admin@lab.example\r\nTo: athome@lab.example\r\n"
        b"Subject: [00000000] CHECKIP=3.3.3.3\r\nMessage-ID: <parked@lab.example>\r\n\r\n"
    )
    hand_in(broken, "operador@lab.example", DISPATCHER)
    silent(dispatcher, [])
    mailbox = Mailbox(lab, DISPATCHER)
    assert "<parked@lab.example>" in [mail["Message-ID"] for mail in mailbox.mails("Parked")]
    assert "<parked@lab.example>" not in [mail["Message-ID"] for mail in mailbox.mails("INBOX")]


def test_the_inbox_is_empty_when_all_is_done(dispatcher, lab):
    """Every mail of these tests has been dealt with and put away."""
    deadline = time.monotonic() + 20
    while Mailbox(lab, DISPATCHER).mails("INBOX"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
