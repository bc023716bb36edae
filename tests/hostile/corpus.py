"""The corpus: a mail a file, and a table of what is due to each.

In the files LF stands for CR LF, a CR is a bare one. Placeholders are filled when a mail is sent:
`{{DATE}}` and `{{DATE-90000}}` (seconds from now), `{{ID}}`, `{{NUL}}`, `{{LF}}`, what `values` gives, and
`{{B:charset:text}}` and `{{Q:charset:text}}` (an encoded word), `{{RAW:charset:text}}` (bytes of that
charset), `{{REPEAT:times:text}}`. The outer ones may hold the first ones.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, formatdate, make_msgid
from pathlib import Path
from typing import Any

import yaml

from tests.hostile.signing import Signature

HERE = Path(__file__).parent
OPERATOR, OUTSIDER, DISPATCHER = "operador@lab.example", "estranho@outside.example", "athome@lab.example"

# Who sends: the envelope's sender, the machine that hands it in, and the domain that signs.
SENDERS: Mapping[str, Mapping[str, Any]] = {
    "staff": {"envelope": OPERATOR, "source": "staff", "sign": {}},
    "outsider": {"envelope": OUTSIDER, "source": "outsider", "sign": {"domain": "outside.example"}},
    "attacker": {"envelope": OPERATOR, "source": "attacker", "sign": None},
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the table."""

    name: str  # of its file, without .eml
    rule: str  # that must stop it; `smtp`: our mail server does not take it; `none`: it is admitted
    due: str  # silence, or the kind of the answer
    why: str  # it is in the corpus
    sender: str = "staff"
    envelope: str = ""
    source: str = ""
    sign: tuple[Mapping[str, Any], ...] = ()  # none: unsigned
    above: str = ""  # put on top after signing
    below: str = ""  # put at the end after signing
    replace: tuple[str, str] = ("", "")  # in the header, after signing
    helo: str = ""
    options: tuple[str, ...] = ()
    file: str = ""  # another entry's mail, sent in another way

    def filled(self, values: Mapping[str, str], message_id: str) -> bytes:
        """Return the mail as it goes over the wire: placeholders filled, signed, and tampered with."""
        fill = filler(values, message_id)
        raw = fill((HERE / "mails" / f"{self.file or self.name}.eml").read_bytes())
        for signature in self.sign:
            tags = {name: filled_tag(fill, value) for name, value in signature.get("tags", {}).items()}
            raw = Signature(**{**signature, "tags": tags}).over(raw)
        if self.replace[0]:
            old, new = (fill(part.encode()) for part in self.replace)
            assert old in raw, f"{self.name}: nothing to replace"
            raw = raw.replace(old, new, 1)
        return fill(self.above.encode()) + raw + fill(self.below.encode())


def filled_tag(fill: Callable[[bytes], bytes], value: str | int) -> str | int:
    return fill(value.encode()).decode() if isinstance(value, str) else value


def values(token: str, admin_token: str) -> dict[str, str]:
    """Return what the mails of one run have in common: tokens, whole and in parts, and odd dates."""
    now = datetime.now(timezone.utc)
    return {
        "TOKEN": token, "TOKEN_LOWER": token.lower(), "TOKEN_HEAD": token[:4], "TOKEN_TAIL": token[4:],
        "TOKEN_SEVEN": token[:7], "ADMIN_TOKEN": admin_token,
        "LEAP": now.strftime("%a, %d %b %Y %H:%M:60 +0000"),
        "KIRITIMATI": format_datetime(now.astimezone(timezone(timedelta(hours=14)))),
    }  # fmt: skip


def filler(values: Mapping[str, str], message_id: str) -> Callable[[bytes], bytes]:
    """Return what fills the placeholders of one mail."""
    simple = {**values, "ID": message_id, "NUL": "\0"}

    def named(found: re.Match[bytes]) -> bytes:
        name = found[1].decode()
        if moment := re.fullmatch(r"DATE([+-][0-9]+)?", name):
            return formatdate(time.time() + int(moment[1] or 0), localtime=True).encode()
        return simple[name].encode()

    def coded(found: re.Match[bytes]) -> bytes:
        kind, charset, text = found[1].decode(), found[2].decode(), found[3].decode()
        if kind == "REPEAT":
            return text.encode() * int(charset)
        content = text.encode(charset)
        if kind == "RAW":
            return content
        word = base64.b64encode(content) if kind == "B" else b"".join(b"=%02X" % byte for byte in content)
        return b"=?%s?%s?%s?=" % (charset.encode(), kind.encode(), word)

    def fill(text: bytes) -> bytes:
        text = re.sub(rb"\{\{((?!LF\b)[A-Z_]+(?:[+-][0-9]+)?)\}\}", named, text)
        text = re.sub(rb"\{\{([A-Z]+):([\w-]+):(.*?)\}\}", coded, text, flags=re.DOTALL)
        return text.replace(b"\n", b"\r\n").replace(b"{{LF}}", b"\n")

    return fill


def message_id() -> str:
    """Return a Message-ID that nobody had before."""
    return make_msgid(domain="lab.example")


def load() -> list[Entry]:
    """Return the whole table."""
    return [entry(name, row) for name, row in yaml.safe_load((HERE / "corpus.yml").read_text()).items()]


def entry(name: str, row: Mapping[str, Any]) -> Entry:
    """Return one row with what its sender brings along."""
    row = {**SENDERS[row.get("sender", "staff")], **row}
    sign = row.pop("sign")
    many: Sequence[Any] = sign if isinstance(sign, list) else [] if sign is None else [sign]
    row = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return Entry(name=name, sign=tuple(many), **row)
