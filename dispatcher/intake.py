"""One mail → its verdict → a job, a rejection or silence, recorded in one transaction."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from dispatcher.errors import AthomeError
from dispatcher.jobs.store import Delivery, Store
from dispatcher.mail.admission import Admission, Verdict
from dispatcher.mail.dns import LookupLaterError
from dispatcher.mail.mailbox import Disposition
from dispatcher.mail.message import Message, RawMessage
from dispatcher.orders import Admitted, Decision, Orders
from dispatcher.replies.bounces import Bounces
from dispatcher.replies.compose import Reply
from dispatcher.replies.notices import Notices

log = logging.getLogger(__name__)


class Intake:
    """What the mailbox hands its mails to. ``taken`` is called when a job or a reply has come of one."""

    def __init__(
        self,
        store: Store,
        admission: Admission,
        orders: Orders,
        notices: Notices,
        taken: Callable[[], None],
        *,
        bounces: Bounces | None = None,
    ) -> None:
        self._store = store
        self._admission = admission
        self._orders = orders
        self._notices = notices
        self._taken = taken
        self._bounces = bounces

    def take(self, raw: RawMessage) -> Disposition:
        """Decide and record; when this returns, the mail may leave the inbox.

        Raises AthomeError when that is not possible now (database, inventory): the mail has to come again.
        While the DNS alone does not answer, this mail has to come again later, and nothing is recorded.
        A mail whose header cannot be read, or that no rule was made for, is parked for a person with an audit
        row: not lost, and not tried for ever.
        """
        if self._bounces and (reply := self._bounces.mark(raw.raw)) is not None:
            self._store.take(_delivery(raw, None, "silent", "bounce", f"a bounce of reply {reply}"))
            return Disposition.PROCESSED
        try:
            verdict = self._admission.judge(raw)
            decision = self._decide(verdict)
        except LookupLaterError as error:
            log.warning("mail %s/%d waits: %s", raw.folder, raw.uid, error)
            return Disposition.LATER
        except AthomeError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the mails behind it must not wait
            # Where it happened, but not the exception's own text: it may quote the mail, and with it a token.
            place = "".join(traceback.format_tb(error.__traceback__))
            log.error("mail %s/%d parked: %s\n%s", raw.folder, raw.uid, type(error).__name__, place)
            self._store.take(_delivery(raw, None, "parked", "exception", type(error).__name__))
            return Disposition.PARKED
        job_id = self._store.take(
            _delivery(raw, verdict.message, decision.verdict, decision.rule, decision.reason),
            claim=verdict.sender is not None,
            order=decision.order,
            pending=decision.pending,
            proof=decision.proof,
            failure=verdict.failure,
            replies=decision.replies,
        )
        log.info(
            "mail %s/%d: %s by rule %s (%s)%s",
            raw.folder, raw.uid, decision.verdict, decision.rule, decision.reason,
            f": job {job_id}" if job_id else "",
            extra={"job": job_id},
        )  # fmt: skip
        if job_id or decision.replies or verdict.decision == "repeated":
            self._taken()
        return Disposition.PARKED if verdict.rule == "headers" else Disposition.PROCESSED

    def _decide(self, verdict: Verdict) -> Decision:
        """Return what follows from a verdict: for somebody who is not proved, nothing."""
        message, sender, proof = verdict.message, verdict.sender, verdict.proof
        replies: tuple[Reply, ...] = ()
        if message and sender and verdict.decision == "admitted" and proof:
            return self._orders.of(Admitted(sender, message, verdict.subject or "", proof))
        if message and sender and verdict.decision == "refused":
            if verdict.rule == "confirmation":
                replies = (self._orders.spent(sender, message, used=verdict.cause == "used"),)
            else:
                replies = self._notices.of(verdict)
        return Decision(
            verdict=verdict.decision, rule=verdict.rule, reason=verdict.reason, proof=proof, replies=replies
        )


def _delivery(raw: RawMessage, message: Message | None, verdict: str, rule: str, reason: str) -> Delivery:
    return Delivery(
        folder=raw.folder,
        uidvalidity=raw.uidvalidity,
        uid=raw.uid,
        sender=message.sender if message else None,
        message_id=message.message_id if message else None,
        subject=message.subject if message else None,
        verdict=verdict,
        rule=rule,
        reason=reason,
    )
