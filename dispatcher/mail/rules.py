"""The questions that admission asks of a mail, one function each.

A rule gets the case and returns None when the mail passes, else the reason why not (English, for the audit;
it repeats nothing that a stranger wrote, and never the token), or a Ruling when that is not all there is to
say. What a rule finds out, it adds to the case. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Literal, NamedTuple

from dispatcher.mail import authentication, signature
from dispatcher.mail.address import addresses
from dispatcher.mail.automatic import sign_of_a_machine
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.dns import LookupLaterError, Resolver
from dispatcher.mail.lockout import Lockout
from dispatcher.mail.message import MalformedMessage, Message, RawMessage, parse
from dispatcher.mail.proof import Failure, Proof
from dispatcher.mail.senders import Sender, Senders
from dispatcher.mail.subject import NoToken, open_confirmation, open_subject
from dispatcher.mail.tokens import Tokens
from dispatcher.settings import Mail

CLOCK_SKEW = timedelta(minutes=10)  # by how much a sender's clock may be ahead of ours

Decision = Literal["admitted", "refused", "repeated", "silent"]
Cause = Literal["", "format", "wrong", "expired", "used"]


class Ruling(NamedTuple):
    """A reason that decides otherwise than its rule's row in the table says, or that an answer depends on."""

    reason: str
    decision: Decision
    cause: Cause = ""
    rule: str = ""  # another name for the audit


@dataclass(kw_only=True)
class Case:
    """One mail on its way through the rules, and what they have to ask."""

    raw: RawMessage
    settings: Mail
    senders: Senders
    tokens: Tokens
    seen: Callable[[str, str], bool]
    resolver: Resolver
    confirmations: Confirmations
    lockout: Lockout
    remark: str = ""  # of a rule that lets the mail pass without having asked: why
    message: Message = field(init=False)  # from the rule `headers` on
    sender: Sender = field(init=False)  # from the rule `whitelist` on
    proved: bool = False  # from the rule `replay` on: it is the sender's, and new
    failure: Failure | None = None  # a wrong token that counts
    proof: Proof = field(init=False)  # from the rule `token` on
    subject: str = field(init=False)  # without the token, from the rule `token` on


def size(case: Case) -> str | None:
    """Ask whether it is small enough to be a command."""
    if case.raw.size > case.settings.max_bytes:
        return f"{case.raw.size} bytes, over the limit of {case.settings.max_bytes}"
    return None


def headers(case: Case) -> str | None:
    """Ask whether its header can be read in one way only."""
    try:
        case.message = parse(case.raw)
    except MalformedMessage as error:
        return str(error)
    return None


def whitelist(case: Case) -> str | None:
    """Ask whether the address in From may send commands."""
    sender = case.senders.get(case.message.sender)
    if sender is None:
        return "the sender is not on the whitelist"
    case.sender = sender
    return None


def recipient(case: Case) -> str | None:
    """Ask whether it was written to us: a signed mail to somebody else can be handed in here by anybody."""
    settings = case.settings
    ours = {settings.address, *settings.aliases}
    if not any(ours & addresses(value) for value in case.message.values(b"to")):
        return "To names neither mail.address nor one of mail.aliases"
    return None


def automatic(case: Case) -> str | None:
    """Ask whether a person sent it, and not a list, an answering machine, a bounce, or we ourselves."""
    return sign_of_a_machine(case.message, case.settings.address)


def authenticated(case: Case) -> str | None:
    """Ask whether our own mail server says that it comes from the domain in From."""
    return authentication.judge(case.message, case.settings.results_of)


def signed(case: Case) -> str | None:
    """Ask whether From's domain has signed what decides.

    Raises LookupLaterError while the DNS does not give the key; not for longer than a mail may be old.
    """
    if case.settings.authentication == "results_only":
        case.remark = "not asked: mail.authentication is results_only"
        return None
    raw = case.raw
    try:
        return signature.judge(case.message, raw.raw, raw.internaldate, case.resolver)
    except LookupLaterError:
        if datetime.now(timezone.utc) - raw.internaldate > timedelta(seconds=case.settings.max_age):
            return "the DNS has not given the signature's key in all this time"
        raise


def replay(case: Case) -> str | Ruling | None:
    """Ask whether it is new: sent a short time before it arrived, and not taken before.

    Of a mail that was taken before, its answer may have been lost: it is due again.
    """
    message = case.message
    age = case.raw.internaldate - message.date
    if not -CLOCK_SKEW <= age <= timedelta(seconds=case.settings.max_age):
        return "Date is too far from the arrival"
    if case.seen(message.sender, message.message_id):
        return Ruling("the sender's mail of this Message-ID was taken before", "repeated")
    case.proved = True
    return None


def locked(case: Case) -> str | None:
    """Ask whether its sender is not locked out: then the right token does not help either."""
    if (until := case.lockout.until(case.sender.address)) is not None:
        return f"locked out until {_utc(until)} after wrong tokens"
    return None


def rate(case: Case) -> str | Ruling | None:
    """Ask whether its sender has not had all mails of this hour: no command runs without an answer."""
    many = case.lockout.too_many(case.sender.address)
    if many is None:
        return None
    reason = f"{case.settings.answers_per_hour} mails to this sender within an hour"
    return Ruling(reason, "refused") if many == "first" else reason


def token(case: Case) -> str | Ruling | None:
    """Ask whether its subject opens with a token of this sender, or confirms with a code of this sender."""
    if (code := open_confirmation(case.message.subject)) is not None:
        return _confirmation(case, code)
    try:
        given, subject = open_subject(case.message.subject)
    except NoToken as error:
        return Ruling(str(error), "refused", "format")
    proof = case.tokens.prove(case.sender.address, given, case.raw.internaldate.timestamp())
    if proof == "expired":
        return Ruling("the token has expired", "refused", "expired")
    if proof == "used":
        return Ruling("the one-time code was used before", "refused", "used")
    if proof == "wrong":
        return _wrong(case, "not a token of this sender")
    case.proof, case.subject = proof, subject
    return None


def _confirmation(case: Case, code: str) -> Ruling | None:
    found = case.confirmations.find(case.sender.address, code)
    if found is None:
        return _wrong(case, "not a code that this sender was given")
    if not isinstance(found, int):
        return Ruling(f"the code of the confirmation is {found}", "refused", found, "confirmation")
    case.proof, case.subject = Proof(kind="confirmation", confirmation=found), ""
    return None


def _wrong(case: Case, reason: str) -> Ruling:
    """Count a guess: something that had the form of a secret and was none."""
    case.failure = failure = case.lockout.next(case.sender.address)
    until = failure.locked_until
    ends = f", the {failure.number}th in a row: locked out until {_utc(until)}" if until else ""
    return Ruling(reason + ends, "refused", "wrong")


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, tz=timezone.utc):%Y-%m-%d %H:%M} UTC"
