"""Templates → subject, text and HTML. What came from outside is escaped in HTML, and is data everywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from dispatcher.i18n import LANGUAGES, SOURCE, translations
from dispatcher.replies.measures import moment, number, size, zone_name
from dispatcher.replies.visible import legible
from dispatcher.settings import PROJECT, Settings

TEMPLATES = PROJECT / "templates" / "mail"
_LONG = re.compile(r"(\S{30})(?=\S)")


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
        self._html = {name: self._environment(name, html=True) for name in LANGUAGES}
        self._plain = {name: self._environment(name, html=False) for name in LANGUAGES}
        # The tags carry the light colours; what stays as <style> are the media queries for dark and phone.
        self._inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)

    def render(self, kind: str, language: str, values: Mapping[str, Any]) -> Rendered:
        """Fill the triple ``kind``. Raises jinja2.UndefinedError when a template wants what is not there."""
        language = language if language in LANGUAGES else SOURCE
        plain, html = self._plain[language], self._html[language]
        context = {
            "brand": self._settings.branding,
            "lang": language.replace("_", "-"),
            "zone": zone_name(self._settings.zone, language),
            **values,
        }
        faces = (
            plain.get_template(f"{kind}.subject.j2"),
            plain.get_template(f"{kind}.text.j2"),
            html.get_template(f"{kind}.html.j2"),
        )
        # Whoever fills in a value has made it visible; what slipped through is caught here, in every mail.
        subject, text, page = (legible(face.render(context)) for face in faces)
        return Rendered(
            subject=" ".join(subject.split()),
            text=re.sub(r"\n{3,}", "\n\n", text).strip() + "\n",
            html=self._inliner.inline(page),
        )

    def _environment(self, language: str, *, html: bool) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=html,  # noqa: S701 - the other two faces are no HTML: there it would spoil the text
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]  # added by the extension
        zone = self._settings.zone
        environment.filters |= {
            "moment": lambda at: moment(at.astimezone(zone), language),
            # a no-break space, so that no line starts with the unit
            "seconds": lambda count: f"{number(round(count, 1), language)}\u00a0s",
            "number": lambda count: number(count, language),
            "word": translations(language).gettext,  # one of our own, such as a role: it stays a text
            "size": lambda count: size(count, language),
            "breakable": breakable,
            "initial": initial,
            "mailto": mailto,
        }
        return environment


def breakable(value: str) -> Markup:
    """Return HTML in which a very long word may break, also where styles are stripped."""
    pieces = _LONG.split(value)
    return Markup("").join(
        Markup("{}<wbr>").format(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )


def initial(text: str) -> str:
    """Return the text with a capital letter first, unless it starts with an address."""
    return text if "@" in text.partition(" ")[0] else text[:1].upper() + text[1:]


def mailto(subject: str, address: str) -> str:
    """Return a link that opens a new mail with this subject."""
    return f"mailto:{quote(address, safe='@')}?subject={quote(legible(subject), safe='')}"
