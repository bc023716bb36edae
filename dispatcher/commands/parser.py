"""A subject without its token → a validated command, or every problem at once with a subject to copy.

The grammar, ASCII only, keys in any case::

    subject = KEY "=" value *(" " KEY "=" value) [" SIMULAR" / " CHECK"]

A value reaches to the next known key, so that a date may have a space before its time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import ValidationError

from dispatcher.commands import COMMANDS
from dispatcher.commands.base import Command, InvalidCommand, Problem

MAX_LENGTH = 998  # RFC 5322: one line
_SHOWN = 80  # characters of a bad value that are shown back
_CHECK = re.compile(r"\s+(SIMULAR|CHECK)\s*$", re.IGNORECASE)
_TEMPLATE = re.compile(r"\{[{%#]|[}%#]\}")  # Jinja's signs: never data in any of our commands
_PREVIEW = ("SIMULAR", "SIMULACAO", "SIMULATE")
_KEY = re.compile(r"(?:^|(?<=\s))([A-Za-z][A-Za-z0-9_]*)\s*=")


@dataclass(frozen=True, slots=True)
class Request:
    """What a subject asks for. ``check``: show what would change, change nothing."""

    command: Command
    check: bool = False


def parse(subject: str) -> Request:
    """Return the request of a subject whose token is already off. Raises InvalidCommand.

    Whoever asked for a preview, however misspelt, is never offered the real thing as the correction.
    """
    try:
        return _parse(subject)
    except InvalidCommand as error:
        preview = any(_means_preview(word) for word in re.findall("[A-Za-z]+", subject[:MAX_LENGTH]))
        if preview and not _CHECK.search(error.corrected):
            raise InvalidCommand(error.problems, f"{error.corrected} SIMULAR") from None
        raise


def _means_preview(word: str) -> bool:
    return word.upper() == "CHECK" or bool(get_close_matches(word.upper(), _PREVIEW, cutoff=0.8))


def _parse(subject: str) -> Request:
    subject = subject.strip()
    if problem := _unacceptable(subject):
        raise InvalidCommand((problem,), _example())
    check = bool(_CHECK.search(subject))
    subject = _CHECK.sub("", subject)
    keys = list(_KEY.finditer(subject))
    word = (keys[0].group(1) if keys and keys[0].start() == 0 else subject.split()[0]).upper()
    if word not in COMMANDS:
        raise _unknown_command(word, subject)
    return Request(_command(COMMANDS[word], subject, keys, check=check), check)


def _unacceptable(subject: str) -> Problem | None:
    """Refuse what is no text of ours as a whole, before a key is looked for."""
    shown = subject[:_SHOWN]
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


def _command(kind: type[Command], subject: str, keys: list[re.Match[str]], *, check: bool) -> Command:
    """Split into fields and let the command's own types judge each; collect all that is wrong."""
    problems: list[Problem] = []
    values: dict[str, str] = {}
    if not keys or keys[0].start() != 0:  # "CHECKIP 3.3.3.3": the sign is missing, the rest is probably meant
        problem = Problem(field=kind.keyword, value=subject[:_SHOWN], code="field.missing")
        rest = subject[len(kind.keyword) :].strip()
        raise InvalidCommand((problem,), _as_understood(f"{kind.keyword}={rest}") if rest else kind.example)
    for place, key in enumerate(keys):
        name = key.group(1).upper()
        end = keys[place + 1].start() if place + 1 < len(keys) else len(subject)
        value = subject[key.end() : end].strip()
        if name.lower() not in kind.model_fields:
            known = [field.upper() for field in kind.model_fields]
            near = get_close_matches(name, known, n=1)
            problems.append(
                Problem(
                    field=name, value=value[:_SHOWN], code="field.unknown",
                    data={"known": ", ".join(known)}, suggestion=near[0] if near else None,
                )
            )  # fmt: skip
        elif name.lower() in values:
            problems.append(
                Problem(
                    field=name, value=value[:_SHOWN], code="field.duplicate", suggestion=values[name.lower()]
                )
            )
        else:
            values[name.lower()] = value
    try:
        command = kind.model_validate(values)
    except ValidationError as error:
        problems += [_problem(detail, values) for detail in error.errors()]
        command = None
    if problems or command is None:
        raise InvalidCommand(tuple(problems), _corrected(kind, values, problems, check=check))
    return command


def _problem(detail: object, values: dict[str, str]) -> Problem:
    """Turn pydantic's finding into ours."""
    assert isinstance(detail, dict)  # noqa: S101 - ErrorDetails is a TypedDict
    name = str(detail["loc"][0])
    value = values.get(name, "")
    if detail["type"] == "missing":
        return Problem(field=name.upper(), value="", code="field.missing")
    context = detail.get("ctx", {})
    if not value:
        return Problem(field=name.upper(), value="", code="field.empty")
    return Problem(
        field=name.upper(), value=value[:_SHOWN], code=context["code"],
        data=context["data"], suggestion=context["suggestion"],
    )  # fmt: skip


def _corrected(kind: type[Command], values: dict[str, str], problems: list[Problem], *, check: bool) -> str:
    """Keep what was right, take the suggestion for what was wrong, else the example's value."""
    example = {
        key.group(1).lower(): key.string[key.end() :].split()[0] for key in _KEY.finditer(kind.example)
    }
    wrong = {
        problem.field.lower(): problem.suggestion
        for problem in problems
        if problem.field.lower() in kind.model_fields
    }
    parts = []
    for name, field in kind.model_fields.items():
        value = (wrong[name] or example.get(name)) if name in wrong else values.get(name)
        if value is None and field.is_required():
            value = example.get(name, "")
        if value is not None:
            parts.append(f"{name.upper()}={value}")
    return " ".join(parts) + (" SIMULAR" if check else "")


def _unknown_command(word: str, subject: str) -> InvalidCommand:
    """Name the commands there are; where one is near, show the whole subject with it in place."""
    near = get_close_matches(word, COMMANDS, n=1)
    problem = Problem(
        field="", value=subject[:_SHOWN], code="command.unknown",
        data={"known": ", ".join(COMMANDS)}, suggestion=near[0] if near else None,
    )  # fmt: skip
    if _means_preview(word):  # it stands before the command instead of behind it
        rest = subject[len(word) :].strip()
        return InvalidCommand((problem,), _as_understood(rest) if rest else _example())
    if not near:
        return InvalidCommand((problem,), _example())
    return InvalidCommand((problem,), _as_understood(near[0] + subject[len(word) :]))


def _as_understood(subject: str) -> str:
    """Return the subject if it is valid, else what it corrects to."""
    try:
        request = _parse(subject)
    except InvalidCommand as error:
        return error.corrected
    return request.command.subject() + (" SIMULAR" if request.check else "")


def _example() -> str:
    return next(iter(COMMANDS.values())).example
