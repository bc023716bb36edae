"""A file of the predecessor's, as text: whatever editor and system wrote it."""

from __future__ import annotations

import codecs
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from dispatcher.errors import AthomeError, NotFoundError

_LIMIT = 1024 * 1024
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class LegacyError(AthomeError):
    """A file of the predecessor's is not what its name says: the sentence says what was expected."""

    exit_code = 65  # EX_DATAERR


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read. ``name``: its path as given, for two machines have files of the same names."""

    name: str
    text: str = field(repr=False)
    exposed: bool  # others than its owner may reach and read it


def read(path: Path) -> Source | None:
    """Return the file, None when there is none. Raises LegacyError when it cannot be read as text."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe does not hold us up
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise LegacyError(f"{path} não é um arquivo.", "Copie o arquivo antigo para esse lugar.")
            content = file.read(_LIMIT + 1)
            reached = path.parent.stat().st_mode & 0o011
    except FileNotFoundError:
        if path.is_symlink():
            raise LegacyError(f"{path} aponta para o que não existe.", "Copie o próprio arquivo.") from None
        return None
    except IsADirectoryError:
        raise LegacyError(f"{path} não é um arquivo.", "Copie o arquivo antigo para esse lugar.") from None
    except OSError as error:
        raise LegacyError(
            f"Não é possível ler {path}: {error.strerror}.",
            "Dê à conta que roda este comando o direito de ler a pasta (com sudo athome, é a conta athome).",
        ) from None
    if len(content) > _LIMIT:
        raise LegacyError(f"{path} tem mais de 1 MB: não é do programa anterior.", "Confira a pasta.")
    return Source(str(path), decoded(content), bool(reached and found.st_mode & 0o077))


def decoded(content: bytes) -> str:
    """Return text of UTF-8 or UTF-16, with or without a mark, or else of Latin-1; never an error."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.removeprefix(mark).decode(encoding, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def nothing(folder: Path, names: tuple[str, ...]) -> NotFoundError:
    """Return the error of a folder that has none of the files."""
    return NotFoundError(
        f"{folder} não tem {', '.join(names[:-1])} nem {names[-1]}.",
        "Copie os arquivos do sistema anterior para uma pasta só deles, uma por máquina, e indique-a.",
    )
