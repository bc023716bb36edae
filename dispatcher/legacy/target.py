"""Where the import goes to, and what is there already: looked at once, and not changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import make_url

from dispatcher.errors import AthomeError, SecretError, SettingsError
from dispatcher.inventory import Inventory, InventorySource
from dispatcher.jobs.database import connect
from dispatcher.mail.sender import Sender
from dispatcher.mail.senders import Senders
from dispatcher.mail.tokens import opened
from dispatcher.settings import Settings, load

Counts = Callable[[str, str], bool]  # whether a token counts for a sender already


@dataclass(frozen=True, slots=True)
class Target:
    """An installation, or the folder that is to become one.

    ``settings``: None while there are none that are complete; then ``unready`` says what is wrong.
    """

    settings_file: Path
    settings_there: bool
    inventory: Path
    fleet: Inventory | None  # None: no inventory yet
    password_file: Path
    password_there: bool
    password: str | None = field(repr=False)  # where it can be read from here
    settings: Settings | None
    unready: AthomeError | None
    listed: dict[str, Sender]

    @property
    def password_files(self) -> tuple[Path, ...]:
        """Where the account's password goes: to what reads the mailbox and to what sends."""
        return self.password_file, self.password_file.with_name("smtp-password")

    def counts(self) -> Counts:
        """Return the question whether a token is there already. Raises SettingsError, SecretError."""
        if self.settings is None or not _database_there(self.settings):
            return lambda _sender, _token: False
        return opened(self.settings).counts


def look(settings_path: Path, out: Path | None) -> Target:
    """Return what there is. Raises InventoryError when an inventory cannot be read, StoreError."""
    settings, unready = _loaded(settings_path)
    folder = settings_path.parent if out is None else out
    file = settings_path if out is None else folder / "settings.yml"
    inventory, password_file = folder / "inventory", folder / "credentials" / "imap-password"
    if settings and out is None:
        inventory = settings.inventory
        password_file = settings.imap.password_file if settings.imap else password_file
    password = _password(settings if out is None else None, password_file)
    there = inventory.is_file() or (inventory.is_dir() and any(inventory.iterdir()))
    return Target(
        file,
        file.exists(),
        inventory,
        InventorySource(inventory).read() if there else None,
        password_file,
        password is not None or _exists(password_file),
        password,
        settings,
        unready,
        _listed(settings) if settings else {},
    )


def _loaded(path: Path) -> tuple[Settings | None, AthomeError | None]:
    try:
        return load(path), None
    except SettingsError as error:
        return None, error


def _password(settings: Settings | None, file: Path) -> str | None:
    with suppress(SecretError):  # the service's own is a credential of its unit
        if settings and settings.imap:
            return settings.imap.password()
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text(encoding="utf-8").strip()
    return None


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except PermissionError:  # a folder of root's that is there
        return True


def _listed(settings: Settings) -> dict[str, Sender]:
    if not _database_there(settings):
        return {}
    return {sender.address: sender for sender in Senders(connect(settings.job_store)).all()}


def _database_there(settings: Settings) -> bool:
    """Whether there is one: to look at SQLite's would make it."""
    url = make_url(settings.job_store.url or "")
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()
