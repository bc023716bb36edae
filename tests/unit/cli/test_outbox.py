"""At the shell, a person sees what has not arrived, tries it again or drops it."""

import json
import time

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select, update

from dispatcher.cli import athome
from dispatcher.jobs.database import connect
from dispatcher.jobs.schema import outbox

MAIL = (
    "From: ATHome <athome@example.com>\r\nTo: ana@example.com\r\nSubject: =?utf-8?q?Usu=C3=A1rio?=\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n\r\nOlá [b]\x1b[31m\r\n"
).encode()


@pytest.fixture
def shell(tmp_path):
    """Run ``athome outbox`` with these arguments, beside a database with one mail in each state."""
    settings = tmp_path / "settings.yml"
    settings.write_text(f"state_dir: {tmp_path}\n")
    engine = connect(f"sqlite:///{tmp_path}/athome.db")
    with engine.begin() as connection:
        for number, state in enumerate(
            ("waiting", "sending", "sending", "sent", "dead", "bounced", "dropped"), 1
        ):
            in_hand = number == 2
            connection.execute(
                insert(outbox).values(
                    id=number, message_id=f"<{number}@example.com>", recipient="ana@example.com",
                    message=MAIL, state=state, attempts=number, created_at=1_700_000_000.0,
                    not_before=time.time() + (600 if in_hand else 0),
                    sent_at=None if state == "waiting" else 1_700_000_001.0,
                    error="421 later" if not in_hand else None,
                )
            )  # fmt: skip

    def run(*arguments):
        return CliRunner().invoke(athome, ["--settings", str(settings), "outbox", *arguments])

    def rows():
        with engine.begin() as connection:
            columns = select(outbox.c.state, outbox.c.attempts, outbox.c.error, outbox.c.not_before)
            return [tuple(row) for row in connection.execute(columns.order_by(outbox.c.id))]

    run.rows = rows
    return run


def test_the_list_is_what_is_not_done_with(shell):
    """Waiting, doubtful, refused and bounced mails, newest first, with reason; the others on request."""
    lines = shell("list").output.splitlines()
    assert ["6", "5", "3", "2", "1"] == [line.split()[0] for line in lines[1:]]
    assert "devolvido" in lines[1]
    assert "421 later" in lines[1]
    assert [7] == [
        letter["id"] for letter in json.loads(shell("list", "--state", "dropped", "--json").output)
    ]
    assert "Nenhum e-mail." not in shell("list").output


def test_one_is_shown_with_its_text(shell):
    """Whom it goes to, what became of it, and what it says; nothing in it moves the terminal's cursor."""
    out = shell("show", "5").output
    for said in ("recusado", "421 later", "ana@example.com", "Usuário", "<5@example.com>", "Olá [b][31m"):
        assert said in out
    assert "\x1b" not in out
    assert MAIL == shell("show", "5", "--raw").stdout_bytes


@pytest.mark.parametrize("number", [1, 5, 6, 7])
def test_a_retry_begins_anew(shell, number):
    """Refused, bounced, dropped and waiting mails are due at once, and wait as little as new ones."""
    assert 0 == shell("retry", str(number)).exit_code
    assert ("waiting", 0, None, 0.0) == shell.rows()[number - 1]


def test_a_retry_of_a_doubt_stays_a_doubt(shell):
    """It is looked for in the folder of sent mails at once, not sent blindly."""
    assert 0 == shell("retry", "3").exit_code
    assert ("sending", 3, "421 later", 0.0) == shell.rows()[2]


@pytest.mark.parametrize("verb", ["retry", "drop"])
@pytest.mark.parametrize(("number", "said"), [("4", "já aceitou"), ("2", "sendo entregue"), ("99", "Não há")])
def test_what_cannot_be_changed_is_said(shell, verb, number, said):
    """A mail that was sent, one in the server's hands, and one that does not exist: an error, no change."""
    before = shell.rows()
    answer = shell(verb, number)
    assert answer.exit_code != 0
    assert said in str(answer.exception)
    assert before == shell.rows()


def test_a_mail_whose_text_is_forgotten_cannot_go_again(shell, tmp_path):
    """An empty mail helps nobody: the error says to ask for the command once more."""
    with connect(f"sqlite:///{tmp_path}/athome.db").begin() as connection:
        connection.execute(update(outbox).where(outbox.c.id == 6).values(message=b""))
    assert "já foi apagado" in str(shell("retry", "6").exception)
    assert "bounced" == shell.rows()[5][0]


def test_what_is_dropped_stays_in_sight(shell):
    """Several at once; each keeps its reason."""
    assert 0 == shell("drop", "1", "5").exit_code
    assert ["dropped", "dropped"] == [shell.rows()[at][0] for at in (0, 4)]
    assert "421 later" == shell.rows()[4][2]
