"""The token ends at admission: it is in no file, log, row, artefact or reply of the dispatcher."""

import email
import email.policy
import html
import os
import subprocess
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.road import Mailbox

TOKEN = "7E57C0DE"


def files_with(needle: str, *folders: Path) -> list[Path]:
    """Return every file below the folders that has the text, in any case of its letters."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [path for path in files if needle.encode().lower() in path.read_bytes().lower()]


def mail_has(needle: str, raw: bytes) -> bool:
    """Whether a mail has the text, in any case: in its bytes, or in a header or part once decoded."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    read = [raw.decode("latin-1")]
    for part in mail.walk():
        read += [f"{name}: {value}" for name, value in part.items()]
        content = (part.get_payload(decode=True) or b"").decode("utf-8", "replace")
        read += [content, html.unescape(content)]
    return any(needle.lower() in text.lower() for text in read)


def test_the_token_is_found_nowhere_after_a_run_and_a_refusal(dispatcher, operator, lab):
    """After a run, a preview, a rejection and a refused guess, a search for the token finds nothing.

    Searched are the dispatcher's whole state folder (database with its journal, artefacts of the runs,
    Ansible's own folder), its log, its settings, every reply, sent or about to be, also decoded, and what all
    processes were started with.
    """
    token = dispatcher.token
    dispatcher.ask("CHECKIP=203.0.113.8")
    dispatcher.ask("CHECKIP=203.0.113.8 SIMULAR")
    dispatcher.ask("CHECKIP=3.3.3")
    operator.answer(dispatcher.write(f"[{token.lower()}] [{token}] CHECKIP=203.0.113.8"))
    operator.answer(dispatcher.write(f"Re: [{token}] CHECKIP=203.0.113.8"))
    assert len(token) == 8
    assert (dispatcher.state / "athome.db").stat().st_size > 0
    assert [] == files_with(token, dispatcher.state, dispatcher.log.parent)
    replies = [message for (message,) in dispatcher.rows("SELECT message FROM outbox")]
    assert len(replies) >= 5
    for mailbox in ("operador@lab.example", "admin@lab.example", "estranho@outside.example"):
        replies += [mail.as_bytes() for mail in Mailbox(lab, mailbox).mails()]
    assert [] == [reply for reply in replies if mail_has(token, reply)]
    for process in Path("/proc").glob("[0-9]*"):
        if process.name != str(os.getpid()):
            for name in ("cmdline", "environ"):
                try:
                    content = (process / name).read_bytes()
                except OSError:
                    continue
                assert token.encode().lower() not in content.lower(), process


def test_the_search_finds_what_is_there(tmp_path):
    """The search in files is one that can fail."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"xx7e57c0dexx")
    assert [tmp_path / "deep" / "file"] == files_with(TOKEN, tmp_path)


@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("place", ["subject", "plain", "html", "attachment"])
def test_the_search_finds_what_is_encoded(place, encoding):
    """The search in mails finds the token in every place and encoding that a reply may have."""
    hidden = {"plain": "", "html": "", "attachment": "", "subject": ""}
    hidden[place] = ("" if encoding == "7bit" else "é" * 60) + TOKEN.lower()
    mail = EmailMessage()
    mail["Subject"] = f"Ação {hidden['subject']}"
    mail.set_content(hidden["plain"], cte=encoding)
    mail.add_alternative(hidden["html"], subtype="html", cte=encoding)
    mail.add_attachment(hidden["attachment"], filename="servidores.csv", cte=encoding)
    assert mail_has(TOKEN, mail.as_bytes())
    assert not mail_has("0" + TOKEN, mail.as_bytes())


def test_secrets_and_runs_are_readable_by_the_service_alone(dispatcher):
    """Folder, database and run folders are closed to other accounts, and no variables of a run are left."""
    open_to_others = subprocess.run(
        ["find", str(dispatcher.state), "-maxdepth", "1", "-perm", "/077", "!", "-name", "ansible"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert [] == open_to_others
    assert [] == list(dispatcher.state.glob("runs/*/env/extravars"))
