"""Linking an app of one-time codes to a sender: the QR code, and the first code, which proves it was read."""

from __future__ import annotations

import os
import sys
from io import StringIO
from pathlib import Path

import click
import segno

from dispatcher.cli.show import language, say
from dispatcher.i18n import N_
from dispatcher.mail.senders import SenderError
from dispatcher.mail.tokens import Enrolment, Tokens

_TRIES = 3  # first codes of an app, until an enrolment is given up


def enroll_app(  # noqa: PLR0917 - what a token has, in its usual order
    known: Tokens,
    name: str,
    address: str,
    description: str,
    until: float | None,
    png: Path | None,
    *,
    confirm: bool | None,
) -> None:
    """Show the QR code, and let the codes count; ``confirm`` None asks for a first one in a terminal."""
    enrolment, uri = known.enrol(address, name)
    code = segno.make(uri, error="m", micro=False)
    if png is not None:
        _write(code, png)
    try:
        say(N_("Leia este QR com o aplicativo de códigos; ele não é mostrado de novo:"))
        _picture(code)
        say(N_("Ou digite no aplicativo (tipo TOTP, SHA-1, 8 dígitos, 30 segundos):"))
        click.echo(uri)
        asked = confirm if confirm is not None else sys.stdin.isatty()
        _complete(known, enrolment, description, until, asked=asked)
    except BaseException:  # Ctrl-C too: what the picture holds counts for nothing
        if png is not None:
            png.unlink(missing_ok=True)
        raise
    number = known.all(address)[-1].id
    say(N_("Token {0} ligado: no assunto, o código do momento vai no lugar do token."), number)


def _complete(
    known: Tokens, enrolment: Enrolment, description: str, until: float | None, *, asked: bool
) -> None:
    """Let the codes count; when asked to, only after the app has shown one."""
    for left in reversed(range(_TRIES)):
        words = language().gettext("Primeiro código do aplicativo")
        first = click.prompt(words, err=True).replace(" ", "") if asked else None
        if known.complete(enrolment, description, expires_at=until, code=first):
            return
        if left:
            say(N_("Não é o código deste QR. Confira a hora do telefone e espere o próximo."))
    raise SenderError(
        "Nenhum dos códigos é deste QR; nada foi gravado.",
        "Confira se o aplicativo aceita 8 dígitos e se a hora do telefone e a do servidor estão certas.",
    )


def _picture(code: segno.QRCode) -> None:
    """Print the code, dark on light whatever the terminal itself has: not every app reads it inverted."""
    blocks = StringIO()
    code.terminal(blocks, border=2, compact=True)
    light_on_dark, usual = ("\x1b[97;40m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    for line in blocks.getvalue().splitlines():
        click.echo(f"{light_on_dark}{line}{usual}")


def _write(code: segno.QRCode, path: Path) -> None:
    """Write the picture where nobody else can read it, and over nothing."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            code.save(file, kind="png", scale=8, border=4)
    except OSError as error:
        raise SenderError(
            f"Não é possível criar {path}: {error.strerror}.", "Indique um arquivo novo com --png."
        ) from None
