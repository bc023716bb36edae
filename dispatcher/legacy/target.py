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
from dispatcher.legacy.files import LegacyError
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
        """Where the account's password goes: to what sends, and at last to what reads the mailbox."""
        return self.password_file.with_name("smtp-password"), self.password_file

    def counts(self) -> Counts:
        """Return the question whether a token is there already. Raises SettingsError, SecretError."""
        if self.settings is None or not _database_there(self.settings):
            return lambda _sender, _token: False
        return opened(self.settings).counts


def look(settings_path: Path, out: Path | None) -> Target:
    """Return what there is. Raises LegacyError where nobody lets us look, InventoryError, StoreError."""
    settings, unready = _loaded(settings_path)
    folder = settings_path.parent if out is None else out
    file = settings_path if out is None else folder / "settings.yml"
    inventory, password_file = folder / "inventory", folder / "credentials" / "imap-password"
    if settings and out is None:
        inventory = settings.inventory
        password_file = settings.imap.password_file if settings.imap else password_file
    password = _password(settings if out is None else None, password_file)
    try:
        settings_there, fleet_there = file.exists(), _inventory_there(inventory)
    except PermissionError as error:
        raise LegacyError(
            f"Esta conta não pode olhar {error.filename}.",
            "Rode como a conta do serviço (sudo athome), ou indique com --out uma pasta desta conta.",
        ) from None
    return Target(
        file,
        settings_there,
        inventory,
        InventorySource(inventory).read() if fleet_there else None,
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


def _inventory_there(path: Path) -> bool:
    """Whether there is anything that Ansible takes hosts from; variables alone are no inventory."""
    if not path.is_dir():
        return path.is_file()
    return any(one.name not in ("group_vars", "host_vars") and one.name[0] != "." for one in path.iterdir())


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
