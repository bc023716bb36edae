"""The settings file, the secrets that it names, and who else could read or change them."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from dispatcher.errors import SecretError
from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart
from dispatcher.settings import Settings, credential

_LONG = 32  # characters of a key: 128 bits in hexadecimal digits
_OTHERS, _WRITERS = 0o077, 0o022


def look(case: Case, chart: Chart) -> None:
    """Look at the file, then at each secret."""
    _ = case.words.gettext
    chart.ok("file", _("{0} está em ordem.").format(case.path))
    _settings_file(case, chart)
    _credentials(case, chart)
    for check, path, variable in secrets(case.settings):
        secret(case, chart, check, path, variable)
    _tokens(case, chart)
    if case.settings.mail and case.settings.mail.authentication == "results_only":
        chart.warning(
            "mail.authentication",
            _("As assinaturas DKIM não são conferidas aqui (mail.authentication: results_only)."),
            _("Tire a chave mail.authentication da configuração: sem ela, elas são conferidas."),
        )


def secrets(settings: Settings) -> Iterator[tuple[str, Path, str]]:
    """Yield each secret that the settings name: its key, its file, the variable that may stand in for it."""
    imap, smtp, tokens, database = settings.imap, settings.smtp, settings.tokens, settings.database
    if imap:
        yield "imap.password_file", imap.password_file, "ATHOME_IMAP_PASSWORD"
    if smtp:
        yield "smtp.password_file", smtp.password_file, "ATHOME_SMTP_PASSWORD"
    if tokens:
        yield "tokens.pepper_file", tokens.pepper_file, "ATHOME_TOKEN_PEPPER"
    if database.password_file:
        yield "database.password_file", database.password_file, "ATHOME_DATABASE_PASSWORD"
    if settings.runs.private_key_file:
        yield "runs.private_key_file", settings.runs.private_key_file, ""


def _settings_file(case: Case, chart: Chart) -> None:
    _ = case.words.gettext
    about = case.path.stat()
    if about.st_mode & _WRITERS:
        chart.failing(
            "file.mode",
            _("Outras contas podem mudar {0} (modo {1:04o}).").format(case.path, stat.S_IMODE(about.st_mode)),
            _("Só o dono pode gravar nele:") + f"\nchmod go-w {case.path}",
        )
    _owner(case, chart, "file.owner", case.path, about.st_uid)


def _credentials(case: Case, chart: Chart) -> None:
    """Where systemd takes the service's credentials from, only root may look."""
    _ = case.words.gettext
    folder = case.path.parent / "credentials"
    if folder.is_dir() and folder.stat().st_mode & _OTHERS:
        chart.failing(
            "credentials",
            _("Outras contas podem ver a pasta dos segredos, {0} (modo {1:04o}).").format(
                folder, stat.S_IMODE(folder.stat().st_mode)
            ),
            _("Feche a pasta:") + f"\nchmod 700 {folder}",
        )


def secret(case: Case, chart: Chart, check: str, path: Path, variable: str = "") -> None:
    """Note whether a secret is there, and whose. ``check`` names the key that says where it is."""
    _ = case.words.gettext
    if variable and os.environ.get(variable, "").strip():
        chart.ok(check, _("{0}: vem da variável {1}.").format(check, variable))
        return
    found = credential(path)
    if found != path:  # systemd gave it to this unit alone
        chart.ok(check, _("{0}: credencial do systemd.").format(check))
        if os.path.lexists(path):
            chart.warning(
                f"{check}.copy", _("{0}: há outra cópia em {1}, que ninguém usa.").format(check, path),
                _("Apague-a, se é mesmo uma sobra:") + f"\nshred -u {path}",
            )  # fmt: skip
        return
    try:
        about = path.stat()
        path.open("rb").close()
    except OSError as error:
        chart.failing(
            check, _("{0}: {1} não pode ser lido: {2}.").format(check, path, error.strerror),
            _("Crie o arquivo com o segredo, de modo 0600 e da conta do serviço.")
            if isinstance(error, FileNotFoundError)
            else _("Execute como a conta do serviço (sudo athome doctor), ou corrija o dono e o modo."),
        )  # fmt: skip
        return
    before = len(chart.findings)
    if about.st_mode & _OTHERS:
        chart.failing(
            f"{check}.mode",
            _("{0}: outras contas podem ler {1} (modo {2:04o}).").format(
                check, path, stat.S_IMODE(about.st_mode)
            ),
            _("Feche-o, e troque o segredo se alguém de fora usa esta máquina:") + f"\nchmod 600 {path}",
        )
    _owner(case, chart, f"{check}.owner", path, about.st_uid)
    if len(chart.findings) == before:
        chart.ok(check, _("{0}: só o dono lê {1}.").format(check, path))


def _owner(case: Case, chart: Chart, check: str, path: Path, uid: int) -> None:
    if uid in (0, os.geteuid()):
        return
    _ = case.words.gettext
    chart.failing(
        check,
        _("{0} pertence à conta {1}, que não é a do serviço.").format(path, _account(uid)),
        _("Dê-o à conta do serviço, ou a root:") + f"\nchown {_account(os.geteuid())}: {path}",
    )


def _tokens(case: Case, chart: Chart) -> None:
    _ = case.words.gettext
    if case.settings.tokens is None:
        return
    try:
        pepper = case.settings.tokens.pepper()
    except SecretError as error:
        chart.failing("tokens.pepper", error.problem, error.way_out)
        return
    if len(pepper) < _LONG:
        chart.warning(
            "tokens.pepper",
            _("A chave dos tokens tem só {0} caracteres; o recomendado são 64.").format(len(pepper)),
            _("Ao trocá-la, todos os tokens têm de ser emitidos de novo:") + "\nopenssl rand -hex 32",
        )


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
