"""`athome senders`: lists of the predecessor, and what is said of a mistake."""

import json

import pytest
from click.testing import CliRunner

from dispatcher.cli import athome
from dispatcher.errors import AthomeError
from dispatcher.jobs.database import connect
from dispatcher.jobs.schema import outbox


@pytest.fixture
def shell(tmp_path):
    settings = tmp_path / "settings.yml"
    settings.write_text(
        f"state_dir: {tmp_path}/state\nmail: {{address: athome@example.com, authserv_id: mail.example.com}}\n"
    )

    def run(*arguments, given=None):
        return CliRunner().invoke(athome, ["--settings", str(settings), "senders", *arguments], input=given)

    run.url = f"sqlite:///{tmp_path}/state/athome.db"
    return run


def addresses(shell):
    return [one["address"] for one in json.loads(shell("list", "--json").output)]


@pytest.mark.parametrize(
    "given",
    [
        "a@example.com\nb@example.com\n",
        "a@example.com, B@Example.com;a@example.com",
        "\ufeffMODE=master\nEMAIL_PASSWORD=x@y.example\nWHITELIST=a@example.com,b@example.com # equipe\n",
        'whitelist = "a@example.com , <b@example.com>"\n',
    ],
)
def test_a_list_of_the_predecessor_is_taken_over(shell, given):
    """One address a line, with commas, or in WHITELIST= of a file of which nothing else is read."""
    done = shell("import", "-", given=given)
    assert 0 == done.exit_code, done.output
    assert ["a@example.com", "b@example.com"] == addresses(shell)
    again = shell("import", "-", given=given)
    assert (0, 2) == (again.exit_code, again.output.count("já estava autorizado") - (";a@" in given))


def test_what_is_no_address_is_named_with_its_line(shell):
    """The others are taken; the exit code says that something is left."""
    done = shell("import", "-", given="a@example.com\n\nana(at)example.com\n")
    assert (65, True) == (done.exit_code, "linha 3: 'ana(at)example.com'" in done.output)
    assert ["a@example.com"] == addresses(shell)


def test_a_command_that_there_is_not_is_refused(shell):
    """With the nearest one; the same keyword twice is one."""
    shell("add", "a@example.com")
    wrong = shell("set", "a@example.com", "--commands", "CHEKIP")
    assert (2, True) == (wrong.exit_code, "Quis dizer CHECKIP?" in wrong.output)
    assert 2 == shell("set", "a@example.com", "--commands", " , ").exit_code
    assert 2 == shell("set", "a@example.com").exit_code
    shell("set", "a@example.com", "--commands", "checkip ramais,CHECKIP")
    assert "CHECKIP RAMAIS" in shell("list").output
    shell("set", "a@example.com", "--commands", "tudo")
    assert [None] == [one["commands"] for one in json.loads(shell("list", "--json").output)]


def test_administrators_are_told_of_what_the_shell_does(shell):
    """Each change is a mail to each of them; who is new hears of it where that is asked for."""
    shell("add", "chefe@example.com", "--role", "administrador")
    shell("add", "a@example.com", "--welcome")
    shell("set", "a@example.com", "--language", "en")
    with connect(shell.url).begin() as connection:
        due = connection.execute(outbox.select().order_by(outbox.c.id)).all()
    kinds = [(row.recipient.partition("@")[0], row.message_id.partition(".")[0][1:]) for row in due]
    assert [
        ("chefe", "whitelist_told"),
        ("a", "welcome"), ("chefe", "whitelist_told"),
        ("chefe", "whitelist_told"),
    ] == kinds  # fmt: skip


def test_the_last_administrator_stays(shell):
    """Neither removed nor demoted; the sentence says what to do first."""
    shell("add", "chefe@example.com", "--role", "administrador")
    for arguments in (("remove", "chefe@example.com"), ("set", "chefe@example.com", "--role", "operador")):
        done = shell(*arguments)
        assert isinstance(done.exception, AthomeError)
        assert "--role administrador" in done.exception.way_out
    assert ["add"] == [one["action"] for one in json.loads(shell("history", "--json").output)]
