"""A mail's HTML, taken apart."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = ("meta", "img", "br", "wbr")


@dataclass
class Element:
    """An element, with all text in it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""

    @property
    def style(self) -> dict[str, str]:
        declarations = (part.partition(":") for part in self.attributes.get("style", "").split(";") if part)
        return {name.strip(): value.strip() for name, _, value in declarations}


@dataclass
class Mail(HTMLParser):
    """A mail's elements in their order, its words, and its conditional comments."""

    name: str
    html: str
    elements: list[Element] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[Element] = []
        self.feed(self.html)

    def handle_starttag(self, tag, attributes):
        self.elements.append(Element(tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag):
        if not self._open or self._open.pop().tag != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        for element in self._open:
            element.text += data

    def handle_comment(self, data):
        self.conditions.append(data)

    def every(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]
