"""A subject without its token → a validated command, or every problem at once with a subject to copy.

The grammar, ASCII only, keys in any case::

    subject = (KEY "=" value *(" " KEY "=" value) / WORD *(" " word)) [" SIMULAR" / " CHECK"]

A value reaches to the next known key, so that a date may have a space before its time, and may be empty.
Commands of words (``WordCommand``) read what stands after their name themselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from difflib import get_close_matches
from types import NoneType
from typing import Any, get_args

from pydantic import ValidationError

from dispatcher.commands import ALIASES, COMMANDS
from dispatcher.commands.base import Command, InvalidCommand, NotPermitted, Problem, WordCommand
from dispatcher.commands.context import Context
from dispatcher.commands.correction import Correction, corrected, example
from dispatcher.commands.pairs import KEY, SHOWN, split
from dispatcher.inventory import Inventory
from dispatcher.mail.address import normalise

MAX_LENGTH = 998  # RFC 5322: one line
_CHECK = re.compile(r"\s+(SIMULAR|CHECK)\s*$", re.IGNORECASE)
_TEMPLATE = re.compile(r"\{[{%#]|[}%#]\}")  # Jinja's signs: never data in any of our commands
_TYPESET = dict.fromkeys(map(ord, "“”„‘’«»\u200b\ufeff")) | dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
_PREVIEW = ("SIMULAR", "SIMULACAO", "SIMULATE")


@dataclass(frozen=True, slots=True)
class Request:
    """What a subject asks for. ``check``: show what would change, change nothing."""

    command: Command
    check: bool = False

    @property
    def subject(self) -> str:
        """The canonical subject, as a preview if it is one."""
        return self.command.subject() + (" SIMULAR" if self.check else "")


def parse(
    subject: str,
    inventory: Inventory,
    now: datetime | None = None,
    may: Callable[[type[Command]], bool] = lambda _kind: True,
) -> Request:
    """Return the request of a subject whose token is already off.

    The inventory's servers are those that there are, and the commands those that it has servers for. ``now``
    is the moment that dates are judged at, with its time zone; None: the present one. ``may`` tells which
    commands this sender may use: no other is offered. Raises NotPermitted for one of the others,
    InvalidCommand with a correction that is valid on this very inventory, and InventoryError when it has
    servers for none.
    Whoever asked for a preview, however misspelt, is never offered the real thing.
    """
    commands = available(inventory)
    try:
        permitted = {word: kind for word, kind in commands.items() if may(kind)}
        return _Parser(inventory, commands, permitted, now or datetime.now(timezone.utc)).parse(subject)
    except InvalidCommand as error:
        preview = any(_means_preview(word) for word in re.findall("[A-Za-z]+", subject[:MAX_LENGTH]))
        if preview and not _CHECK.search(error.corrected):
            raise InvalidCommand(error.problems, f"{error.corrected} SIMULAR", error.invented) from None
        raise


def available(inventory: Inventory) -> Mapping[str, type[Command]]:
    """Return the commands of this fleet. Raises InventoryError when it has servers for none."""
    commands = {word: kind for word, kind in COMMANDS.items() if kind.available(inventory)}
    if not any(kind.group for kind in commands.values()):
        inventory.group(next(iter(COMMANDS.values())).group)  # the error names it
    return commands


def _means_preview(word: str) -> bool:
    return word.upper() == "CHECK" or bool(get_close_matches(word.upper(), _PREVIEW, cutoff=0.8))


@dataclass(frozen=True, slots=True)
class _Parser:
    inventory: Inventory
    commands: Mapping[str, type[Command]]  # of this fleet
    permitted: Mapping[str, type[Command]]  # those of them that the sender may use
    now: datetime

    def parse(self, subject: str) -> Request:
        subject = subject.strip()
        if problem := _unacceptable(subject):
            plain = _in_ascii(subject) if problem.code == "subject.not_ascii" else subject
            raise _refusal((problem,), self.understood(plain) if plain != subject else self.example())
        check = bool(_CHECK.search(subject))
        subject = _CHECK.sub("", subject)
        first = KEY.match(subject)
        written = first[1] if first else re.split(r"[\s:]", subject, maxsplit=1)[0]
        word = ALIASES.get(written.upper(), written.upper())
        if word not in self.commands:
            raise self.unknown_command(word, subject)
        kind = self.commands[word]
        if word not in self.permitted:
            raise NotPermitted(kind)
        if issubclass(kind, WordCommand):
            words = subject[len(written) :].strip().lstrip("=:").strip()
            return Request(kind.read(" ".join(words.split()), self.context(kind)), check)
        if not first:  # "CHECKIP 3.3.3.3": the sign is missing, the rest is probably meant
            problem = Problem(field=word, value=subject[:SHOWN], code="field.missing")
            rest = subject[len(written) :].strip(" :")
            raise _refusal((problem,), self.understood(f"{word}={rest}") if rest else self.example(kind))
        return Request(self.command(kind, subject, check=check), check)

    def command(self, kind: type[Command], subject: str, *, check: bool) -> Command:
        """Split into fields and let the command's own types judge each; collect all that is wrong."""
        pairs, context = split(kind, subject), self.context(kind)
        defaults = kind.defaults(context)
        values = {
            **defaults,
            **{field: text or defaults.get(field, "") for field, text in pairs.values.items()},
        }
        refused: tuple[Problem, ...] = ()
        try:
            command = kind.model_validate(values, context=context)
        except ValidationError as error:
            refused = tuple(_problem(kind, detail, values, context) for detail in error.errors())
        else:
            if not pairs.problems:
                return command
        if (apart := _apart(kind, subject)) != subject:
            raise _refusal((*pairs.problems, *refused), self.understood(apart + " SIMULAR" * check))
        suggestions = {problem.field.lower(): problem.suggestion for problem in refused}
        correction = corrected(kind, values, suggestions, context)
        raise _refusal((*pairs.problems, *refused), correction.previewed() if check else correction)

    def unknown_command(self, word: str, subject: str) -> InvalidCommand:
        """Name the commands there are; where one is near, show the whole subject with it in place."""
        near = get_close_matches(word, self.permitted, n=1)
        problem = Problem(
            field="", value=subject[:SHOWN], code="command.unknown",
            data={"known": ", ".join(self.permitted)}, suggestion=near[0] if near else None,
        )  # fmt: skip
        rest = subject[len(word) :]
        for key in KEY.finditer(subject):
            if key[1].upper() in self.permitted:  # it stands behind its fields
                return _refusal(
                    (problem,), self.understood(f"{subject[key.start() :]} {subject[: key.start()]}")
                )
        if _means_preview(word) and rest.strip():  # it stands before the command instead of behind it
            return _refusal((problem,), self.understood(rest))
        return _refusal((problem,), self.understood(near[0] + rest) if near else self.example())

    def understood(self, subject: str) -> Correction:
        """Return the subject if it is valid, else what it corrects to."""
        try:
            return Correction(self.parse(subject).subject)
        except InvalidCommand as error:
            return Correction(error.corrected, error.invented)

    def example(self, kind: type[Command] | None = None) -> Correction:
        """Return the example of a command, or of the first one, on this fleet."""
        kind = kind or next(iter(self.permitted.values()))
        return example(kind, self.context(kind))

    def context(self, kind: type[Command]) -> Context:
        return Context(kind.candidates(self.inventory), self.inventory, self.now, self.permitted)


def _refusal(problems: tuple[Problem, ...], correction: Correction) -> InvalidCommand:
    return InvalidCommand(problems, correction.subject, correction.invented)


def _unacceptable(subject: str) -> Problem | None:
    """Refuse what is no text of ours as a whole, before a key is looked for."""
    shown = subject[:SHOWN]
    if not subject:
        return Problem(field="", value="", code="subject.empty")
    if len(subject) > MAX_LENGTH:
        return Problem(field="", value=shown, code="subject.too_long", data={"limit": str(MAX_LENGTH)})
    for character in subject:
        if not character.isascii():
            return Problem(field="", value=shown, code="subject.not_ascii", data={"character": character})
        if not character.isprintable():
            return Problem(field="", value="", code="subject.control")
    if _TEMPLATE.search(subject):
        return Problem(field="", value=shown, code="subject.template")
    return None


def _apart(kind: type[Command], subject: str) -> str:
    """Return the subject with a space where another sign stands between a value and the next key."""
    keys = "|".join(kind.model_fields)
    return re.sub(rf"\s*[;,|/]\s*(?=(?:{keys})\s*=)", " ", subject, flags=re.IGNORECASE)


def _in_ascii(subject: str) -> str:
    """Return the subject with the domains of addresses as DNS has them: ``são.example`` in ASCII.

    Of one without addresses, what it would be without accents and a typesetter's signs: nobody's address
    may become another one.
    """
    if "@" not in subject:
        signs = unicodedata.normalize("NFKD", subject.translate(_TYPESET))
        subject = "".join(sign for sign in signs if not unicodedata.combining(sign)).strip(" .\"'")
    words = subject.split()
    for place, word in enumerate(words):
        with suppress(ValueError):  # no address
            words[place] = normalise(word)
    plain = " ".join(words)
    return plain if plain.isascii() else subject


def _problem(
    kind: type[Command], detail: Mapping[str, Any], values: Mapping[str, str], context: Context
) -> Problem:
    """Turn pydantic's finding into ours."""
    field = str(detail["loc"][0])
    if detail["type"] == "missing" and field == kind.server_field():
        known = {"known": ", ".join(context.servers)}
        return Problem(field=field.upper(), value="", code="server.missing", data=known)
    if detail["type"] == "missing":
        may_be_empty = NoneType in get_args(kind.model_fields[field].annotation)
        code = "field.missing_may_be_empty" if may_be_empty else "field.missing"
        return Problem(field=field.upper(), value="", code=code)
    said = detail["ctx"]
    return Problem(
        field=field.upper(), value=values[field][:SHOWN], code=said["code"],
        data=said["data"], suggestion=said["suggestion"],
    )  # fmt: skip
