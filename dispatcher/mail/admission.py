"""Whether a mail may become a command: an ordered table of rules, the first that fails decides.

Until the sender is proved, the answer is silence: an answer would tell a forger what to try next, and would
reach the person whose address was forged. After that somebody has made a mistake, and is told so.

Wrong tokens are counted where the sender is proved, so that no forger can lock anybody out. What this sender
may do with the command is asked after all of these, when the command has been read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from sqlalchemy import Engine

from dispatcher import settings
from dispatcher.mail import rules
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.dns import Resolver
from dispatcher.mail.lockout import Lockout
from dispatcher.mail.message import Message, RawMessage
from dispatcher.mail.proof import Failure, Proof
from dispatcher.mail.rules import Case, Cause, Decision, Ruling
from dispatcher.mail.senders import Sender, Senders
from dispatcher.mail.subject import REDACTED, redact
from dispatcher.mail.tokens import Tokens

__all__ = ["RULES", "Admission", "Rule", "Step", "Verdict", "redact"]


class Rule(NamedTuple):
    """One row of the table; what it asks is the function's docstring."""

    name: str
    check: Callable[[Case], str | Ruling | None]
    otherwise: Decision


RULES = (
    Rule("size", rules.size, otherwise="silent"),
    Rule("headers", rules.headers, otherwise="silent"),
    Rule("whitelist", rules.whitelist, otherwise="silent"),
    Rule("recipient", rules.recipient, otherwise="silent"),
    Rule("automatic", rules.automatic, otherwise="silent"),
    Rule("authentication", rules.authenticated, otherwise="silent"),
    Rule("signature", rules.signed, otherwise="silent"),
    Rule("replay", rules.replay, otherwise="silent"),
    Rule("locked", rules.locked, otherwise="silent"),
    Rule("rate", rules.rate, otherwise="silent"),
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

    ``sender`` is there only when proved, and the mail new: it is to be claimed, whatever is decided then.
    ``message`` is there when the header could be read; its subject is redacted and its other fields are left
    out, since mail programs copy the subject into some of them. ``subject`` is the command, when admitted; of
    a confirmation it is empty. ``proof`` and ``failure`` are for the store, which counts them when it takes
    the mail.
    """

    decision: Decision
    rule: str  # the one that decided
    reason: str
    cause: Cause = ""  # of a refusal by `token` or `confirmation`
    sender: Sender | None = None
    message: Message | None = None
    subject: str | None = None
    proof: Proof | None = None
    failure: Failure | None = None
    trace: tuple[Step, ...] = ()


class Admission:
    """The rules with what they ask. ``seen(sender, message_id)`` tells whether that mail was taken before."""

    def __init__(
        self,
        mail: settings.Mail,
        senders: Senders,
        tokens: Tokens,
        *,
        seen: Callable[[str, str], bool],
        resolver: Resolver,
        confirmations: Confirmations,
        lockout: Lockout,
    ) -> None:
        self._case = partial(
            Case, settings=mail, senders=senders, tokens=tokens, seen=seen, resolver=resolver,
            confirmations=confirmations, lockout=lockout,
        )  # fmt: skip

    @classmethod
    def of(
        cls, mail: settings.Mail, tokens: settings.Tokens, engine: Engine, seen: Callable[[str, str], bool]
    ) -> Admission:
        """Put it together from the settings. Raises SecretError when the tokens' key cannot be read."""
        pepper = tokens.pepper()
        return cls(
            mail,
            Senders(engine),
            Tokens(engine, pepper, tokens.totp_window),
            seen=seen,
            resolver=Resolver([str(address) for address in mail.nameservers], mail.dns_timeout),
            confirmations=Confirmations(engine, pepper),
            lockout=Lockout(engine, mail, tokens),
        )

    def judge(self, raw: RawMessage) -> Verdict:
        """Return the verdict.

        Raises StoreError when the database cannot be asked: every mail must wait; and LookupLaterError when
        the DNS cannot: this mail must wait.
        """
        case = self._case(raw=raw)
        trace: list[Step] = []
        for rule in RULES:
            case.remark = ""
            found = rule.check(case)
            ruling = Ruling(found, rule.otherwise) if isinstance(found, str) else found
            trace.append(Step(rule.name, ruling is None, ruling.reason if ruling else case.remark))
            if ruling is not None:
                return Verdict(
                    decision=ruling.decision, rule=ruling.rule or rule.name, reason=ruling.reason,
                    cause=ruling.cause, sender=case.sender if case.proved else None,
                    message=_without_token(case), failure=case.failure, trace=tuple(trace),
                )  # fmt: skip
        return Verdict(
            decision="admitted", rule=RULES[-1].name, reason="all rules passed", sender=case.sender,
            message=_without_token(case), subject=case.subject, proof=case.proof, trace=tuple(trace),
        )  # fmt: skip


def _without_token(case: Case) -> Message | None:
    message: Message | None = getattr(case, "message", None)
    proof: Proof | None = getattr(case, "proof", None)
    if message is None:
        return None
    opened = proof is not None and proof.kind != "confirmation"
    subject = f"{REDACTED} {case.subject}" if opened else redact(message.subject)
    return dataclasses.replace(message, subject=subject, fields=())
