"""Where jobs stand, in words: for the answers to STATUS and CANCELAR, and for the shell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dispatcher.i18n import N_, translations
from dispatcher.jobs.job import Job
from dispatcher.mail.lockout import ACCEPTED
from dispatcher.replies.compose import Composer, Reply, Thread
from dispatcher.replies.result import label
from dispatcher.replies.sentences import enumeration, sentence
from dispatcher.runs.report import HostResult, Notice

STATES = {
    "awaiting_confirmation": N_("aguarda confirmação"),
    "queued": N_("na fila"),
    "running": N_("em execução"),
    "stopping": N_("sendo interrompido"),
    "successful": N_("concluído"),
    "partial": N_("parcial"),
    "failed": N_("falhou"),
    "timeout": N_("tempo esgotado"),
    "canceled": N_("cancelado"),
    "expired": N_("não confirmado"),
}
_CHIPS = {  # the colour of each; else that of what needs nobody
    "running": "would", "stopping": "unreachable", "successful": "changed",
    "partial": "unreachable", "failed": "failed", "timeout": "failed",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job of an answer. ``lines``: what it waits for, or what became of it on the servers."""

    id: int
    subject: str
    sender: str  # empty: the reader's own, or from the shell
    chip: str
    label: str
    place: int  # in line; 0: it is in none
    lines: tuple[str, ...]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    retry_of: int | None
    undoes: int | None


def rows(described: Iterable[Mapping[str, Any]], language: str) -> list[JobRow]:
    """Return the jobs of a report's data (``commands/status.py``) in words."""
    return [_row(one, language) for one in described]


def accepted(composer: Composer, job: Job, ahead: int, waits_for: Iterable[Notice]) -> Reply:
    """Say that a command was accepted, its place in line and what it waits for."""
    order = job.order
    said = waits((notice.model_dump() for notice in waits_for), order.language)
    return composer.compose(ACCEPTED, Thread.of_order(order), {"job": job, "place": ahead + 1, "waits": said})


def waits(notices: Iterable[Mapping[str, Any]], language: str) -> tuple[str, ...]:
    """Return what a job waits for, a sentence each."""
    return tuple(sentence(notice["code"], notice["data"], language) for notice in notices)


def _row(one: Mapping[str, Any], language: str) -> JobRow:
    moments = {
        name: datetime.fromisoformat(one[name]) if one[name] else None
        for name in ("started_at", "finished_at")
    }
    state = one["state"]
    return JobRow(
        id=one["id"],
        subject=one["subject"] + (" SIMULAR" if one["check"] else ""),
        sender=one["sender"] or "",
        chip=_CHIPS.get(state, "ok"),
        label=translations(language).gettext(STATES[state]),
        place=one["place"],
        lines=waits(one["waits"], language) + _became(one, language),
        created_at=datetime.fromisoformat(one["created_at"]),
        retry_of=one["retry_of"],
        undoes=one.get("undoes"),  # an older report has none
        **moments,
    )


def _became(one: Mapping[str, Any], language: str) -> tuple[str, ...]:
    """Return ``gv1p e gv2p: mudou``, a line for each thing that happened."""
    alike: dict[str, list[str]] = {}
    for host in one["hosts"]:
        word = label(HostResult.model_validate(host), language, check=one["check"])
        alike.setdefault(word, []).append(host["host"])
    return tuple(
        f"{enumeration(names, language)}: {word}" for word, names in alike.items() if names != ["dispatcher"]
    )
