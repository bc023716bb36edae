"""Templates → subject, text and HTML. What came from outside is text: escaped, and without disguise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import css_inline
from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from dispatcher.i18n import translations
from dispatcher.replies.sentences import advice, sentence
from dispatcher.settings import PROJECT, Settings

TEMPLATES = PROJECT / "templates" / "mail"
# Controls, zero-width signs and changes of direction: they would show another text than the one sent.
_TRICKS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
_LONG = re.compile(r"(\S{24})(?=\S)")


@dataclass(frozen=True, slots=True)
class Rendered:
    """One mail's three faces."""

    subject: str  # one line
    text: str
    html: str


class Renderer:
    """The triples of ``templates/mail`` with the settings' branding, zone and languages."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environments = {language: self._environment(language) for language in ("pt_BR", "en")}
        self._inliner = css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False)

    def render(self, kind: str, language: str, values: Mapping[str, Any]) -> Rendered:
        """Fill the triple ``kind``. Raises jinja2.UndefinedError when a template wants what is not there."""
        environment = self._environments[language]
        context = {"brand": self._settings.branding, "lang": language.replace("_", "-"), **values}
        subject, text, html = (
            environment.get_template(f"{kind}.{face}.j2").render(context)
            for face in ("subject", "text", "html")
        )
        return Rendered(
            " ".join(plain(subject).split()), plain(text).strip() + "\n", self._inliner.inline(html)
        )

    def _environment(self, language: str) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=lambda name: name is not None and name.endswith(".html.j2"),  # noqa: S701 - not the plain text
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]  # added by the extension
        zone = self._settings.zone

        def moment(value: datetime) -> str:
            return format_datetime(value.astimezone(zone), "dd/MM/yyyy HH:mm:ss", locale=language)

        environment.filters |= {
            "moment": moment,
            "sentence": lambda item: plain(sentence(item.code, item.data, language)),
            "advice": lambda code: advice(code, language),
            "plain": plain,
            "breakable": breakable,
        }
        return environment


def plain(value: Any) -> str:
    """Return a text without what would make it look like another one."""
    return _TRICKS.sub("", str(value))


def breakable(value: Any) -> Markup:
    """Return HTML in which a very long word may break: a phone is 24 characters wide."""
    pieces = _LONG.split(plain(value))
    return Markup("").join(
        Markup("{}<wbr>").format(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )
