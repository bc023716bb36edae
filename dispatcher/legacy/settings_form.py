"""settings.yml as far as the old files say it: what they do not say is empty, and marked."""

from __future__ import annotations

import json

from dispatcher.legacy.service import Mailbox

BLANK = "PREENCHA"

_FORM = """\
# Escrito por athome import-legacy. Preencha o que está marcado com {blank}; até lá este arquivo é recusado, e
# a recusa nomeia cada chave que falta. Todas as chaves, comentadas: docs/settings.example.yml.
---
inventory: inventory

imap:
  host: {imap}
  port: 993
  security: tls
  user: {user}
  password_file: credentials/imap-password

smtp:
  host: {smtp}
  port: 587
  security: starttls
  user: {user}
  password_file: credentials/smtp-password

mail:
  address: {user}
  provider: {provider}
  authserv_id: {results}

tokens:
  pepper_file: credentials/token-pepper    # openssl rand -hex 32; a role dispatcher cria uma
"""


def form(box: Mailbox) -> str:
    """Return the file's text."""
    gmail = box.provider == "gmail"
    return _FORM.format(
        blank=BLANK,
        imap=_value(box.imap, "imap.example.com"),
        smtp=_value(box.smtp, "smtp.example.com"),
        user=_value(box.address, "comandos@example.com"),
        provider=box.provider if gmail else "own    # gmail, se a caixa for do Gmail ou do Google Workspace",
        results='""' if gmail else _value(None, "mx.example.com (docs/SEGURANCA.md)"),
    )  # fmt: skip


def _value(known: str | None, example: str) -> str:
    return f"null    # {BLANK}: {example}" if known is None else json.dumps(known)
