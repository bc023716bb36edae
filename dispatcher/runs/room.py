"""Whether this machine's disk has room for a run. Without any it starts none: each would fail at once.

On one machine the jobs wait; where several share the work, a full disk would otherwise win every race for
the next job, and answer a whole queue with failures.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from dispatcher.errors import AthomeError, RunLostError

log = logging.getLogger(__name__)

_NEEDED = 16 * 1024 * 1024  # bytes: what a run writes, and SQLite's log beside it, many times over


class NoRoomError(RunLostError):
    """A run was not begun as its files could not be written: run it again when there is room."""

    def __init__(self, folder: Path, error: OSError) -> None:
        AthomeError.__init__(
            self,
            f"Não é possível gravar em {folder}: {error.strerror}.",
            "Libere espaço em disco, ou corrija as permissões; o job espera.",
        )


class Room:
    """The room on the disk of a folder, which exists."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._enough = True

    def enough(self) -> bool:
        """Look, and say in the log when it has changed."""
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        enough = free >= _NEEDED and (disk.f_favail > 0 or disk.f_files == 0)  # some disks count no files
        if enough != self._enough:
            self._enough = enough
            if enough:
                log.warning("%s has room again: jobs are started", self._folder)
            else:
                log.critical("%s has no room (%d bytes free): no job is started", self._folder, free)
        return enough
