"""The predecessor's JSON files: an object with one list."""

from __future__ import annotations

import json
from typing import Any

from dispatcher.legacy.files import LegacyError
from dispatcher.replies.visible import visible


class _TwiceError(Exception):
    """An object has a key twice; the text is the key."""


def entries(text: str, name: str, key: str, example: str) -> tuple[list[Any], tuple[str, ...]]:
    """Return the list under the key, and the other keys. Raises LegacyError with the place and an example."""
    try:
        document = json.loads(text.lstrip("\ufeff"), object_pairs_hook=_once)
    except _TwiceError as error:
        raise LegacyError(f"{name} diz duas vezes {error}.", "Deixe no arquivo só o que vale.") from None
    except json.JSONDecodeError as error:
        place = f"linha {error.lineno}, coluna {error.colno}"
        raise LegacyError(f"{name} não é JSON: {place}.", f"Corrija o arquivo. Esperado: {example}") from None
    except (ValueError, RecursionError):  # a number of a thousand digits, a thousand brackets
        raise LegacyError(f"{name} não é um {name.rpartition('/')[2]}.", f"Esperado: {example}") from None
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise LegacyError(f"{name} não tem uma lista em {key}.", f"Esperado: {example}")
    return found, tuple(other for other in document if other != key)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; JSON itself would pass over all but the last of a key's values in silence."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _TwiceError(visible(key, 40))
        found[key] = value
    return found
