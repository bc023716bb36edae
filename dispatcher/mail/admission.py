"""Whether a mail may become a command: an ordered table of rules, the first that fails decides.

Until the sender is proved, the answer is silence: an answer would tell a forger what to try next, and would
reach the person whose address was forged. After that somebody has made a mistake, and is told so.

Questions that are still to come have their places in this order: the lock-out after wrong tokens, and
one-time codes, in `token`, where the sender is proved, so that no forger can lock anybody out; and what this
sender may do, after `token`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dispatcher.mail import rules
from dispatcher.mail.dns import Resolver
from dispatcher.mail.message import Message, RawMessage
from dispatcher.mail.rules import Case
from dispatcher.mail.senders import Sender, Senders
from dispatcher.mail.subject import REDACTED, redact
from dispatcher.mail.tokens import Tokens
from dispatcher.settings import Mail

__all__ = ["RULES", "Admission", "Rule", "Step", "Verdict", "redact"]

Decision = Literal["admitted", "refused", "silent"]


class Rule(NamedTuple):
    """One row of the table; what it asks is the function's docstring."""

    name: str
    check: Callable[[Case], str | None]
    otherwise: Decision


RULES = (
    Rule("size", rules.size, otherwise="silent"),
    Rule("headers", rules.headers, otherwise="silent"),
    Rule("whitelist", rules.whitelist, otherwise="silent"),
    Rule("automatic", rules.automatic, otherwise="silent"),
    Rule("authentication", rules.authenticated, otherwise="silent"),
    Rule("signature", rules.signed, otherwise="silent"),
    Rule("replay", rules.replay, otherwise="silent"),
    Rule("token", rules.token, otherwise="refused"),
)


class Step(NamedTuple):
    """What one rule said."""

    rule: str
    passed: bool
    reason: str  # when passed: empty, or why the rule did not ask


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is to be done with a mail. No field has the token in it.

    ``sender`` is there only when proved. ``message`` is there when the header could be read; its subject is
    redacted and its other fields are left out, since mail programs copy the subject into some of them.
    ``subject`` is the command, when admitted.
    """

    decision: Decision
    rule: str  # the one that decided
    reason: str
    sender: Sender | None = None
    message: Message | None = None
    subject: str | None = None
    trace: tuple[Step, ...] = ()


class Admission:
    """The rules with what they ask. ``seen(sender, message_id)`` tells whether that mail was taken before."""

    def __init__(
        self,
        settings: Mail,
        senders: Senders,
        tokens: Tokens,
        seen: Callable[[str, str], bool],
        resolver: Resolver,
    ) -> None:
        self._settings = settings
        self._senders = senders
        self._tokens = tokens
        self._seen = seen
        self._resolver = resolver

    def judge(self, raw: RawMessage) -> Verdict:
        """Return the verdict.

        Raises StoreError when the database cannot be asked: every mail must wait; and LookupLaterError when
        the DNS cannot: this mail must wait.
        """
        case = Case(
            raw=raw, settings=self._settings, senders=self._senders, tokens=self._tokens, seen=self._seen,
            resolver=self._resolver,
        )  # fmt: skip
        trace: list[Step] = []
        for rule in RULES:
            case.remark = ""
            reason = rule.check(case)
            trace.append(Step(rule.name, reason is None, reason or case.remark))
            if reason is not None:
                return Verdict(
                    decision=rule.otherwise, rule=rule.name, reason=reason,
                    sender=case.sender if rule.otherwise == "refused" else None,
                    message=_without_token(case), trace=tuple(trace),
                )  # fmt: skip
        return Verdict(
            decision="admitted", rule=RULES[-1].name, reason="all rules passed", sender=case.sender,
            message=_without_token(case), subject=case.subject, trace=tuple(trace),
        )  # fmt: skip


def _without_token(case: Case) -> Message | None:
    message: Message | None = getattr(case, "message", None)
    command: str | None = getattr(case, "subject", None)
    if message is None:
        return None
    subject = redact(message.subject) if command is None else f"{REDACTED} {command}"
    return dataclasses.replace(message, subject=subject, fields=())
