"""One page: its template, and the values that the program gives for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dispatcher.manual import codes, commands, terminal
from dispatcher.settings import PROJECT

PAGES: Mapping[str, Callable[[], Mapping[str, Any]]] = {
    "COMANDOS.md": commands.values,
    "CODIGOS.md": codes.values,
    "TERMINAL.md": terminal.values,
}


def page(name: str) -> str:
    """Return a page as the program is now. Raises jinja2.UndefinedError for what nobody has described yet."""
    environment = Environment(  # noqa: S701 - Markdown, of our own words
        loader=FileSystemLoader(PROJECT / "templates" / "manual"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    return environment.get_template(f"{name}.j2").render(PAGES[name]())


def _cell(text: str) -> str:
    """Return the text as it may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
