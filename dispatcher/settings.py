"""One YAML file, validated as a whole; secrets stay outside of it.

A secret is named by a file (``password_file: imap-password``). It is looked up, in this order, in the
environment variable that the field's description names, in systemd's credentials folder, and relative to the
settings file. It is read when it is needed, so a rotated password works at the next connection.
"""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    IPvAnyAddress,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dispatcher.errors import SecretError, SettingsError
from dispatcher.mail.address import normalise

_CHECKOUT = Path(__file__).resolve().parents[1]
# Where ansible.cfg, playbooks/, roles/, inventory/, templates/ and locale/ are: the wheel brings them along.
PROJECT = _CHECKOUT if (_CHECKOUT / "playbooks").is_dir() else Path(sys.prefix, "share", "athome")
SHARED_LEASE = 60  # seconds: the shortest lease when several machines share the work
DEFAULT_PATH = Path("/etc/athome/settings.yml")
ARA_LOCAL = "local"  # runs.ara: recorded in the state folder, without a server


def _beside_settings(path: Path, info: ValidationInfo) -> Path:
    """Paths in the file are relative to the file, not to wherever the shell stands."""
    return Path((info.context or {}).get("folder", Path.cwd()), path.expanduser())


def _known_zone(name: str) -> str:
    ZoneInfo(name)  # raises ZoneInfoNotFoundError, a KeyError
    return name


FilePath = Annotated[Path, AfterValidator(_beside_settings)]


class Section(BaseModel):
    """A part of the file: unknown keys are errors, since a misspelt key would be silently without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Imap(Section):
    """The mailbox that commands arrive in."""

    host: str
    port: int = 993
    security: Literal["tls", "starttls"] = "tls"
    user: str
    password_file: FilePath = Field(description="ATHOME_IMAP_PASSWORD")
    ca_file: FilePath | None = None  # trust this CA only, for a server with its own certificate
    inbox: str = "INBOX"
    processed: str = "Processed"
    parked: str = "Parked"  # mails that could not even be parsed, kept for a person
    keep_days: int = Field(30, ge=1, description="days that what was put away, with tokens in it, is kept")
    timeout: float = Field(10, gt=0, description="seconds for one answer of the server")
    idle: float = Field(120, gt=0, le=1740, description="seconds of one IDLE (RFC 2177: at most 29 minutes)")

    def password(self) -> str:
        """Return the mailbox's password."""
        return read_secret(self.password_file, "ATHOME_IMAP_PASSWORD")


class Smtp(Section):
    """The server that takes the replies."""

    host: str
    port: int = 587
    security: Literal["tls", "starttls"] = "starttls"
    user: str
    password_file: FilePath = Field(description="ATHOME_SMTP_PASSWORD")
    ca_file: FilePath | None = None
    timeout: float = Field(30, gt=0, description="seconds")
    # Where copies are of what was sent: asked before a mail is sent again of which nobody knows whether the
    # server has taken it. null: the server keeps none. In the account of the section imap.
    sent_folder: str | None = Field(None, min_length=1)
    sent_delay: float = Field(10, ge=0, le=600, description="seconds until a copy is there for sure")
    save_copy: bool = False  # put the copies there ourselves, for a server that does not

    @model_validator(mode="after")
    def _copies_where(self) -> Smtp:
        if self.save_copy and self.sent_folder is None:
            raise ValueError("sent_folder: a pasta para as cópias, por exemplo Sent")
        return self

    def password(self) -> str:
        """Return the submission account's password."""
        return read_secret(self.password_file, "ATHOME_SMTP_PASSWORD")


class Mail(Section):
    """Who the dispatcher is, and whose word about a sender it takes."""

    address: Annotated[str, AfterValidator(normalise)]
    aliases: tuple[Annotated[str, AfterValidator(normalise)], ...] = ()  # forwarded to this mailbox
    provider: Literal["own", "gmail"] = "own"
    authserv_id: str = Field("", description="of the Authentication-Results that our own mail server writes")
    authentication: Literal["strict", "results_only"] = "strict"  # results_only: no DKIM check of our own
    nameservers: tuple[IPvAnyAddress, ...] = ()  # none: the machine's own
    dns_timeout: float = Field(5, gt=0, le=30, description="seconds for one question, tries included")
    max_bytes: int = Field(256 * 1024, gt=1024)
    max_age: float = Field(86400, gt=0, description="seconds that a mail's Date may lie before its arrival")
    answers_per_hour: int = Field(60, ge=1, description="mails to one sender; what comes above is not taken")
    audit_days: int = Field(365, ge=1, description="days that the audit keeps a mail's verdict")

    @model_validator(mode="after")
    def _whose_results(self) -> Mail:
        """Gmail's own name is known; of any other server the name has to be said: a blank one fails open."""
        if not self.authserv_id and self.provider != "gmail":
            raise ValueError("authserv_id: o nome que o seu servidor escreve em Authentication-Results")
        return self

    @property
    def results_of(self) -> str:
        """The name of the server whose Authentication-Results are believed."""
        return self.authserv_id or "mx.google.com"


class Tokens(Section):
    """The key under which tokens are stored: a stolen database alone guesses nothing."""

    pepper_file: FilePath = Field(description="ATHOME_TOKEN_PEPPER")
    attempts: int = Field(10, ge=1, description="wrong tokens of one sender until the sender is locked out")
    lockout: float = Field(3600, gt=0, description="seconds that a lock-out lasts")
    forget: float = Field(86400, gt=0, description="seconds after the last wrong token until it is forgotten")
    totp_window: float = Field(300, ge=0, description="seconds that a one-time code may be early or late")

    def pepper(self) -> bytes:
        """Return the key for HMAC-SHA256 over tokens (at least 16 bytes)."""
        pepper = read_secret(self.pepper_file, "ATHOME_TOKEN_PEPPER").encode()
        if len(pepper) < 16:  # noqa: PLR2004 - 128 bits
            raise SecretError(
                f"A chave dos tokens em {self.pepper_file} é curta demais.",
                "Crie outra com: openssl rand -hex 32",
            )
        return pepper


Demand = Literal["token", "confirmation", "totp"]


class Permissions(Section):
    """How sure a command has to be of its sender, beyond authentication. Previews ask for a token alone.

    ``confirmation``: the sender answers a mail with a code, or has opened the command with a one-time token.
    ``totp``: only a one-time token opens it.
    """

    demands: dict[str, Demand] = {}  # by the command's keyword; else as the command itself has it
    approval: tuple[str, ...] = ()  # keywords of what another administrator has to approve, however proved
    confirm_within: float = Field(900, gt=0, description="seconds that a code waits for its answer")


class Database(Section):
    """Where jobs, senders and replies live."""

    url: str | None = None  # default: SQLite in the state folder
    # For PostgreSQL; without it libpq asks as it always does (PGPASSFILE, ~/.pgpass, the socket's account).
    password_file: FilePath | None = Field(None, description="ATHOME_DATABASE_PASSWORD")

    @field_validator("url")
    @classmethod
    def _without_password(cls, url: str | None) -> str | None:
        """Refuse a password, without showing it: it would be in every copy of the file."""
        address, _mark, query = (url or "").partition("?")
        if re.match(r"[^/]*//[^@/]*:[^/]*@", address) or "password=" in query.lower():
            raise ValueError("a senha não pode estar no endereço; use database.password_file")
        return url

    @property
    def shared(self) -> bool:
        """Whether several machines may work on it."""
        return bool(self.url and self.url.startswith("postgres"))

    def password(self) -> str | None:
        """Return the account's password; None when libpq is to find it."""
        if self.password_file is not None:
            return read_secret(self.password_file, "ATHOME_DATABASE_PASSWORD")
        return os.environ.get("ATHOME_DATABASE_PASSWORD", "").strip() or None


def _recorder(value: str | None) -> str | None:
    if value is None:
        return None
    if value != ARA_LOCAL and not re.fullmatch(r"https?://[^\s@/]+(/[^\s@]*)?", value):
        raise ValueError(
            "esperado: local, ou o endereço de um servidor ARA, por exemplo http://127.0.0.1:8000"
        )
    missing = [name for name in ("ara", "django") if find_spec(name) is None]
    if "ara" in missing or (value == ARA_LOCAL and missing):
        raise ValueError(
            "o ARA não está instalado neste ambiente; instale requirements/runtime-ara.txt (docs/ARA.md),"
            " ou tire a chave"
        )
    return value


class Runs(Section):
    """How playbooks are run."""

    concurrency: int = Field(4, ge=1, le=64)
    timeout: int = Field(300, ge=1, description="seconds for one playbook, unless its command has its own")
    lease: int = Field(60, ge=5, description="seconds without a sign of life until a worker is given up")
    attempts: int = Field(5, ge=1, description="starts of one job before it is given up")
    tell_after: float = Field(30, ge=0, description="seconds in the queue until its sender is told; 0: never")
    tell_above_files: int = Field(300, ge=0, description="recordings; collecting more is announced by mail")
    tell_above_bytes: ByteSize = Field(ByteSize(200_000_000), description="the same by size, such as 200 MB")
    private_key_file: FilePath | None = None  # default: what ssh itself would take
    ssh_config_file: FilePath | None = None
    # Where runs are recorded for web pages (docs/ARA.md): local, or an ARA server's address; null: nowhere.
    ara: Annotated[str | None, AfterValidator(_recorder)] = None


def _loopback(value: str | None) -> str | None:
    if value is None:
        return None
    host, _colon, port = value.rpartition(":")
    if host not in ("127.0.0.1", "[::1]", "localhost") or not port.isdecimal() or not 0 < int(port) < 65536:  # noqa: PLR2004
        raise ValueError(
            "esperado: um endereço local com porta, por exemplo 127.0.0.1:9464; para outra máquina, use"
            " metrics.textfile com o node_exporter, ou um proxy com senha"
        )
    return value


class Health(Section):
    """From when on `athome health` says that somebody has to look."""

    mailbox_away: float = Field(300, gt=0, description="seconds that the mailbox may be away")
    oldest_reply: float = Field(900, gt=0, description="seconds that a reply may wait for the mail server")
    # RAMAIS may take two hours, and another one waits for it.
    oldest_job: float = Field(10800, gt=0, description="seconds that a job may wait for its turn")
    free_space: ByteSize = Field(ByteSize(200_000_000), description="in the state folder, such as 200 MB")


class Metrics(Section):
    """Where Prometheus finds the service's numbers: over HTTP on this machine, in a file, both or nowhere."""

    listen: Annotated[str | None, AfterValidator(_loopback)] = None  # host:port
    textfile: FilePath | None = None  # of node_exporter's textfile collector: /var/lib/…/athome.prom
    interval: float = Field(15, ge=5, description="seconds between two writings of the file")


class Log(Section):
    """How the service's log is written; it goes to stderr, where systemd's journal takes it."""

    format: Literal["auto", "json", "text"] = "auto"  # auto: text on a terminal, else JSON
    level: Literal["debug", "info", "warning", "error"] = "info"


class Retention(Section):
    """For how long what is done with is kept. The audit has mail.audit_days."""

    jobs_days: int = Field(365, ge=1, description="days; finished jobs, with their replies' rows")
    replies_days: int = Field(90, ge=1, description="days; the texts of replies that were sent")
    runs_days: int = Field(30, ge=1, description="days; runs' folders, with what Ansible said")


class Branding(Section):
    """What a reply looks like."""

    name: str = Field("ATHome VoIP Monitor", pattern=r"^[^\x00-\x1f\x7f]{1,80}$")
    color: str = Field("#0b6e4f", pattern=r"^#[0-9a-fA-F]{6}$")
    logo_file: FilePath | None = None  # PNG
    footer: str = ""


class Settings(Section):
    """The whole file."""

    inventory: FilePath = PROJECT / "inventory" / "production"
    state_dir: FilePath = Path("/var/lib/athome")
    timezone: Annotated[str, AfterValidator(_known_zone)] = "America/Sao_Paulo"
    language: Literal["pt_BR", "en"] = "pt_BR"
    imap: Imap | None = None
    smtp: Smtp | None = None
    mail: Mail | None = None
    tokens: Tokens | None = None
    permissions: Permissions = Permissions()
    database: Database = Database()
    runs: Runs = Runs()
    log: Log = Log()
    health: Health = Health()
    metrics: Metrics = Metrics()
    retention: Retention = Retention()
    branding: Branding = Branding()

    @model_validator(mode="after")
    def _lease_of_machines(self) -> Settings:
        """Keep leases long: an outage of the database that outlasts one has finished jobs run again."""
        if self.database.shared and self.runs.lease < SHARED_LEASE:
            raise ValueError(f"runs.lease: com PostgreSQL, pelo menos {SHARED_LEASE} segundos")
        return self

    @property
    def job_store(self) -> Database:
        """Where the job store is, if nothing else is said: SQLite in the state folder."""
        own = f"sqlite:///{self.state_dir / 'athome.db'}"
        return self.database if self.database.url else self.database.model_copy(update={"url": own})

    def secrets(self) -> list[str]:
        """Return every secret that the service works with, for what must not show one. Raises SecretError."""
        found = [section.password() for section in (self.imap, self.smtp) if section]
        if self.tokens:
            found.append(self.tokens.pepper().decode())
        if password := self.database.password():
            found.append(password)
        return found

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which people read and write times."""
        return ZoneInfo(self.timezone)


def load(path: Path) -> Settings:
    """Read and validate the settings file. Raises SettingsError that names every wrong key at once."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"O arquivo de configuração {path} não existe.",
            "Copie docs/settings.example.yml para lá, ou indique outro com --settings ARQUIVO.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"Não é possível ler {path}: {error}.", "Confira as permissões do arquivo."
        ) from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} não é YAML válido: {error}.", "Corrija a linha indicada.") from None
    try:
        return Settings.model_validate(document or {}, context={"folder": path.resolve().parent})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise SettingsError(
            f"{path} tem chaves erradas: {wrong}.", "Compare com docs/settings.example.yml."
        ) from None
    except KeyError as error:  # ZoneInfoNotFoundError passes through pydantic
        raise SettingsError(
            f"{path}: fuso horário desconhecido: {error}.", "Exemplo: America/Sao_Paulo."
        ) from None


def credential(path: Path) -> Path:
    """Return where a file with a secret is: among systemd's credentials, by its name, or where it says."""
    handed = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"), path.name)
    return handed if handed.is_file() else path


def read_secret(path: Path, variable: str) -> str:
    """Return a secret from the environment, systemd's credentials or its file; never an empty one."""
    if given := os.environ.get(variable, "").strip():
        return given
    found = credential(path)
    try:
        secret = found.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(
            f"Não é possível ler o segredo {found}: {error.__class__.__name__}.",
            f"Crie o arquivo (modo 0600, dono: o serviço) ou defina {variable}.",
        ) from None
    if not secret:
        raise SecretError(
            f"O segredo em {found} está vazio.", f"Grave o valor no arquivo ou defina {variable}."
        )
    return secret


if __name__ == "__main__":  # python -m dispatcher.settings FILE: judged before it is put in place
    try:
        load(Path(sys.argv[1]))
    except SettingsError as wrong:
        sys.exit(f"{wrong.problem} {wrong.way_out}")
