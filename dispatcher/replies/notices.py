"""The mails about admission itself: to a proved sender who may not go on, and to the administrators."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from dispatcher.commands import COMMANDS
from dispatcher.mail.admission import Verdict
from dispatcher.mail.lockout import RATE
from dispatcher.mail.message import Message
from dispatcher.mail.proof import Failure
from dispatcher.mail.rules import Cause
from dispatcher.mail.senders import Sender
from dispatcher.replies.compose import Composer, Reply, Thread
from dispatcher.settings import Settings

WIDESPREAD = 5  # senders with wrong tokens at about the same time: no longer a slip, but somebody guessing


class Notices:
    """What is told of a refusal by `token` or `rate`, and of no other. ``senders`` returns the whitelist."""

    def __init__(
        self, composer: Composer, settings: Settings, senders: Callable[[], Sequence[Sender]]
    ) -> None:
        self._composer = composer
        self._settings = settings
        self._senders = senders

    def of(self, verdict: Verdict) -> tuple[Reply, ...]:
        """Return the sender's answer and the administrators' alarms, if any. None go to who is not proved."""
        sender, message, failure = verdict.sender, verdict.message, verdict.failure
        if verdict.rule not in ("token", "rate") or verdict.decision != "refused":
            return ()
        if sender is None or message is None:
            return ()
        if verdict.rule == "rate":
            return (self.rate(sender, message),)
        if failure is None:
            return (self.invalid_token(sender, message, verdict.cause),)
        alarms = self._alarms(sender, message, failure)
        if failure.locked_until is not None:
            return (self.locked(sender, message, failure.number, _utc(failure.locked_until)), *alarms)
        return (self.invalid_token(sender, message, verdict.cause), *alarms)

    def invalid_token(self, sender: Sender, message: Message, cause: Cause = "wrong") -> Reply:
        """Say that the token is not valid; why, only to who had a right one once."""
        values = {"example": next(iter(COMMANDS.values())).example, "cause": cause}
        return self._composer.compose("invalid_token", Thread.of(sender, message), values)

    def locked(self, sender: Sender, message: Message, number: int, until: datetime) -> Reply:
        """Say that nothing is taken from this sender for a while: the last answer until then."""
        values = {"number": number, "until": until}
        return self._composer.compose("locked", Thread.of(sender, message), values)

    def rate(self, sender: Sender, message: Message) -> Reply:
        """Say that there were too many mails to this sender: the last answer for a while."""
        most = self._settings.mail.answers_per_hour if self._settings.mail else 0
        return self._composer.compose(RATE, Thread.of(sender, message), {"most": most})

    def lockout(
        self, administrator: Sender, locked: str, number: int, until: datetime, *, cause: str
    ) -> Reply:
        """Tell an administrator that somebody else is locked out."""
        to = Thread(administrator.address, administrator.language)
        values = {"locked": locked, "number": number, "until": until}
        return self._composer.compose("lockout", to, values, cause=cause)

    def guessing(self, administrator: Sender, senders: int, *, cause: str) -> Reply:
        """Tell an administrator that wrong tokens come from many senders."""
        to = Thread(administrator.address, administrator.language)
        return self._composer.compose("guessing", to, {"senders": senders}, cause=cause)

    def _alarms(self, sender: Sender, message: Message, failure: Failure) -> list[Reply]:
        administrators = [one for one in self._senders() if one.privileged and one.address != sender.address]
        until = failure.locked_until
        alarms = [] if until is None else [
            self.lockout(one, sender.address, failure.number, _utc(until), cause=message.message_id)
            for one in administrators
        ]  # fmt: skip
        if failure.senders >= WIDESPREAD:
            lasting = self._settings.tokens.lockout if self._settings.tokens else 1.0
            period = f"{time.time() // lasting:.0f}"  # one mail in each, however many fail
            alarms += [self.guessing(one, failure.senders, cause=period) for one in administrators]
        return alarms


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.utc)
