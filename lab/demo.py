"""The whole road once, to look at: an attacker is banned, a mail unbans him, the answer is shown.

Runs inside the lab, where `make demo` puts it. Everything it makes lies in the lab and ends with it, but for
the answer's HTML, which is left in build/demo/ to be opened in a browser.
"""

from __future__ import annotations

import base64
import email
import email.policy
import imaplib
import os
import ssl
import subprocess
import sys
import time
from email.message import EmailMessage
from pathlib import Path

from lab.attack import attack, reaches
from lab.send import send
from lab.state import INSIDE

PROJECT = Path(__file__).resolve().parents[1]
ATHOME = Path(sys.executable).parent / "athome"
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
SETTINGS = PROJECT / "lab" / "settings.yml"
OUTPUT = PROJECT / "build" / "demo"
OPERATOR, DISPATCHER = "operador@lab.example", "athome@lab.example"
ADDRESS, SERVER = "203.0.113.7", "192.0.2.12"  # the attacker, and gv2p


def main() -> int:
    """Play the demonstration; returns 0 when the answer came and the address is in again."""
    _step(f"{ADDRESS} guesses passwords on gv2p, as an attacker would or a phone with a wrong one")
    _forget()
    attack(ADDRESS, SERVER)
    _step(f"gv2p has banned it: {ADDRESS} reaches SSH on gv2p: {_yes(reaches(ADDRESS, SERVER))}")
    token = _staff()
    service = _serve()
    try:
        subject = f"CHECKIP={ADDRESS}"
        _step(f"{OPERATOR} writes a mail to {DISPATCHER}, subject: [TOKEN] {subject}")
        started = time.monotonic()
        message_id = send(OPERATOR, DISPATCHER, f"[{token}] {subject}")
        answer = _answer(message_id)
        _step(f"answer after {time.monotonic() - started:.1f} s: {answer['Subject']}\n")
        print(_part(answer, "plain"))
    finally:
        service.terminate()
        service.wait(60)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "reply.eml").write_bytes(answer.as_bytes())
    (OUTPUT / "reply.html").write_text(_page(answer), encoding="utf-8")
    _step(f"{ADDRESS} reaches SSH on gv2p: {_yes(reaches(ADDRESS, SERVER))}")
    _step(f"the answer as the phone shows it: {OUTPUT.relative_to(PROJECT)}/reply.html (and reply.eml)")
    _step("look around: python3 -m lab exec -- bash;  end it: make lab-down")
    return 0 if reaches(ADDRESS, SERVER) else 1


def _step(words: str) -> None:
    print(f"• {words}", flush=True)


def _yes(answer: bool) -> str:  # noqa: FBT001 - a word for a truth value
    return "yes" if answer else "no"


def _forget() -> None:
    """Start from the same place when the demonstration is played again."""
    variables = ["-e", f"checkip_address={ADDRESS}", "-e", "checkip_state=absent"]
    command = [str(PLAYBOOK), "-i", "inventory/lab", "playbooks/checkip.yml", *variables]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)


def _athome(*arguments: str) -> str:
    done = subprocess.run(
        [str(ATHOME), *arguments], env=_environment(), check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.strip()


def _environment() -> dict[str, str]:
    return {**os.environ, "ATHOME_SETTINGS": str(SETTINGS)}


def _staff() -> str:
    """Authorise the operator; returns a token, which is printed nowhere."""
    if OPERATOR not in _athome("senders", "list"):
        _athome("senders", "add", OPERATOR)
    return _athome("tokens", "issue", OPERATOR, "--description", "demo")


def _serve() -> subprocess.Popen[bytes]:
    """Start the dispatcher and leave its log in the lab."""
    log = INSIDE / "athome-serve.log"
    with log.open("wb") as stream:
        service = subprocess.Popen([ATHOME, "serve"], env=_environment(), stdout=stream, stderr=stream)
    for _ in range(600):
        if b"listening" in log.read_bytes():
            return service
        if service.poll() is not None:
            break
        time.sleep(0.05)
    service.kill()
    raise SystemExit(log.read_text())


def _answer(message_id: str) -> EmailMessage:
    """Wait for the mail that answers ours, in the operator's mailbox."""
    password = (INSIDE / "secrets" / "mail-operador").read_text().strip()
    context = ssl.create_default_context(cafile=str(INSIDE / "ca.pem"))
    for _ in range(300):
        with imaplib.IMAP4_SSL("mail.lab.example", ssl_context=context) as client:
            client.login(OPERATOR, password)
            client.select("INBOX", readonly=True)
            found = client.search(None, "HEADER", "In-Reply-To", f'"{message_id}"')[1][0].split()
            if found:
                raw = client.fetch(found[0].decode(), "(BODY.PEEK[])")[1][0]
                assert isinstance(raw, tuple)  # noqa: S101 - imaplib's type says it may be more
                return email.message_from_bytes(raw[1], policy=email.policy.default)
        time.sleep(0.2)
    raise SystemExit(f"no answer in a minute: {INSIDE / 'athome-serve.log'} in the lab tells why")


def _part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    return body.get_content() if body else ""


def _page(mail: EmailMessage) -> str:
    """Return the HTML with its picture in it, as a browser wants it that has only this file."""
    logo = next(part for part in mail.walk() if part.get_content_type() == "image/png")
    data = base64.b64encode(logo.get_content()).decode()
    return _part(mail, "html").replace("cid:logo", f"data:image/png;base64,{data}")


if __name__ == "__main__":
    sys.exit(main())
