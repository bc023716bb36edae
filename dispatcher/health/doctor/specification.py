"""What a role's specification says of its variables, and where the inventory's values differ from it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from dispatcher.settings import PROJECT

# Variables of ours that no role knows: the dispatcher itself reads them.
_OURS = {"audio_collection": {"audio_collection_default_server"}}


@cache
def options(role: str) -> Mapping[str, Any]:
    """Return a role's variables as its specification has them."""
    text = (PROJECT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    found: Mapping[str, Any] = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    return found


def unknown(role: str, variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each variable that begins as the role's and is none, with the one that may be meant."""
    known = {*options(role), *_OURS.get(role, ())}
    for name in sorted(variables):
        if name.startswith(f"{role}_") and name not in known:
            yield name, next(iter(difflib.get_close_matches(name, known, 1)), "")


def wrong(role: str, variables: Mapping[str, Any]) -> list[str]:
    """Return Ansible's own words on values that the role would refuse. A command's own need not be there."""
    specification = {
        name: {key: value for key, value in spec.items() if key not in ("required", "default")}
        for name, spec in options(role).items()
    }
    given = {name: variables[name] for name in specification if name in variables}
    said: list[str] = ArgumentSpecValidator(specification).validate(given).error_messages
    return said
