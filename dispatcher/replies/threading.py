"""In-Reply-To, References and Subject as mail programs expect them.

Python folds a long Message-ID into an encoded word, and Outlook then no longer finds the thread. In a long
subject that is not all ASCII it puts a space where none is, and takes away another.
"""

from __future__ import annotations

from email.header import Header
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.policy import Policy
from typing import Any


class ThreadHeader(UnstructuredHeader):
    """A header of Message-IDs: folded between them, never inside one, neither encoded nor decoded."""

    name: str  # set by BaseHeader, which the registry mixes in

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Take the value as it is: a Message-ID that looks like an encoded word is still a Message-ID."""
        kwds["parse_tree"] = cls.value_parser("")
        kwds["decoded"] = value

    def fold(self, *, policy: Policy) -> str:
        """Return the header with each Message-ID on a line of its own."""
        return f"{self.name}: " + f"{policy.linesep} ".join(str(self).split()) + policy.linesep

    @classmethod
    def factory(cls) -> Any:
        """Return a header factory with these two classes for what they are for, and Python's for the rest."""
        registry = HeaderRegistry()
        for name in ("in-reply-to", "references", "message-id"):
            registry.map_to_type(name, cls)  # type: ignore[arg-type]  # typeshed wants what the registry mixes in
        registry.map_to_type("subject", SubjectHeader)  # type: ignore[arg-type]  # the same
        return registry


class SubjectHeader(UnstructuredHeader):
    """A subject whose encoded words decode to exactly its text: where one is needed, all of it is encoded."""

    name: str

    def fold(self, *, policy: Policy) -> str:
        """Return the header in lines of 76 characters, but for longer words without any other sign."""
        text = str(self)
        charset = "us-ascii" if text.isascii() else "utf-8"
        encoded = Header(text, charset, header_name=self.name).encode(linesep=policy.linesep)
        return f"{self.name}: {encoded}{policy.linesep}"
