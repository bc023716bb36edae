"""What `athome health` looks at: liveness, the process and its parts; readiness, what it works with."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from sqlalchemy import Engine, update
from sqlalchemy.engine import make_url

from dispatcher.errors import AthomeError, StoreError
from dispatcher.health.finding import Finding, Status
from dispatcher.health.pulse import Part, Told, read
from dispatcher.i18n import translations
from dispatcher.jobs.database import connect, reading, transaction
from dispatcher.jobs.schema import schema_version
from dispatcher.jobs.vitals import Vitals, vitals
from dispatcher.replies.visible import visible
from dispatcher.runs.guard import now
from dispatcher.settings import Settings

_SILENT = 30.0  # seconds without news from the process, until it is believed to be suspended or stuck

_Found = tuple[Status, str, str]


class Examination:
    """One look at everything. ``language``: of the sentences."""

    def __init__(self, settings: Settings, language: str) -> None:
        self._settings = settings
        self._limits = settings.health
        self._text = translations(language).gettext
        self._plural = translations(language).ngettext
        self._told: Told | None = None
        self._vitals: Vitals | None = None

    def liveness(self) -> list[Finding]:
        """Tell whether the process is there, and its parts make progress."""
        return [self._finding("process", "liveness", self._process), *self._progress()]

    def readiness(self) -> list[Finding]:
        """Tell whether it can take mails, write, answer and run. To be asked after ``liveness``."""
        looks: dict[str, Callable[[], _Found]] = {"database": self._database, "disk": self._disk}
        if any(part.name == "mailbox" for part in self._parts()):
            looks["mailbox"] = self._mailbox
        looks |= {"outbox": self._outbox, "replies": self._replies, "queue": self._queue}
        looks["pauses"] = self._pauses
        return [self._finding(name, "readiness", look) for name, look in looks.items()]

    def _finding(
        self, name: str, of: Literal["liveness", "readiness"], look: Callable[[], _Found]
    ) -> Finding:
        try:
            return Finding(name, of, *look())
        except AthomeError as error:
            return Finding(name, of, "failing", error.problem, error.way_out)
        except OSError as error:
            return Finding(name, of, "failing", f"{error.filename}: {error.strerror}", "")

    def _parts(self) -> tuple[Part, ...]:
        return self._told.parts if self._told else ()

    def _process(self) -> _Found:
        _ = self._text
        folder = self._settings.state_dir
        self._told = None
        if not _held(folder / "serve.lock"):
            return (
                "failing",
                _("O serviço não está rodando."),
                _("Inicie-o: systemctl start athome. Por que parou: journalctl -u athome -n 50"),
            )
        told = read(folder)
        silent = now() - told.told if told else 0.0
        if told is None or not 0 <= silent <= _SILENT:
            return (
                "failing",
                _("O processo do serviço existe, mas não dá notícia há {0}.").format(_long(silent)),
                _("Se o disco está cheio, libere espaço; senão, reinicie-o: systemctl restart athome"),
            )
        self._told = told
        up = _long(time.time() - told.started_at)
        if told.stopping:
            said = _(
                "O serviço está terminando: acaba o que está rodando e não lê mais e-mails (processo {0})."
            )
            return ("ok", said.format(told.pid), "")
        return ("ok", _("O serviço roda há {0} (processo {1}).").format(up, told.pid), "")

    def _progress(self) -> Iterator[Finding]:
        _ = self._text
        told = self._told
        if told is None:
            return
        for part in sorted(told.parts, key=lambda part: part.name):
            late = part.late(told.told)
            said = _("{0} em andamento").format(part.name) + (
                f": {visible(part.state)}" if part.state else ""
            )
            if late <= 0:
                yield Finding(part.name, "liveness", "ok", said)
            else:
                yield Finding(
                    part.name, "liveness", "failing",
                    _("{0} não avança há {1}.").format(part.name, _long(late + part.quiet)),
                    _("Reinicie o serviço (systemctl restart athome): nada se perde. Guarde o registro."),
                )  # fmt: skip

    def _database(self) -> _Found:
        _ = self._text
        engine = self._opened()
        try:
            with transaction(engine) as connection:
                connection.execute(update(schema_version).values(version=schema_version.c.version))
                connection.rollback()
            with reading(engine) as connection:
                self._vitals = vitals(connection)
        finally:
            engine.dispose()
        return ("ok", _("O banco de dados aceita gravações."), "")

    def _opened(self) -> Engine:
        """Open what is there: asking how it is creates no database."""
        where = make_url(self._settings.job_store.url or "")
        if where.get_backend_name() == "sqlite" and where.database and not Path(where.database).exists():
            _ = self._text
            raise StoreError(
                _("O banco de dados {0} não existe.").format(where.database),
                _("O serviço o cria ao iniciar; confira a chave state_dir da configuração."),
            )
        return connect(self._settings.job_store)

    def _disk(self) -> _Found:
        _ = self._text
        folder = self._settings.state_dir
        free = shutil.disk_usage(folder).free if folder.exists() else 0
        if free < self._limits.free_space:
            return (
                "failing",
                _("Restam só {0} MB em {1}.").format(free // 10**6, folder),
                _("Libere espaço; athome purge --check diz o que já passou do prazo."),
            )
        return ("ok", _("{0} MB livres em {1}.").format(free // 10**6, folder), "")

    def _mailbox(self) -> _Found:
        _ = self._text
        (part,) = (part for part in self._parts() if part.name == "mailbox")
        if part.state in ("listening", "standby"):
            return ("ok", _("A caixa de correio é lida."), "")
        away = now() - part.since
        said = _("A caixa de correio não é lida há {0}: {1}.").format(
            _long(away), visible(part.state.removeprefix("waiting: ")).rstrip(".")
        )
        way_out = _(
            "Confira a seção imap e o servidor de e-mail; os comandos esperam na caixa, nada se perde."
        )
        return ("failing" if away > self._limits.mailbox_away else "warning", said, way_out)

    def _outbox(self) -> _Found:
        _, seen = self._text, self._seen()
        waiting = seen.replies["waiting"] + seen.replies["sending"]
        if not waiting:
            return ("ok", _("Nenhuma resposta espera o envio."), "")
        said = self._plural(
            "{0} resposta espera o envio, a mais velha há {1}.",
            "{0} respostas esperam o envio, a mais velha há {1}.",
            waiting,
        ).format(waiting, _long(seen.oldest_reply))
        if seen.oldest_reply <= self._limits.oldest_reply:
            return ("ok", said, "")
        return (
            "failing",
            said,
            _("O motivo está em: athome outbox list. Confira a seção smtp e o servidor."),
        )

    def _replies(self) -> _Found:
        _, seen = self._text, self._seen()
        refused = seen.replies["dead"] + seen.replies["bounced"]
        if not refused:
            return ("ok", _("Nenhuma resposta foi recusada ou devolvida."), "")
        said = self._plural(
            "{0} resposta foi recusada ou devolvida.", "{0} respostas foram recusadas ou devolvidas.", refused
        ).format(refused)
        return ("warning", said, _("Veja com athome outbox list; depois athome outbox retry ou drop."))

    def _queue(self) -> _Found:
        _, seen = self._text, self._seen()
        oldest, queued = seen.oldest_job, seen.jobs["queued"]
        said = _("{0} na fila, {1} em execução.").format(queued, len(seen.running))
        if oldest is None:
            return ("ok", said, "")
        said = f"{said} " + _("O job {0} espera há {1}.").format(oldest.id, _long(oldest.seconds))
        if oldest.seconds <= self._limits.oldest_job:
            return ("ok", said, "")
        return ("failing", said, _("O que o segura: athome jobs list --state running e --state queued."))

    def _pauses(self) -> _Found:
        _, seen = self._text, self._seen()
        if not seen.paused:
            return ("ok", _("Nenhuma fila está em pausa."), "")
        said = _("Em pausa: {0}. Os jobs destes servidores esperam.").format(", ".join(seen.paused))
        return ("warning", said, _("Por quem e por quê: athome queue show. Depois: athome queue resume"))

    def _seen(self) -> Vitals:
        if self._vitals is None:
            _ = self._text
            raise StoreError(_("Não se sabe: o banco de dados não respondeu."), _("Resolva isso primeiro."))
        return self._vitals


def _held(path: Path) -> bool:
    """Whether a process holds the lock of the state folder. The kernel knows, however a service has ended."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(
            f"{path} não pode ser lido: {error.strerror}.",
            "Execute como a conta do serviço: sudo athome health",
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _long(seconds: float) -> str:
    """Return a duration in its two largest units: 45 s, 3 min, 2 h 5 min, 4 d 1 h."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    first = next((at for at, (number, _unit) in enumerate(units) if number), len(units) - 1)
    shown = [f"{number} {unit}" for number, unit in units[first : first + 2] if number]
    return " ".join(shown) or "0 s"
