"""The token ends at admission: it is in no file, log, row, artefact or reply of the dispatcher."""

import os
import subprocess
from pathlib import Path

from tests.road import Mailbox


def files_with(needle: bytes, *folders: Path) -> list[Path]:
    """Return every file below the folders that has the bytes, in any case of their letters."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [path for path in files if needle.lower() in path.read_bytes().lower()]


def test_the_token_is_found_nowhere_after_a_run_and_a_refusal(dispatcher, lab):
    """After a run, a preview, a rejection and a refused guess, a search for the token finds nothing.

    Searched are the dispatcher's whole state folder (database with its journal, artefacts of the runs,
    Ansible's own folder), its log, its settings, every reply, and what all processes were started with.
    """
    dispatcher.ask("CHECKIP=203.0.113.8")
    dispatcher.ask("CHECKIP=203.0.113.8 SIMULAR")
    dispatcher.ask("CHECKIP=3.3.3")
    dispatcher.write(f"[{dispatcher.token.lower()}] [{dispatcher.token}] CHECKIP=203.0.113.8")
    dispatcher.write(f"Re: [{dispatcher.token}] CHECKIP=203.0.113.8")
    dispatcher.ask("CHECKIP=3.3.3")
    needle = dispatcher.token.encode()
    assert len(needle) == 8
    assert (dispatcher.state / "athome.db").stat().st_size > 0
    assert [] == files_with(needle, dispatcher.state, dispatcher.log.parent)
    for mailbox in ("operador@lab.example", "admin@lab.example", "estranho@outside.example"):
        assert not any(needle in mail.as_bytes() for mail in Mailbox(lab, mailbox).mails())
    for process in Path("/proc").glob("[0-9]*"):
        if process.name != str(os.getpid()):
            for name in ("cmdline", "environ"):
                try:
                    content = (process / name).read_bytes()
                except OSError:
                    continue
                assert needle not in content, process


def test_the_search_finds_what_is_there(tmp_path):
    """The search above is one that can fail."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"xx7e57c0dexx")
    assert [tmp_path / "deep" / "file"] == files_with(b"7E57C0DE", tmp_path)


def test_secrets_and_runs_are_readable_by_the_service_alone(dispatcher):
    """Folder, database and run folders are closed to other accounts, and no variables of a run are left."""
    open_to_others = subprocess.run(
        ["find", str(dispatcher.state), "-maxdepth", "1", "-perm", "/077", "!", "-name", "ansible"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert [] == open_to_others
    assert [] == list(dispatcher.state.glob("runs/*/env/extravars"))
