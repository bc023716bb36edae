"""``athome import-legacy``: two machines' files, with an account of every field."""

import json
import shutil
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from dispatcher.cli import athome
from dispatcher.errors import SettingsError
from dispatcher.inventory import InventorySource
from dispatcher.jobs.database import connect
from dispatcher.legacy import apply
from dispatcher.legacy.files import LegacyError
from dispatcher.mail.proof import Proof
from dispatcher.mail.senders import Senders
from dispatcher.mail.tokens import Tokens
from dispatcher.settings import load

SAMPLES = Path(__file__).parent / "samples"
PASSWORD = "invented #1 password"
PEPPER = "invented for tests only"
ANA, BIA = "ana@example.com", "bia@example.com"
SECRETS = (PASSWORD, "invented", "7E57AB1E", "7e57d15a", "7E57D15A")


class Move:
    """The predecessor's folders, and a folder that is to become an installation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.old = folder / "old"
        self.out = folder / "etc"
        self.settings = self.out / "settings.yml"
        shutil.copytree(SAMPLES, self.old)

    def __call__(
        self, *arguments: str, code: int = 65, machines: tuple[str, ...] = ("audio", "audio2")
    ) -> str:
        """Run the command, and return what it says: never a secret."""
        folders = [str(self.old / name) for name in machines]
        command = ["--settings", str(self.settings), "import-legacy", *folders, *arguments]
        done = CliRunner().invoke(athome, command, env={"COLUMNS": "200"})
        assert code == done.exit_code, done.output + str(done.exception)
        assert [] == [secret for secret in SECRETS if secret in done.output]
        return done.output

    def complete(self) -> None:
        """Fill in what is marked, and give the key of the tokens."""
        form = self.settings.read_text()
        assert form.count("PREENCHA") == 1 + 3
        document = yaml.safe_load(form)
        document["imap"]["user"] = document["smtp"]["user"] = document["mail"]["address"] = "c@example.com"
        document["state_dir"] = "state"
        self.settings.write_text(yaml.safe_dump(document))
        (self.out / "credentials" / "token-pepper").write_text(PEPPER)

    def files(self) -> dict[str, bytes]:
        """Everything there is, by name."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".db-shm")
        return {str(path): path.read_bytes() for path in found}

    @property
    def engine(self):
        return connect(load(self.settings).job_store)


@pytest.fixture
def move(tmp_path):
    return Move(tmp_path)


def fates(said: str) -> dict[tuple[str, str], str]:
    """Return what became of each field, by its place and name."""
    rows = [line.split("  ") for line in said.splitlines() if "  " in line]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    return {(row[0], row[1]): row[2] for row in cells if len(row) >= 4}


def test_a_check_shows_everything_and_changes_nothing(move):
    """Each line, entry and unknown key of every file is there, with what would become of it."""
    before = move.files()
    said = move("--check")
    assert before == move.files()
    assert "Nada foi mudado. Sem --check: 9 arquivos, 0 remetentes, 0 tokens." in said
    audio2, rest = said.split("audio/monitor_config.txt\n", 1)
    found = fates(audio2)
    assert {
        ("2", "MODE"): "substituído",
        ("3", "EMAIL_SERVICE"): "preencher",
        ("4", "EMAIL_PASSWORD"): "a importar",
        ("5", "QUEUE_DIR"): "substituído",
        ("6", f"WHITELIST {ANA}"): "depois",
        ("6", "WHITELIST Bia@Example.com"): "depois",
        ("6", "WHITELIST example.com"): "recusado",
        ("6", "WHITELIST carla(at)example.com"): "recusado",
        ("7", "CHECK_INTERVAL"): "ignorado",
        ("8", "—"): "recusado",
        ("1", "token 7E… (equipe)"): "reemitir",
        ("2", "token 7E… (antigo)"): "reemitir",
        ("3", "token 7E… (de novo)"): "repetido",
        ("4", "token"): "recusado",
        ("1", "gv1p"): "a importar",
        ("2", "gv2p"): "a importar",
        ("3", "gv3p"): "a importar",
        ("4", "voip1"): "a importar",
        ("5", "voip3.port"): "ignorado",
        ("5", "voip3"): "a importar",
        ("6", "id"): "recusado",
        ("7", "host"): "recusado",
        ("7", "audios_from"): "recusado",
    } == found
    assert {
        ("2", "MODE"): "substituído",
        ("3", "QUEUE_DIR"): "substituído",
        ("4", f"WHITELIST {ANA}"): "repetido",
    } == fates(rest)


def test_weak_spots_are_named_with_what_to_do(move):
    """Shared tokens, the password in a file, its mode, a name for an address; and what is left to fill in."""
    config, tokens = move.old / "audio2" / "monitor_config.txt", move.old / "audio2" / "tokens.json"
    config.chmod(0o644)
    tokens.chmod(0o600)
    said = move("--check")
    assert f"shred -u {config}\n" in said
    assert f"athome tokens issue ENDEREÇO) e apague: shred -u {tokens}\n" in said
    assert f"chmod 600 {config}\n" in said
    config.parent.chmod(0o700)
    assert "chmod 600" not in move("--check")
    assert "não por um endereço: gv3p." in said
    assert "Falta na configuração: imap.user, smtp.user, mail.address." in said
    assert "não dizia onde estão audio, audio2." in said


def test_the_whole_way(move):
    """Forms first; once they are complete, senders and tokens; then there is nothing left, and it says so.

    Settings load and the inventory is read, by this project and by Ansible.
    """
    move()
    with pytest.raises(SettingsError, match=r"imap\.user"):
        load(move.settings)
    secrets = [move.out / "credentials" / name for name in ("imap-password", "smtp-password")]
    assert [(PASSWORD + "\n", 0o600)] * 2 == [
        (one.read_text(), one.stat().st_mode & 0o777) for one in secrets
    ]
    assert 0o700 == secrets[0].parent.stat().st_mode & 0o777

    move.complete()
    settings = load(move.settings)
    assert (PASSWORD, PASSWORD, "mx.google.com") == (
        settings.imap.password(), settings.smtp.password(), settings.mail.results_of,
    )  # fmt: skip
    fleet = InventorySource(settings.inventory).read()
    assert ("gv1p", "gv2p", "gv3p", "voip1", "voip3") == fleet.group("sip_servers")
    assert ("gv1p", "gv2p", "gv3p", "voip1") == fleet.group("checkip_servers")
    assert ("gv1p", "gv2p", "gv3p") == fleet.group("macchange_servers")
    assert (("audio",), ("audio2",)) == (fleet.group("audio_servers"), fleet.group("dispatchers"))
    assert ("192.0.2.23", "s3") == tuple(
        fleet.variables["voip3"][name] for name in ("ansible_host", "audios_from")
    )
    assert fleet.variables["gv1p"]["mac_binding_confirmed"] is False

    shown = move("--sender", ANA, "--check")
    assert not (move.out / "state").exists()
    assert "Sem --check: 0 arquivos, 2 remetentes, 2 tokens." in shown
    said = move("--sender", ANA)
    assert "Feito: 0 arquivos, 2 remetentes, 2 tokens." in said
    assert "Ninguém é administrador" in said
    assert f"{secrets[0]} ainda tem a senha do sistema anterior." in said
    senders, tokens = Senders(move.engine), Tokens(move.engine, PEPPER.encode())
    assert [(ANA, "operador"), (BIA, "operador")] == [(one.address, one.role) for one in senders.all()]
    assert [("equipe", "enabled"), ("antigo", "disabled")] == [
        (one.description, one.state) for one in tokens.all(ANA)
    ]
    assert isinstance(tokens.prove(ANA, "7E57AB1E", time.time()), Proof)

    before = move.files()
    assert f"já é de {ANA}, e um token é de uma pessoa" in move("--sender", BIA)
    again = fates(move("--sender", ANA))
    assert before == move.files()
    assert set() == {"importado", "depois", "reemitir"} & set(again.values())
    assert {"já estava"} == {
        again[place] for place in (("3", "EMAIL_SERVICE"), ("1", "gv1p"), ("4", "voip1"))
    }


def test_nothing_to_refuse_is_success(move):
    """Clean files of one machine, and only some of them."""
    (move.old / "audio2" / "monitor_config.txt").unlink()
    (move.old / "audio2" / "servers_config.json").unlink()
    (move.old / "audio2" / "tokens.json").write_text('{"tokens": [{"token": "7E57C0DE"}]}')
    said = move(code=0, machines=("audio2",))
    assert "Nada mudou: não havia mais nada a importar." in said
    assert not move.out.exists()


def test_one_bad_file_does_not_stop_the_others(move):
    """It is named, with its place; a folder without any file, or none at all, is a mistake."""
    (move.old / "audio2" / "tokens.json").write_text('{"tokens": [')
    said = move()
    assert "tokens.json não é JSON: linha 1, coluna 13." in said
    assert move.settings.is_file()
    (move.old / "empty").mkdir()
    assert (
        2 == CliRunner().invoke(athome, ["import-legacy", str(move.old / "audio2" / "tokens.json")]).exit_code
    )
    for nothing in ("empty", "none"):
        done = CliRunner().invoke(athome, ["import-legacy", str(move.old / nothing)])
        assert "monitor_config.txt, tokens.json nem servers_config.json" in str(done.exception)


def test_what_was_interrupted_is_completed(move, monkeypatch):
    """A disk that fills up at any file: the next run writes the rest. A relative path is from here."""
    monkeypatch.chdir(move.folder)
    move("--out", "complete")
    write, room = apply._write, 0

    def limited(file):
        nonlocal room
        room -= not file.path.exists()
        if room < 0:
            raise LegacyError("full", "")
        write(file)

    monkeypatch.setattr(apply, "_write", limited)
    names = [path.relative_to("complete") for path in Path("complete").rglob("*") if path.is_file()]
    for count in range(1, len(names)):
        room = 1
        done = CliRunner().invoke(
            athome, ["--settings", "none.yml", "import-legacy", "old/audio2", "--out", "part"]
        )
        assert "full" == getattr(done.exception, "problem", None), done.output
        assert count == sum(Path("part", name).is_file() for name in names)
    room = 1
    move("--out", "part")
    assert [] == [
        name for name in names if Path("complete", name).read_bytes() != Path("part", name).read_bytes()
    ]
    move("--out", "part")  # now there is an inventory to be read


def test_what_is_there_is_never_touched(move):
    """A settings file, an inventory and a password stay; what they lack or have otherwise is said."""
    (move.out / "inventory").mkdir(parents=True)
    hosts = {"gv1p": {"ansible_host": "198.51.100.1", "audios_from": "audio"}}
    (move.out / "inventory" / "hosts.yml").write_text(yaml.safe_dump({"sip_servers": {"hosts": hosts}}))
    move.settings.write_text("imap: {}\n")
    (move.out / "credentials").mkdir()
    (move.out / "credentials" / "imap-password").write_text("another\n")
    before = move.files()
    said = move()
    assert before == move.files()
    assert "outro valor em ansible_host" in said
    found = fates(said)
    assert ("preencher", "já estava") == (found["4", "voip1"], found["4", "EMAIL_PASSWORD"])
    assert "já existe e fica como está" in said


def test_two_machines_that_contradict(move):
    """The one that read the mailbox counts, whichever is named first; a server has one address."""
    (move.old / "audio" / "monitor_config.txt").write_text(
        "MODE=slave\nMODE=slave\nEMAIL_SERVICE=outlook\nEMAIL_PASSWORD=\n"
    )
    servers = [{"id": "gv1p", "host": "198.51.100.1", "audios_from": "audio"}]
    (move.old / "audio" / "servers_config.json").write_text(json.dumps({"sip_servers": servers}))
    found = fates(move().split("audio/monitor_config.txt\n", 1)[1])
    assert [("1", "MODE"), ("2", "MODE"), ("3", "EMAIL_SERVICE"), ("4", "EMAIL_PASSWORD"), ("1", "gv1p")] == [
        *found
    ]
    assert ["ignorado", "substituído", "ignorado", "ignorado", "recusado"] == [*found.values()]
    assert "imap.gmail.com" == yaml.safe_load(move.settings.read_text())["imap"]["host"]


@pytest.mark.parametrize(
    ("sender", "words"), [("eva@example.com", "athome senders add eva@example.com"), ("eva", "endereço")]
)
def test_tokens_need_somebody(move, sender, words):
    """Who is neither authorised nor in the list gets none."""
    command = [
        "--settings",
        str(move.settings),
        "import-legacy",
        str(move.old / "audio2"),
        "--sender",
        sender,
    ]
    done = CliRunner().invoke(athome, command)
    assert words in done.output + str(done.exception)


def test_a_folder_that_cannot_be_written_is_named(move):
    """With the way out, and without a traceback."""
    move.out.write_text("a file")
    done = CliRunner().invoke(
        athome, ["--settings", str(move.settings), "import-legacy", str(move.old / "audio2")]
    )
    assert "--out" in getattr(done.exception, "way_out", ""), done.exception
