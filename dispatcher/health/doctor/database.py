"""The database, without changing or upgrading it."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import inspect, select
from sqlalchemy.engine import make_url

from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart
from dispatcher.jobs.database import engine_of, reading
from dispatcher.jobs.schema import VERSION, schema_version

_SMALL = 64 * 1024 * 1024  # bytes that are checked as a whole within a second
_SLOW = 0.2  # seconds for one question: each mail asks some twenty


def look(case: Case, chart: Chart) -> None:
    """Look at the kind that the settings name."""
    url = make_url(case.settings.job_store.url or "")
    if url.get_backend_name() == "sqlite":
        _sqlite(case, chart, Path(url.database or ""))
    else:
        _postgresql(case, chart)


def _sqlite(case: Case, chart: Chart, path: Path) -> None:
    _ = case.words.gettext
    if not path.exists():
        chart.warning(
            "file", _("O banco de dados {0} não existe.").format(path),
            _("O serviço o cria ao iniciar; confira a chave state_dir da configuração."),
        )  # fmt: skip
        return
    if path.stat().st_uid != os.geteuid():  # reading it may already leave files of ours beside it
        chart.failing(
            "file", _("O banco de dados {0} pertence a outra conta.").format(path),
            _("Execute como a conta do serviço:") + "\nsudo athome doctor",
        )  # fmt: skip
        return
    with (
        chart.step("file", sqlite3.Error),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as database,
    ):
        if path.stat().st_size < _SMALL:
            (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                chart.failing(
                    "integrity", _("O banco de dados {0} está danificado: {1}").format(path, said),
                    _("Pare o serviço e volte à última cópia: athome restore ARQUIVO"),
                )  # fmt: skip
                return
        found = database.execute("SELECT version FROM schema_version").fetchone()
        _version(case, chart, "SQLite", found[0] if found else None)


def _postgresql(case: Case, chart: Chart) -> None:
    _ = case.words.gettext
    engine = engine_of(case.settings.job_store)
    try:
        with chart.step("connection"), reading(engine) as connection:
            version = connection.exec_driver_sql("SHOW server_version").scalar()
            started = time.monotonic()
            connection.exec_driver_sql("SELECT 1")
            seconds = time.monotonic() - started
            there = inspect(connection).has_table("schema_version")
            found = connection.execute(select(schema_version.c.version)).scalar() if there else None
    finally:
        engine.dispose()
    if seconds > _SLOW:
        chart.warning(
            "latency", _("O banco de dados leva {0} ms para responder.").format(round(seconds * 1000)),
            _("Ponha-o mais perto na rede: cada e-mail pergunta umas vinte vezes."),
        )  # fmt: skip
    _version(case, chart, f"PostgreSQL {version}", found)


def _version(case: Case, chart: Chart, kind: str, found: int | None) -> None:
    _ = case.words.gettext
    if found is None:
        chart.warning(
            "schema", _("{0}: o banco de dados ainda está vazio.").format(kind),
            _("O serviço cria as tabelas ao iniciar."),
        )  # fmt: skip
    elif found > VERSION:
        chart.failing(
            "schema",
            _("O banco de dados é da versão {0}; este programa conhece a {1}.").format(found, VERSION),
            _("Use a versão do programa que criou o banco, ou atualize o programa."),
        )
    elif found < VERSION:
        chart.warning(
            "schema",
            _("O banco de dados é da versão {0}; o próximo início o leva à {1}.").format(found, VERSION),
            _("Antes, faça uma cópia: athome backup ARQUIVO"),
        )
    else:
        chart.ok("schema", _("{0} responde; tabelas da versão {1}.").format(kind, found))
