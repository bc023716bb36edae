"""A report → what the mail about it shows: the whole at a glance, each server, what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dispatcher.commands.local import DISPATCHER
from dispatcher.i18n import N_, translations
from dispatcher.jobs.job import Order
from dispatcher.replies.back import Back, way_back
from dispatcher.replies.diff import Line, rows
from dispatcher.replies.masking import masked
from dispatcher.replies.recordings import Recordings, recordings
from dispatcher.replies.sentences import RESULTS, advice, enumeration, fill, sentence
from dispatcher.replies.visible import visible
from dispatcher.runs.foreseen import DRIFTED, UNDONE, may_follow, would_change
from dispatcher.runs.report import HostResult, Report

# What needs a person stands on top; then what was asked for most; else the inventory's order.
_ORDER = ("failed", "unreachable", "changed", "ok")
_RANKS = {code: rank for rank, code in enumerate(RESULTS)}
_LABELS = {
    "changed": N_("mudou"),
    "ok": N_("já estava"),
    "failed": N_("falhou"),
    "unreachable": N_("inacessível"),
}
_WOULD_CHANGE = N_("mudaria")
_VERDICTS = {
    "done": N_("Feito"),
    "same": N_("Nada precisou mudar"),
    "check": N_("Simulação: nada foi alterado"),
    "demanded": N_("Falta confirmar: nada foi feito ainda"),
    "approval": N_("Aguardando aprovação: nada foi feito ainda"),
    "drifted": N_("Mudou desde a simulação: nada foi feito"),
    "interrupted": N_("Mudou desde a simulação"),
    "undone": N_("Nada foi feito"),
    "partial": N_("Feito em parte"),
    "failed": N_("Falhou"),
    "timeout": N_("Tempo esgotado"),
    "canceled": N_("Cancelado"),
}
_HEADLINES = {
    "changed": N_("mudou em {hosts}"),
    "would_change": N_("mudaria em {hosts}"),
    "ok": N_("já estava em ordem"),
    "failed": N_("falhou em {hosts}"),
    "unreachable": N_("sem resposta de {hosts}"),
    "none": N_("não foi possível concluir"),
    "unbegun": N_("não chegou a começar"),
}
_NAMED = 40  # characters of server names in a headline; more of them are counted instead


@dataclass(frozen=True, slots=True)
class ServerRow:
    """One server: its name, the word on its chip, and what happened there."""

    name: str
    outcome: str  # failed | unreachable | changed | ok
    label: str
    said: str
    detail: str  # the other side's own words, for whoever looks into it; may be empty
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do next. ``servers`` is empty when it is not about certain ones."""

    servers: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """What changes alike on some servers, line by line."""

    servers: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class View:
    """The whole mail. ``tone`` is one of done, same, check, partial, failed."""

    tone: str
    verdict: str
    headline: str
    problem: str  # why nothing ran at all; usually empty
    servers: tuple[ServerRow, ...]
    steps: tuple[Step, ...]
    changes: tuple[Change, ...]  # of a preview
    again: bool  # whether sending the command (again, or without SIMULAR) makes sense
    rewrite: bool  # … but not as it was
    undo: Back | None
    recordings: Recordings | None


def view(
    report: Report, order: Order, language: str, *, privileged: bool = False, number: int | None = None
) -> View:
    """Put a report into words. ``privileged``: for somebody who may read what is confidential.

    ``number``: the job's; without it, its undo cannot be named.
    """
    gettext = translations(language).gettext
    hosts = sorted(report.hosts if privileged else map(masked, report.hosts), key=_rank)
    verdict, tone = _verdict(report, order)
    collected = recordings(hosts, order, language)
    own_verdict = _own_verdict(hosts, tone)
    if collected and collected.link and tone in ("done", "same"):
        verdict = tone = "partial" if collected.lost_count else "done"
    instead = collected is not None and collected.instead is not None
    would = report.check and would_change(report)
    back = way_back(report, order, number, privileged=privileged)
    return View(
        tone=tone,
        verdict=gettext(own_verdict or _VERDICTS[verdict]),
        headline=_headline(report, hosts, language),
        problem=sentence(report.problem.code, report.problem.data, language) if report.problem else "",
        servers=tuple(_row(host, language, check=report.check, privileged=privileged) for host in hosts),
        steps=tuple(_steps(report, hosts, language)),
        changes=tuple(_changes(hosts, order, language)) if report.check else (),
        again=(not report.problem or report.status == "canceled")
        and not instead
        and not (order.offer and may_follow(report))
        and not (back and back.kind == "reverse")
        and (would or report.status != "successful"),
        rewrite=any(host.code in RESULTS and RESULTS[host.code].rewrite for host in hosts),
        undo=back,
        recordings=collected,
    )


def _rank(host: HostResult) -> tuple[int, int]:
    best = _RANKS.get(host.code, len(_RANKS)) if host.outcome == "changed" else 0
    return _ORDER.index(host.outcome), best


def _verdict(report: Report, order: Order) -> tuple[str, str]:
    """Return what to call the whole, and its tone."""
    good = any(host.outcome in ("changed", "ok") for host in report.hosts)
    if report.status in ("timeout", "canceled"):
        unbegun = report.status == "canceled" and not report.hosts  # as somebody wanted, and nothing happened
        return report.status, "partial" if good else "same" if unbegun else "failed"
    if looked := _looked(report, order):
        return looked
    if report.status != "successful":
        return report.status, report.status
    return ("done", "done") if would_change(report) else ("same", "same")


def _looked(report: Report, order: Order) -> tuple[str, str] | None:
    """Return the same of a run that has only looked; None: nothing would change, or no server answers.

    Who sent no SIMULAR was shown a preview all the same, and is not told of one where nothing follows.
    """
    if report.problem and report.problem.code in UNDONE:
        return "drifted" if report.problem.code == DRIFTED else "interrupted", "partial"
    if order.previews and any(host.outcome in ("changed", "ok") for host in report.hosts):
        return "check", "check"
    if order.offer and may_follow(report):
        return order.offer, "check"
    return ("undone", "failed") if report.check and would_change(report) else None


def _own_verdict(hosts: Sequence[HostResult], tone: str) -> str | None:
    """Return the verdict of a code that has its own, where nothing had to change."""
    entry = RESULTS.get(hosts[0].code) if tone == "same" and hosts else None
    return entry.verdict if entry else None


def _headline(report: Report, hosts: Sequence[HostResult], language: str) -> str:
    """Say the most in the fewest words: ``desbloqueado em gv1p; sem resposta de voip1``."""
    groups = {outcome: [host for host in hosts if host.outcome == outcome] for outcome in _ORDER}
    parts = []
    if report.status == "canceled" and not hosts:
        return fill(_HEADLINES["unbegun"], {}, language)
    if groups["changed"]:
        parts.append(_of(groups["changed"], "would_change" if report.check else "changed", language))
    for outcome in ("failed", "unreachable"):
        if groups[outcome]:
            named = {**groups[outcome][0].data, "hosts": _named(groups[outcome], language)}
            parts.append(fill(_alike(groups[outcome]) or _HEADLINES[outcome], named, language))
    if not parts:
        parts.append(_of(groups["ok"], "ok" if groups["ok"] else "none", language))
    return "; ".join(parts)


def _of(hosts: Sequence[HostResult], otherwise: str, language: str) -> str:
    """Let the first code of the table that occurs speak for these servers."""
    codes = [code for code in RESULTS if any(host.code == code for host in hosts)]
    entry = RESULTS[codes[0]] if codes else None
    chosen = (entry.would_headline if otherwise == "would_change" else entry.headline) if entry else None
    if not chosen:
        return fill(_HEADLINES[otherwise], {"hosts": _named(hosts, language)}, language)
    meant = [host for host in hosts if host.code == codes[0]]
    return fill(chosen, {**meant[0].data, "hosts": _named(meant, language)}, language)


def _alike(hosts: Sequence[HostResult]) -> str | None:
    """Return the headline of a failure that has its own, when it is the only one."""
    entry = RESULTS.get(hosts[0].code) if len({host.code for host in hosts}) == 1 else None
    return entry.headline if entry else None


def _named(hosts: Sequence[HostResult], language: str) -> str:
    names = enumeration([host.host for host in hosts], language)
    if len(names) <= _NAMED:
        return names
    count = len(hosts)
    return translations(language).ngettext("{0} servidor", "{0} servidores", count).format(count)


def label(host: HostResult, language: str, *, check: bool) -> str:
    """Return the word for what happened on a server, as it stands on its chip and in the terminal."""
    entry = RESULTS.get(host.code)
    word = _WOULD_CHANGE if check and host.outcome == "changed" else _LABELS[host.outcome]
    return translations(language).gettext((entry.label if entry else None) or word)


def _row(host: HostResult, language: str, *, check: bool, privileged: bool) -> ServerRow:
    return ServerRow(
        name=visible(host.host, 80),
        outcome=host.outcome,
        label=label(host, language, check=check),
        said=sentence(host.code, host.data, language, check=check, privileged=privileged),
        detail=visible(str(host.data.get("msg", "")), 200) if host.outcome == "unreachable" else "",
        notices=tuple(sentence(notice.code, notice.data, language, check=check) for notice in host.notices),
    )


def _steps(report: Report, hosts: Iterable[HostResult], language: str) -> list[Step]:
    """Return what to do about each failure; when there is none, what the best result leads to."""
    if report.problem:
        text = advice(report.problem.code, language)
        return [Step("", text)] if text else []
    troubled: dict[str, list[str]] = {}
    for host in hosts:
        if host.outcome in ("failed", "unreachable") and (text := advice(host.code, language)):
            troubled.setdefault(text, []).append(host.host)
    if troubled:
        return [
            Step("" if names == [DISPATCHER] else enumeration(names, language), text)
            for text, names in troubled.items()
        ]
    changed = {host.code for host in hosts if host.outcome == "changed"}
    if changed and report.check:
        return []  # to apply it is the next step
    codes = changed or {host.code for host in hosts}
    texts = (advice(code, language) for code in RESULTS if code in codes)
    return [Step("", text) for text in texts if text][:1]


def _changes(hosts: Iterable[HostResult], order: Order, language: str) -> list[Change]:
    """Return the differences; servers that would change alike share one."""
    known = f"{order.subject} {order.arguments}"  # DESFAZER has what it is about in its arguments alone
    alike: dict[tuple[Line, ...], list[str]] = {}
    for host in hosts:
        if host.outcome == "changed" and (lines := tuple(rows(host.diff, language, known))):
            alike.setdefault(lines, []).append(host.host)
    return [Change(enumeration(names, language), lines) for lines, names in alike.items()]
