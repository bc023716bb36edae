"""All mails as files for a browser, with one page that shows them side by side."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dispatcher.i18n import translations
from dispatcher.replies.compose import Reply
from dispatcher.replies.samples import SAMPLES, Studio
from dispatcher.settings import PROJECT, Settings

INDEX = "index.html"
_TEMPLATES = PROJECT / "templates" / "gallery"
_LOGO = "logo.png"
_WIDTHS = (360, 760)


@dataclass(frozen=True, slots=True)
class Shown:
    """One mail on the page: the files are called like it, ``kind`` names its templates."""

    name: str
    kind: str
    subject: str


def write(folder: Path, settings: Settings, language: str) -> int:
    """Write every sample as HTML, text and .eml, the logo and the page; return how many. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    studio = Studio.of(settings, language)
    shown = [_write(folder, name, make(studio)) for name, make in SAMPLES.items()]
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
    )
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    page = environment.get_template(f"{INDEX}.j2").render(
        mails=shown, widths=_WIDTHS, brand=settings.branding, lang=language.replace("_", "-")
    )
    (folder / INDEX).write_text(page, encoding="utf-8")
    return len(shown)


def _write(folder: Path, name: str, reply: Reply) -> Shown:
    """Write one mail. The picture is beside the page: a browser knows no ``cid:``."""
    mail = email.message_from_bytes(reply.mime, policy=email.policy.default)
    for part in mail.walk():
        kind = part.get_content_type()
        if kind == "text/html":
            html = part.get_content().replace("cid:logo", _LOGO)
            (folder / f"{name}.html").write_text(html, encoding="utf-8")
        elif kind == "text/plain":
            (folder / f"{name}.txt").write_text(part.get_content(), encoding="utf-8")
        elif kind == "image/png" and part.get("Content-ID") == "<logo>":
            (folder / _LOGO).write_bytes(part.get_content())
    (folder / f"{name}.eml").write_bytes(reply.mime)
    return Shown(name, reply.kind, mail["Subject"])
