"""Milliseconds until a mail has its verdict, for honest and hostile ones: `python -m benchmarks.admission`.

Beside the dispatcher's rules stands what one would write first: Python's own parser for From and Subject, and
dkimpy over the whole mail. Both get the key from memory, as from a DNS cache; nothing leaves the machine.
"""

from __future__ import annotations

import argparse
import base64
import email
import email.policy
import multiprocessing
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime
from functools import partial
from pathlib import Path

import dkim

from dispatcher.jobs.database import connect
from dispatcher.mail.admission import Admission
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.dns import Resolver
from dispatcher.mail.lockout import Lockout
from dispatcher.mail.message import RawMessage
from dispatcher.mail.senders import Senders
from dispatcher.mail.tokens import Tokens
from dispatcher.settings import Mail
from dispatcher.settings import Tokens as TokenSettings

PATIENCE = 20  # seconds that one mail may take before it is given up
SIGNED = (b"from", b"to", b"subject", b"date", b"message-id")
PEPPER = b"invented for benchmarks only"
RESULT = b"Authentication-Results: mail.lab.example; dmarc=pass header.from=lab.example\n"
ENCODED = b"=?utf-8?Q?a?=\n " * 3_500
NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (at, at) for at in range(1_000))
PARTS = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 20_000


@dataclass(frozen=True)
class Made:
    """One kind of mail: what stands in its header and after it, and how it is signed."""

    subject: bytes = b"[TOKEN] CHECKIP=203.0.113.7"
    fields: bytes = b""
    rest: bytes = b"\nOs comandos est\xc3\xa3o no assunto.\n"
    sender: bytes = b"operador@lab.example"
    signed: bool = True
    canonical: tuple[bytes, bytes] = (b"relaxed", b"simple")
    spaces: int = (
        0  # put in at the body's end after signing: relaxed sees one (dkimpy would sign for minutes)
    )


MAILS = {
    "honest": Made(),
    "honest, with 200 KB attached": Made(rest=b"\n" + (b"QUFB" * 19 + b"\n") * 2_600),
    "wrong token": Made(subject=b"[00000000] CHECKIP=203.0.113.7"),
    "not on the list": Made(sender=b"estranho@outside.example", signed=False),
    "forged, unsigned": Made(signed=False),
    "60 KB of encoded words": Made(fields=b"X-A: " + ENCODED + b"x\n"),
    "60 KB of encoded words as the subject": Made(subject=ENCODED + b"x"),
    "20,000 parts": Made(rest=PARTS),
    "1,000 multiparts in each other": Made(rest=NESTED + b"\nx\n"),
    "100 signatures above the right one": Made(
        fields=b"DKIM-Signature: v=1; a=rsa-sha256; d=outside.example; s=ops; h=from; bh=AA==; b=AA==\n" * 100
    ),
    "60 KB of brackets as From": Made(fields=b"From: " + b"<" * 60_000 + b"\n"),
    "250 KB of spaces, relaxed": Made(rest=b"\n x\n", canonical=(b"relaxed", b"relaxed"), spaces=250_000),
    "2 MB": Made(rest=b"\n" + b"x" * 2_000_000 + b"\n"),
}  # fmt: skip


class Zone(Resolver):
    """A DNS cache that has the one key."""

    def __init__(self, record: bytes) -> None:
        super().__init__()
        self._record = record

    def txt(self, name: str) -> tuple[bytes, ...]:
        """Return the key of lab.example."""
        return (self._record,) if name == "ops._domainkey.lab.example" else ()


def bench(rounds: int) -> None:
    """Print a table: a line for each kind of mail."""
    private = _openssl("genrsa", "-traditional", "2048")
    public = _openssl("rsa", "-pubout", "-outform", "DER", given=private)
    zone = Zone(b"v=DKIM1; k=rsa; p=" + base64.b64encode(public))
    with tempfile.TemporaryDirectory() as folder:
        judge, token = _admission(Path(folder), zone)
        print(f"{'mail':40}{'rule':>16}{'athome ms':>12}{'on the clock':>14}{'email + dkimpy ms':>20}")
        for name, made in MAILS.items():
            raw = _raw(made, token, private)
            rule, *ours = _timed(partial(judge, raw), rounds)
            said, *theirs = _timed(partial(_first_thought, raw, zone), rounds)
            shown = f"{theirs[0]:.2f}" if theirs else said
            print(f"{name:40}{rule:>16}{ours[0]:>12.2f}{ours[1]:>14.2f}{shown:>20}")


def _timed(work: Callable[[], str], rounds: int) -> tuple[str, float, float] | tuple[str]:
    """Return what the work says, and the medians of its milliseconds of CPU and of the clock.

    Of work that did not end well, only what ended it. In a process of its own: what one mail leaves behind
    does not slow the next one down.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def run() -> None:
        spent, waited = [], []
        try:
            for _ in range(rounds):
                computed, started = time.process_time(), time.perf_counter()
                said = work()
                spent.append((time.process_time() - computed) * 1000)
                waited.append((time.perf_counter() - started) * 1000)
                if sum(waited) > PATIENCE * 1000 / 2:
                    break
            theirs.send((said, statistics.median(spent), statistics.median(waited)))
        except Exception as error:  # noqa: BLE001 - how it fails is what is shown
            theirs.send((type(error).__name__,))

    process = context.Process(target=run)
    process.start()
    told = ours.recv() if ours.poll(PATIENCE) else (f"over {PATIENCE} s",)
    process.kill()
    process.join()
    return told


def _admission(folder: Path, zone: Resolver) -> tuple[Callable[[bytes], str], str]:
    """Return the dispatcher's rules over a database with one operator, and the operator's token."""
    mail = Mail(address="athome@lab.example", authserv_id="mail.lab.example")
    engine = connect(f"sqlite:///{folder / 'athome.db'}")
    senders, tokens = Senders(engine), Tokens(engine, PEPPER)
    senders.add("operador@lab.example")
    admission = Admission(
        mail, senders, tokens, seen=lambda _sender, _message_id: False, resolver=zone,
        confirmations=Confirmations(engine, PEPPER),
        lockout=Lockout(engine, mail, TokenSettings(pepper_file=folder / "unread", attempts=10**9)),
    )  # fmt: skip

    def judge(raw: bytes) -> str:
        read = raw if len(raw) <= mail.max_bytes else raw[: raw.index(b"\r\n\r\n") + 4]
        verdict = admission.judge(RawMessage("INBOX", 1, 1, datetime.now(timezone.utc), len(raw), read))
        return "admitted" if verdict.decision == "admitted" else verdict.rule

    return judge, tokens.issue("operador@lab.example", "benchmark")


def _first_thought(raw: bytes, zone: Zone) -> str:
    """Do what one would write first; the answer is of no use, only its price."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    valid = dkim.verify(raw, dnsfunc=lambda name, **_options: b"".join(zone.txt(name.decode().rstrip("."))))
    return f"{message['from']} {message['subject']} {valid}"


def _raw(made: Made, token: str, private: bytes) -> bytes:
    """Return a mail as IMAP would give it."""
    now = datetime.now(timezone.utc)
    subject = made.subject.replace(b"TOKEN", token.encode())
    head = b"From: Operador <%s>\nTo: athome@lab.example\nSubject: %s\n" % (made.sender, subject)
    dated = b"Date: %s\nMessage-ID: <1@lab.example>\n" % format_datetime(now).encode()
    raw = (made.fields + head + dated + made.rest).replace(b"\n", b"\r\n")
    if made.signed:
        options = {"canonicalize": made.canonical, "include_headers": list(SIGNED)}
        raw = dkim.sign(raw, b"ops", b"lab.example", private, **options) + raw
    if made.spaces:
        raw = raw.removesuffix(b" x\r\n") + b" " * made.spaces + b"x\r\n"
    result = RESULT if made.sender.endswith(b"lab.example") and made.signed else b""
    return result.replace(b"\n", b"\r\n") + raw


def _openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200, help="how often each mail is judged")
    bench(parser.parse_args().rounds)
