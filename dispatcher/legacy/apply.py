"""Carry out a plan: files where there are none, then senders, then tokens. A second time does nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from dispatcher.jobs.database import connect
from dispatcher.legacy.files import LegacyError
from dispatcher.legacy.plan import File, Plan
from dispatcher.legacy.target import Target
from dispatcher.mail.senders import Senders
from dispatcher.mail.tokens import opened


def apply(plan: Plan, target: Target) -> None:
    """Do what the plan says. Raises LegacyError when a file cannot be written, StoreError, SenderError."""
    for file in plan.files:
        _write(file)
    if target.settings and (plan.senders or plan.tokens):
        senders = Senders(connect(target.settings.job_store))
        for address in plan.senders:
            if senders.get(address) is None:
                senders.add(address, "operador", target.settings.language)
    if target.settings and plan.tokens:
        tokens = opened(target.settings)
        for claim in plan.tokens:
            tokens.admit(claim.sender, claim.token, claim.description, enabled=claim.enabled)


def _write(file: File) -> None:
    """Write a file as a whole, private from its first byte; one that somebody else has written stays."""
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if file.mode == 0o600 else 0o755)  # noqa: PLR2004
        handle, name = mkstemp(dir=file.path.parent, prefix=f".{file.path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(file.content)
                os.fchmod(handle, file.mode)
                out.flush()
                os.fsync(handle)
            with suppress(FileExistsError):
                os.link(name, file.path)
        finally:
            Path(name).unlink()
    except OSError as error:
        raise LegacyError(
            f"Não é possível gravar {file.path}: {error.strerror}.",
            "Repita quando houver espaço e o direito de gravar ali, ou indique outra pasta com --out.",
        ) from None
