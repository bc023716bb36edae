"""A preview that shows a change → the job that makes it once somebody has answered, and its codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from dispatcher.jobs.job import Job, Order
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.permissions import approvers, governing, until
from dispatcher.mail.proof import Pending
from dispatcher.mail.sender import Sender
from dispatcher.replies import confirming
from dispatcher.replies.compose import Composer, Invitation, Reply
from dispatcher.runs.foreseen import digest
from dispatcher.runs.report import HostResult, Report
from dispatcher.settings import Permissions


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """A job that waits, whose answers let it start, and what goes out with that.

    ``invitation`` is for the mail to whoever asked; ``replies`` are those to whoever approves.
    """

    order: Order
    pending: tuple[Pending, ...]
    invitation: Invitation
    replies: tuple[Reply, ...] = ()


class Offering:
    """Makes offers. ``senders`` returns the whitelist."""

    def __init__(
        self,
        composer: Composer,
        confirmations: Confirmations,
        senders: Callable[[], Sequence[Sender]],
        permissions: Permissions,
    ) -> None:
        self._composer = composer
        self._confirmations = confirmations
        self._senders = senders
        self._permissions = permissions

    def of(self, job: Job, report: Report) -> Offered | None:
        """Return what follows from the report of a job that has only looked; None: nobody may approve it.

        Raises StoreError while the whitelist cannot be read.
        """
        exactly_this = job.order.following(
            check=False, retry_of=None, preview_of=job.id, foreseen=digest(report)
        )
        return self._offered(exactly_this, lambda one, code: self._composer.approve(job, report, one, code))

    def of_order(self, order: Order, foreseen: HostResult | None) -> Offered | None:
        """Return the same for a command that no server has to be asked about."""
        return self._offered(
            order, lambda one, code: confirming.approve(self._composer, order, one, code, foreseen)
        )

    def _offered(self, order: Order, approve: Callable[[Sender, Invitation], Reply]) -> Offered | None:
        ends = until(self._permissions)
        at, sender = datetime.fromtimestamp(ends, timezone.utc), order.sender or ""
        if order.offer != "approval":
            code, mark = self._confirmations.new(sender)
            pending = Pending(digest=mark, expires_at=ends, sender=sender)
            return Offered(order=order, pending=(pending,), invitation=Invitation(at, code))
        waits, replies = [], []
        for one in approvers(self._senders(), sender, governing(order.command())):
            code, mark = self._confirmations.new(one.address)
            waits.append(Pending(digest=mark, expires_at=ends, sender=one.address))
            replies.append(approve(one, Invitation(at, code)))
        if not waits:
            return None
        return Offered(order=order, pending=tuple(waits), invitation=Invitation(at), replies=tuple(replies))
