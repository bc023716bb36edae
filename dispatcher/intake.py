"""One mail → its verdict → a job, a rejection or silence, recorded in one transaction."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from dispatcher.commands import InvalidCommand
from dispatcher.commands.parser import parse
from dispatcher.errors import AthomeError
from dispatcher.inventory import InventorySource
from dispatcher.jobs.job import Order
from dispatcher.jobs.store import Delivery, Store
from dispatcher.mail.admission import Admission, Verdict
from dispatcher.mail.dns import LookupLaterError
from dispatcher.mail.mailbox import Disposition
from dispatcher.mail.message import Message, RawMessage
from dispatcher.replies.compose import Composer, Reply
from dispatcher.replies.notices import Notices

log = logging.getLogger(__name__)


class Intake:
    """What the mailbox hands its mails to. ``taken`` is called when a job or a reply has come of one."""

    def __init__(
        self,
        store: Store,
        admission: Admission,
        composer: Composer,
        notices: Notices,
        *,
        inventory: InventorySource,
        taken: Callable[[], None],
    ) -> None:
        self._store = store
        self._admission = admission
        self._composer = composer
        self._notices = notices
        self._inventory = inventory
        self._taken = taken

    def take(self, raw: RawMessage) -> Disposition:
        """Decide and record; when this returns, the mail may leave the inbox.

        Raises AthomeError when that is not possible now (database, inventory): the mail has to come again.
        While the DNS alone does not answer, this mail has to come again later, and nothing is recorded.
        A mail whose header cannot be read, or that no rule was made for, is parked for a person with an audit
        row: not lost, and not tried for ever.
        """
        try:
            verdict = self._admission.judge(raw)
            order, replies, delivery = self._consequence(raw, verdict)
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
            delivery,
            claim=verdict.sender is not None,
            order=order,
            proof=verdict.proof,
            failure=verdict.failure,
            replies=replies,
        )
        log.info(
            "mail %s/%d: %s by rule %s (%s)%s",
            raw.folder, raw.uid, delivery.verdict, delivery.rule, delivery.reason,
            f": job {job_id}" if job_id else "",
        )  # fmt: skip
        if job_id or replies or verdict.decision == "repeated":
            self._taken()
        return Disposition.PARKED if verdict.rule == "headers" else Disposition.PROCESSED

    def _consequence(
        self, raw: RawMessage, verdict: Verdict
    ) -> tuple[Order | None, tuple[Reply, ...], Delivery]:
        message, sender = verdict.message, verdict.sender
        delivery = _delivery(raw, message, verdict.decision, verdict.rule, verdict.reason)
        if message is None or sender is None or verdict.decision == "silent":
            return None, (), delivery
        if verdict.decision == "refused":
            return None, self._notices.of(verdict), delivery
        inventory = self._inventory.read()
        try:
            request = parse(verdict.subject or "", inventory)
        except InvalidCommand as error:
            reply = self._composer.rejected(sender, message, error)
            return None, (reply,), _delivery(raw, message, "refused", "grammar", str(error))
        order = Order.of(
            request,
            inventory,
            language=sender.language,
            sender=sender.address,
            message_id=message.message_id,
            references=message.references,
        )
        return order, (), delivery


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
