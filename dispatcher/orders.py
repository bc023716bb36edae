"""An admitted mail → what follows: an order, at once or after a confirmation, or an answer that says why not.

Grammar, permission, confirmation, in this order. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial

from dispatcher.commands import COMMANDS, Command, InvalidCommand, NotPermitted
from dispatcher.commands.context import Context
from dispatcher.commands.correction import example
from dispatcher.commands.local import LocalCommand
from dispatcher.commands.parser import Request, available, parse
from dispatcher.errors import OutrunError
from dispatcher.inventory import Inventory, InventorySource
from dispatcher.jobs.job import Job, Offer, Order
from dispatcher.jobs.offering import Offering
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.message import Message
from dispatcher.mail.permissions import (
    Allowed,
    Denied,
    Unproved,
    approvers,
    denied,
    governing,
    judge,
    may,
)  # fmt: skip
from dispatcher.mail.proof import Pending, Proof
from dispatcher.mail.sender import Sender
from dispatcher.replies import confirming
from dispatcher.replies.compose import Composer, Reply
from dispatcher.runs.report import HostResult
from dispatcher.settings import Permissions


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What the store is to take. ``proof``: what is used up by it; ``pending``: the answers it waits for."""

    verdict: str  # admitted | refused | repeated | silent
    rule: str
    reason: str
    proof: Proof | None
    order: Order | None = None
    pending: Sequence[Pending] = ()
    replies: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True)
class Admitted:
    """A mail that all rules of admission let pass."""

    sender: Sender
    message: Message
    subject: str  # the command; empty: a confirmation
    proof: Proof


_refused = partial(Decision, verdict="refused")


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What it takes to decide. ``senders``: everybody on the whitelist; ``waiting``: a confirmation's job.

    ``found``: what a request that names a job alone would do.
    """

    composer: Composer
    inventory: InventorySource
    permissions: Permissions
    confirmations: Confirmations
    senders: Callable[[], Sequence[Sender]]
    waiting: Callable[[int], Job]
    found: Callable[[Request, Sender, Inventory], Request]

    def of(self, mail: Admitted) -> Decision:
        """Return what follows. Raises InventoryError and StoreError: then the mail has to come again."""
        if mail.proof.confirmation is not None:
            return self._confirmed(mail, self.waiting(mail.proof.confirmation))
        inventory = self.inventory.read()
        try:
            written = parse(mail.subject, inventory, may=lambda kind: may(mail.sender, kind))
            request = self.found(written, mail.sender, inventory)
        except NotPermitted as error:
            refusal = denied(mail.sender, error.kind) or Denied(error.kind, "role")
            return self._not_permitted(mail, refusal, inventory, proof=mail.proof)
        except InvalidCommand as error:
            return self._rejected(mail, error)
        return self._permitted(mail, request, inventory)

    def _permitted(self, mail: Admitted, request: Request, inventory: Inventory) -> Decision:
        """Find out what has to be proved besides; of a local command, whether it is worth asking for."""
        command, foreseen = request.command, None
        if isinstance(command, LocalCommand):
            listed = {one.address: one for one in self.senders()}
            if error := command.refusal(listed, mail.sender.address):
                return self._rejected(mail, error)
            foreseen = command.foresee(listed, mail.sender.address)
        order = Order.of(
            request,
            inventory,
            language=mail.sender.language,
            sender=mail.sender.address,
            message_id=mail.message.message_id,
            references=mail.message.references,
        )
        judgement = judge(mail.sender, request, mail.proof, self.permissions)
        if isinstance(judgement, Denied):
            return self._not_permitted(mail, judgement, inventory, proof=mail.proof)
        if isinstance(judgement, Unproved):
            return self._unproved(mail, order, judgement, foreseen)
        if request.check and not isinstance(command, LocalCommand):
            order = replace(order, offer=self._offer(mail, request))
        return Decision(
            verdict="admitted", rule="token", reason="all rules passed", proof=mail.proof, order=order
        )

    def _unproved(
        self, mail: Admitted, order: Order, judgement: Unproved, foreseen: HostResult | None
    ) -> Decision:
        """Refuse what only another token would open; else let it wait, once the servers were looked at."""
        if judgement.demand == "totp":
            return _refused(
                rule="permission", reason="the command asks for a one-time token", proof=mail.proof,
                replies=(confirming.unproved(self.composer, order),),
            )  # fmt: skip
        approval = judgement.demand == "approval"
        order = replace(order, offer="approval" if approval else "demanded")
        if approval and not approvers(self.senders(), mail.sender.address, governing(order.command())):
            return _refused(
                rule="permission", reason="the command has to be approved, and nobody could",
                proof=mail.proof, replies=(confirming.unapproved(self.composer, order),),
            )  # fmt: skip
        waits = partial(Decision, verdict="admitted", rule="confirmation", proof=mail.proof)
        if not issubclass(COMMANDS[order.keyword], LocalCommand):
            return waits(reason="previewed, before it is confirmed", order=replace(order, check=True))
        if (offered := self._offering.of_order(order, foreseen)) is None:
            raise OutrunError  # the last of those who could approve it has just left
        mail_of = confirming.awaiting if approval else confirming.confirm
        reply = mail_of(self.composer, order, offered.invitation, foreseen)
        return waits(
            reason="waits for its confirmation", order=order, pending=offered.pending,
            replies=(reply, *offered.replies),
        )  # fmt: skip

    def _offer(self, mail: Admitted, request: Request) -> Offer | None:
        """Return "asked" for a preview whose proof would be enough to go on by an answer."""
        real = judge(mail.sender, replace(request, check=False), mail.proof, self.permissions)
        return "asked" if real in (Allowed(), Unproved("confirmation")) else None

    @property
    def _offering(self) -> Offering:
        return Offering(self.composer, self.confirmations, self.senders, self.permissions)

    def spent(self, sender: Sender, message: Message, *, used: bool) -> Reply:
        """Return the answer to a code that was used before, or else is too old."""
        return confirming.spent(self.composer, sender, message, "used" if used else "expired")

    def _confirmed(self, mail: Admitted, job: Job) -> Decision:
        """Let the job start, if who answers may still say so, and who asked may still ask."""
        kind = governing(job.order.command())
        asks_more = kind.keyword in self.permissions.approval and job.order.offer != "approval"  # by now
        if asks_more or (job.order.offer == "approval" and not self._approves(mail.sender, job.order, kind)):
            reply = confirming.spent(self.composer, mail.sender, mail.message, "withdrawn")
            reason = f"job {job.id} may not be started by this answer any more"
            return _refused(rule="permission", reason=reason, proof=None, replies=(reply,))
        if refusal := denied(mail.sender, kind):
            return self._not_permitted(mail, refusal, self.inventory.read(), proof=None)
        reason = f"confirms job {job.id}"
        return Decision(verdict="admitted", rule="confirmation", reason=reason, proof=mail.proof)

    def _approves(self, sender: Sender, order: Order, kind: type[Command]) -> bool:
        listed = {one.address: one for one in self.senders()}
        asked = listed.get(order.sender or "")
        able = [one.address for one in approvers(listed.values(), order.sender or "", kind)]
        return asked is not None and may(asked, kind) and sender.address in able

    def _rejected(self, mail: Admitted, error: InvalidCommand) -> Decision:
        reply = self.composer.rejected(mail.sender, mail.message, error)
        return _refused(rule="grammar", reason=str(error), proof=mail.proof, replies=(reply,))

    def _not_permitted(
        self, mail: Admitted, refusal: Denied, inventory: Inventory, *, proof: Proof | None
    ) -> Decision:
        context = Context((), inventory, datetime.now(timezone.utc))
        permitted = {
            kind: example(kind, context.of(kind)).subject
            for kind in available(inventory).values()
            if kind.role is not None and may(mail.sender, kind)
        }
        reply = confirming.not_permitted(self.composer, mail.sender, mail.message, refusal, permitted)
        reason = f"{refusal.kind.keyword} is not for this sender: {refusal.code}"
        return _refused(rule="permission", reason=reason, proof=proof, replies=(reply,))
