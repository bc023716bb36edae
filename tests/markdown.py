"""The blocks of a document, as Markdown has them, and what stands before each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt


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


def blocks(path: Path, root: Path) -> list[Block]:
    """Return the code blocks of a document in their order."""
    found, before = [], ""
    for token in MarkdownIt().enable("table").parse(path.read_text()):
        if token.type == "inline":
            before = token.content
        elif token.type in ("fence", "code_block"):
            line = (token.map or [0])[0] + 1
            name = str(path.relative_to(root))
            found.append(Block(name, line, token.info.strip(), token.content, before))
    return found
