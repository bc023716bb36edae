"""``athome explain --message``: what every rule of admission says about a mail, and what would follow."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import IO

import click
from rich.console import Console
from rich.text import Text

from dispatcher.cli.show import language
from dispatcher.errors import SettingsError
from dispatcher.i18n import N_
from dispatcher.inventory import InventorySource
from dispatcher.jobs import undoing
from dispatcher.jobs.database import connect
from dispatcher.jobs.store import Store
from dispatcher.mail.admission import RULES, Admission, Verdict
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.message import RawMessage
from dispatcher.mail.senders import Senders
from dispatcher.orders import Admitted, Decision, Orders
from dispatcher.replies.compose import Composer
from dispatcher.settings import Settings

QUESTIONS = {
    "size": N_("É pequeno como um comando?"),
    "headers": N_("O cabeçalho só se lê de um modo?"),
    "whitelist": N_("O endereço de From está autorizado?"),
    "recipient": N_("Foi escrito a nós?"),
    "automatic": N_("Foi uma pessoa que mandou?"),
    "authentication": N_("Nosso servidor diz que vem do domínio de From?"),
    "signature": N_("O domínio de From assinou tudo o que decide?"),
    "replay": N_("É novo?"),
    "locked": N_("O remetente não está bloqueado por tokens errados?"),
    "rate": N_("O remetente ainda pode receber respostas nesta hora?"),
    "token": N_("O assunto abre com um token deste remetente?"),
    "confirmation": N_("O código de confirmação é deste remetente e ainda vale?"),
    "grammar": N_("O comando é válido?"),
    "permission": N_("Este remetente pode usar o comando, com esta prova?"),
}
_AFTERWARDS = ("grammar", "permission")
_REMARK = ("!", "yellow")  # it passed, with something to know about it
_MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("·", "dim")}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question came to. ``passed`` is None where it was not asked, since an earlier one decided."""

    rule: str
    passed: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fate:
    """What would become of a mail."""

    decision: str  # admitted | refused | repeated | silent
    answers: tuple[Answer, ...]
    command: str | None = None  # without the token

    @property
    def decided(self) -> Answer:
        """The question that decided."""
        return [answer for answer in self.answers if answer.passed is not None][-1]


def explain_mail(settings: Settings, file: IO[bytes], arrived: datetime, *, as_json: bool) -> None:
    """Print a mail's fate; end with exit code 2 when it would not be admitted. Nothing is recorded."""
    if settings.mail is None or settings.tokens is None:
        raise SettingsError(
            "A configuração não tem as seções mail e tokens.", "Compare com docs/settings.example.yml."
        )
    engine = connect(settings.job_store)
    store = Store(engine)
    admission = Admission.of(settings.mail, settings.tokens, engine, store.seen)
    orders = Orders(
        composer=Composer(settings),
        inventory=InventorySource(settings.inventory),
        permissions=settings.permissions,
        confirmations=Confirmations(engine, settings.tokens.pepper()),
        senders=Senders(engine).all,
        waiting=store.waiting,
        found=partial(undoing.found, engine),
    )
    verdict = admission.judge(_raw(file, settings.mail.max_bytes, arrived))
    fate = _fate(verdict, orders)
    if as_json:
        click.echo(json.dumps(_json(verdict, fate), ensure_ascii=False, indent=2))
    else:
        _print(verdict, fate)
    sys.exit(0 if fate.decision == "admitted" else 2)


def _raw(file: IO[bytes], max_bytes: int, arrived: datetime) -> RawMessage:
    """Read the mail as IMAP would give it: mail programs save files with the line ends of their system."""
    raw = file.read(max_bytes + 1)
    if b"\r\n" not in raw:
        raw = raw.replace(b"\n", b"\r\n")
    return RawMessage("", 0, 0, arrived, len(raw), raw)


def _fate(verdict: Verdict, orders: Orders) -> Fate:
    """Ask after admission what the intake asks: is it a command, and may this sender give it so."""
    answers = [Answer(*step) for step in verdict.trace]
    if verdict.rule == "confirmation":  # `token` found one, and it decides under a name of its own
        answers[-1] = Answer("confirmation", answers[-1].passed, answers[-1].reason)
    decision: str = verdict.decision
    command = None
    if verdict.decision == "admitted" and verdict.sender and verdict.message and verdict.proof:
        mail = Admitted(
            sender=verdict.sender, message=verdict.message, subject=verdict.subject or "", proof=verdict.proof
        )
        found = orders.of(mail)
        decision, command = found.verdict, found.order.subject if found.order else None
        answers += _further(found)
    asked = {answer.rule for answer in answers}
    rest = (*(rule.name for rule in RULES), *_AFTERWARDS)
    answers += [Answer(rule, None) for rule in rest if rule not in asked]
    return Fate(decision, tuple(answers), command)


def _further(found: Decision) -> list[Answer]:
    """Return the answers to what is asked of an admitted mail."""
    if found.rule == "confirmation" and found.order is None:  # it confirms an earlier one
        return [Answer("confirmation", passed=True, reason=found.reason)]
    refused = _AFTERWARDS.index(found.rule) if found.verdict == "refused" else len(_AFTERWARDS)
    waits = found.reason if found.rule == "confirmation" else ""
    answers = [Answer(rule, passed=True) for rule in _AFTERWARDS[:refused]]
    if found.verdict == "refused":
        return [*answers, Answer(found.rule, passed=False, reason=found.reason)]
    return [*answers[:-1], Answer(_AFTERWARDS[-1], passed=True, reason=waits)]


def _print(verdict: Verdict, fate: Fate) -> None:
    _ = language().gettext
    console = Console(soft_wrap=True, highlight=False)
    if verdict.message is not None:
        console.print(Text(f"{verdict.message.sender}: {verdict.message.subject}"))
    for answer in fate.answers:
        mark, style = _REMARK if answer.passed and answer.reason else _MARKS[answer.passed]
        not_asked = "" if answer.passed is not None else " (" + _("não perguntado") + ")"
        line = Text.assemble((f"{mark} {answer.rule:<15}", style), _(QUESTIONS[answer.rule]))
        console.print(line.append(not_asked, style="dim"))
        if answer.reason:
            console.print(Text(f"{'':<17}{answer.reason}", style=style))
    said = {
        "admitted": _("Seria admitido."),
        "refused": _("Seria recusado pela regra {0}, com uma resposta ao remetente."),
        "repeated": _("Já foi admitido ou respondido antes: só a resposta guardada seria mandada de novo."),
        "silent": _("Seria ignorado em silêncio pela regra {0}: nenhuma resposta."),
    }[fate.decision].format(fate.decided.rule)
    console.print(Text(f"\n{said}", style="bold"))
    if fate.command is not None:
        console.print(Text(_("Comando") + f": {fate.command}"))


def _json(verdict: Verdict, fate: Fate) -> dict[str, object]:
    message = verdict.message
    return {
        "admitted": fate.decision == "admitted",
        "decision": fate.decision,
        "rule": fate.decided.rule,
        "reason": fate.decided.reason,
        "answer_due": fate.decision != "silent",
        "from": message.sender if message else None,
        "message_id": message.message_id if message else None,
        "subject": message.subject if message else None,
        "command": fate.command,
        "rules": [
            {"rule": answer.rule, "passed": answer.passed, "reason": answer.reason} for answer in fate.answers
        ],
    }
