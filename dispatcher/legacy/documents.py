"""The predecessor's JSON files: an object with one list."""

from __future__ import annotations

import json
from typing import Any

from dispatcher.legacy.files import LegacyError


def entries(text: str, name: str, key: str, example: str) -> tuple[list[Any], tuple[str, ...]]:
    """Return the list under the key, and the other keys. Raises LegacyError with the place and an example."""
    try:
        document = json.loads(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        place = f"linha {error.lineno}, coluna {error.colno}"
        raise LegacyError(f"{name} não é JSON: {place}.", f"Corrija o arquivo. Esperado: {example}") from None
    except (ValueError, RecursionError):  # a number of a thousand digits, a thousand brackets
        raise LegacyError(f"{name} não é um {name.rpartition('/')[2]}.", f"Esperado: {example}") from None
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise LegacyError(f"{name} não tem uma lista em {key}.", f"Esperado: {example}")
    return found, tuple(other for other in document if other != key)
