"""``athome tokens`` and ``athome audit``: an enrolment at a real terminal, the rest in this process."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path

import pyotp
import pytest
import segno
import yaml

from dispatcher.cli import main
from dispatcher.jobs.database import connect
from dispatcher.jobs.store import Delivery, Store
from dispatcher.mail.proof import Proof
from dispatcher.mail.senders import Senders
from dispatcher.mail.tokens import Tokens

ATHOME = Path(sys.executable).parent / "athome"
PEPPER = "invented for tests only"
ANA = "ana@lab.example"
URI = re.compile(r"^otpauth://.*$", re.MULTILINE)


class Shell:
    """``athome`` with settings, a database and a sender of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "settings.yml"
        (folder / "pepper").write_text(PEPPER)
        self.settings.write_text(
            yaml.safe_dump(
                {
                    "state_dir": "state",
                    "timezone": "America/Sao_Paulo",
                    "tokens": {"pepper_file": "pepper"},
                    "mail": {"address": "athome@lab.example", "authserv_id": "mail.lab.example"},
                }
            )
        )
        self.engine = connect(f"sqlite:///{folder}/state/athome.db")
        self.tokens = Tokens(self.engine, PEPPER.encode())
        Senders(self.engine).add(ANA)

    def athome(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
        """Run ``athome`` as it is installed."""
        return subprocess.run(
            [ATHOME, "--settings", self.settings, *arguments],
            input=stdin, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def done(self, *arguments: str, stdin: str = "") -> str:
        ended = self.athome(*arguments, stdin=stdin)
        assert 0 == ended.returncode, ended.stderr
        return ended.stdout.strip()

    def list(self) -> list:
        return self.tokens.all(ANA)

    def proves(self, token: str, arrived: float | None = None) -> bool:
        return isinstance(self.tokens.prove(ANA, token, time.time() if arrived is None else arrived), Proof)


class Here(Shell):
    """The same without a second to start it: the program's main function, in this process."""

    def athome(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
        out, err = StringIO(), StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["athome", "--settings", str(self.settings), *arguments])
            patch.setattr(sys, "stdin", StringIO(stdin))
            with pytest.raises(SystemExit) as ended:
                main()
        return subprocess.CompletedProcess(arguments, ended.value.code, out.getvalue(), err.getvalue())


@pytest.fixture
def installed(tmp_path):
    return Shell(tmp_path)


@pytest.fixture
def shell(tmp_path):
    return Here(tmp_path)


def test_the_life_of_a_token(shell):
    """Issued with an expiry, listed without its digits, disabled, enabled, revoked: each counts at once."""
    token = shell.done("tokens", "issue", ANA, "--description", "celular", "--expires", "90d")
    assert re.fullmatch("[0-9A-F]{8}", token)
    (listed,) = json.loads(shell.done("tokens", "list", "--json"))
    assert ("static", "enabled", "celular", ANA, None) == tuple(
        listed[name] for name in ("kind", "state", "description", "sender", "used_at")
    )
    assert 90 * 86400 == pytest.approx(listed["expires_at"] - listed["issued_at"], abs=60)
    assert shell.proves(token)
    shell.done("tokens", "disable", "1")
    assert (False, "disabled") == (shell.proves(token), shell.list()[0].state)
    shell.done("tokens", "enable", "1")
    assert shell.proves(token)
    table = shell.done("tokens", "list", ANA)
    assert "celular" in table
    assert token not in table
    shell.done("tokens", "revoke", "1")
    assert (False, []) == (shell.proves(token), shell.list())


def test_rotation(shell):
    """The new token has the old one's description and duration; the old one counts for the overlap."""
    first = shell.done("tokens", "issue", ANA, "--description", "celular", "--expires", "30d")
    second = shell.done("tokens", "rotate", "1", "--overlap", "7d")
    assert shell.proves(first)
    assert shell.proves(second)
    old, new = shell.list()
    assert 7 * 86400 == pytest.approx(old.expires_at - time.time(), abs=60)
    assert 30 * 86400 == pytest.approx(new.expires_at - new.issued_at, abs=60)
    assert "celular" == new.description
    third = shell.done("tokens", "rotate", "2")
    assert [True, False, True] == [shell.proves(token) for token in (first, second, third)]


def test_a_date_is_the_end_of_its_day(shell):
    """In the settings' time zone: what is to count until the 31st counts on the 31st."""
    shell.done("tokens", "issue", ANA, "--expires", "31/12/2098")
    shell.done("tokens", "issue", ANA, "--expires", "2098-12-31 18:00")
    assert [4_070_919_600.0, 4_070_898_000.0] == [token.expires_at for token in shell.list()]


def read(blocks: str) -> list[list[int]]:
    """Return the modules of a code drawn with half blocks, without its quiet zone of two; dark is 1."""
    upper, lower = {"█": "00", "▀": "01", "▄": "10", " ": "11"}, []
    for line in blocks.splitlines():
        pairs = [upper[block] for block in line]
        lower += [[int(pair[0]) for pair in pairs], [int(pair[1]) for pair in pairs]]
    size = len(lower[0])
    return [row[2 : size - 2] for row in lower[2 : size - 2]]


def test_an_enrolment(shell):
    """The QR in the terminal and the private PNG are those of the address, and the app's codes count."""
    picture = shell.folder / "qr.png"
    shown = shell.done("tokens", "enroll", ANA, "--png", str(picture), "--no-confirm")
    (uri,) = URI.findall(shown)
    drawn = shown.partition("otpauth")[0].strip("\n")
    expected = segno.make(uri, error="m", micro=False)
    assert [list(row) for row in expected.matrix] == read(drawn)
    expected.save(shell.folder / "expected.png", scale=8, border=4)
    assert (shell.folder / "expected.png").read_bytes() == picture.read_bytes()
    assert 0o600 == picture.stat().st_mode & 0o777
    assert shell.proves(pyotp.parse_uri(uri).now())
    assert ("totp", "enabled") == (shell.list()[0].kind, shell.list()[0].state)
    assert pyotp.parse_uri(uri).secret not in (shell.folder / "state/athome.db").read_bytes().decode(
        "latin-1"
    )


def test_an_enrolment_that_is_not_confirmed_leaves_nothing(shell):
    """Three wrong first codes, or none at all: no token, no picture, and a sentence."""
    picture = shell.folder / "qr.png"
    ended = shell.athome("tokens", "enroll", ANA, "--png", str(picture), "--confirm", stdin="1\n2\n3\n")
    assert 65 == ended.returncode
    assert "aceita 8 dígitos" in ended.stderr
    assert 1 == shell.athome("tokens", "enroll", ANA, "--png", str(picture), "--confirm").returncode
    assert ([], False) == (shell.list(), picture.exists())


def test_a_terminal_is_asked_for_the_first_code(installed):
    """Who sits at a terminal confirms without having to ask for it, and sees dark on light in any theme."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [ATHOME, "--settings", installed.settings, "tokens", "enroll", ANA],
        stdin=terminal, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    shown = ""
    try:
        while "Primeiro código" not in shown:
            shown += os.read(controller, 65536).decode("utf-8", "ignore")
        uri = URI.findall(shown.replace("\r", ""))[0]
        os.write(controller, f"{pyotp.parse_uri(uri).now()}\n".encode())
        with suppress(OSError):  # closed on the other side
            while os.read(controller, 65536):
                pass
        assert 0 == process.wait(30)
    finally:
        process.kill()
        os.close(controller)
    assert "\x1b[97;40m█" in shown
    assert 1 == len(installed.list())


def test_no_picture_is_written_over(shell):
    """A file that is there stays as it is, and nothing is enrolled."""
    picture = shell.folder / "qr.png"
    picture.write_text("mine")
    ended = shell.athome("tokens", "enroll", ANA, "--png", str(picture))
    assert 65 == ended.returncode
    assert "--png" in ended.stderr
    assert ("mine", []) == (picture.read_text(), shell.list())


def test_the_predecessors_tokens(shell):
    """Each becomes a digest of the sender's, enabled or not as it was; once more changes nothing."""
    entries = [
        {"token": "7e57c0de", "description": "celular", "enabled": True},
        {"token": "7E57D15A", "description": "antigo", "enabled": False},
        {"token": "7E57AD00"},
    ]
    file = shell.folder / "tokens.json"
    file.write_text(json.dumps({"tokens": entries}))
    before = file.read_bytes()
    for _ in range(2):
        shell.done("tokens", "import", str(file), "--sender", ANA)
    assert before == file.read_bytes()
    assert [("celular", "enabled"), ("antigo", "disabled"), ("", "enabled")] == [
        (token.description, token.state) for token in shell.list()
    ]
    assert [True, False, True] == [shell.proves(token) for token in ("7E57C0DE", "7E57D15A", "7E57AD00")]


def test_what_is_wrong_in_the_predecessors_file_is_named_and_not_shown(shell):
    """The good ones are taken; the others are named by their place, without their digits."""
    entries = [
        {"token": "7E57C0DE"}, {"token": "7E57BAD"}, "7E57BAD1", {"description": "x"},
        {"token": "7E57BAD2", "enabled": "yes"},
    ]  # fmt: skip
    ended = shell.athome("tokens", "import", "-", "--sender", ANA, stdin=json.dumps({"tokens": entries}))
    assert 65 == ended.returncode
    assert [f"item {number}: " in ended.stderr for number in range(1, 6)] == [False, True, True, True, True]
    assert "7E57" not in ended.stderr + ended.stdout
    assert 1 == len(shell.list())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("issue", "eva@lab.example"), 65, "athome senders add"),
        (("issue", "eva"), 65, "athome senders add"),
        (("enroll", "eva@lab.example"), 65, "athome senders add"),
        (("issue", ANA, "--expires", "90x"), 2, "31/12/2026 18:00"),
        (("issue", ANA, "--expires", "2026-02-31"), 2, "31/12/2026 18:00"),
        (("issue", ANA, "--expires", "2020-01-01"), 65, "já passou"),
        (("issue", ANA, "--expires", "0"), 65, "já passou"),
        (("rotate", "1", "--overlap", "ontem"), 2, "12h"),
        (("rotate", "9"), 65, "athome tokens list"),
        (("revoke", "9"), 65, "athome tokens list"),
        (("disable", "9"), 65, "athome tokens list"),
        (("list", "eva"), 65, "athome senders add"),
        (("import", "/dev/null", "--sender", ANA), 65, '{"tokens": ['),
    ],
)
def test_bad_input_gets_a_sentence(shell, arguments, code, words):
    """What is wrong, and what to write instead; nothing is issued."""
    ended = shell.athome("tokens", *arguments)
    assert (code, True) == (ended.returncode, words in ended.stderr), ended.stderr
    assert "Traceback" not in ended.stderr
    assert [] == shell.list()


def test_english(shell, monkeypatch):
    """ATHOME_LANGUAGE has the table and the sentences in English."""
    monkeypatch.setenv("ATHOME_LANGUAGE", "en")
    shell.done("tokens", "issue", ANA)
    english = shell.done("tokens", "list")
    assert "Last used" in english
    assert "fixed" in english


def test_the_audit(shell):
    """Filtered by sender, verdict and age, as a table and as JSON, and purged by the settings' days."""
    store = Store(shell.engine)
    for uid, (sender, verdict, days) in enumerate(
        ((ANA, "admitted", 0), ("eva@x.example", "silent", 2), (ANA, "refused", 400)), start=1
    ):
        with pytest.MonkeyPatch.context() as patch:
            at = time.time() - days * 86400
            patch.setattr("dispatcher.jobs.store.time.time", lambda at=at: at)
            store.take(
                Delivery(
                    folder="INBOX", uidvalidity=1, uid=uid, sender=sender, message_id=f"<{uid}@x>",
                    subject=f"sub{uid} \x1b[31m\u202e", verdict=verdict, rule="token", reason="why",
                )
            )  # fmt: skip

    def found(*arguments):
        return [json.loads(line)["id"] for line in shell.done("audit", "--json", *arguments).splitlines()]

    assert [1, 2, 3] == found()
    assert [1, 3] == found("--sender", "ANA@lab.example")
    assert [1] == found("--since", "24h")
    assert [3] == found("--until", "300d")
    assert [2, 3] == found("--verdict", "silent", "--verdict", "refused")
    assert [] == found("--rule", "grammar")
    table = shell.done("audit")
    assert all(f"sub{uid}" in table for uid in (1, 2, 3))
    assert not {"\x1b", "\u202e"} & set(table)
    assert "1 e-mail de mais de 365 dias" in shell.done("audit", "--purge")
    assert [1, 2] == found()
