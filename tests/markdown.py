"""The blocks of a document, as Markdown has them, and what stands before each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from dispatcher.settings import PROJECT

# What people read to use the project. CONTRIBUTING.md is followed by a test of its own.
DOCUMENTS = ("README.md", "lab/README.md", *sorted(f"docs/{file.name}" for file in PROJECT.glob("docs/*.md")))


@dataclass(frozen=True, slots=True)
class Block:
    """``language``: the fence's, empty of an indented block. ``before``: the paragraph that leads to it."""

    document: str
    line: int
    language: str
    text: str
    before: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(path: Path) -> list[Block]:
    """Return the code blocks of a document in their order."""
    found, before = [], ""
    for token in MarkdownIt().enable("table").parse(path.read_text()):
        if token.type == "inline":
            before = token.content
        elif token.type in ("fence", "code_block"):
            line = (token.map or [0])[0] + 1
            name = str(path.relative_to(PROJECT))
            found.append(Block(name, line, token.info.strip(), token.content, before))
    return found
