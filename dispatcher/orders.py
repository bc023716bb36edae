"""An admitted mail → what follows: an order, at once or after a confirmation, or an answer that says why not.

Grammar, permission, confirmation, in this order. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial

from dispatcher.commands import InvalidCommand, NotPermitted
from dispatcher.commands.context import Context
from dispatcher.commands.correction import example
from dispatcher.commands.local import LocalCommand
from dispatcher.commands.parser import Request, available, parse
from dispatcher.inventory import Inventory, InventorySource
from dispatcher.jobs.job import Job, Order
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.message import Message
from dispatcher.mail.permissions import Denied, Unproved, denied, judge, may, until
from dispatcher.mail.proof import Pending, Proof
from dispatcher.mail.sender import Sender
from dispatcher.replies import confirming
from dispatcher.replies.compose import Composer, Reply
from dispatcher.settings import Permissions


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What the store is to take. ``proof``: what is used up by it; ``pending``: what the order waits for."""

    verdict: str  # admitted | refused | repeated | silent
    rule: str
    reason: str
    proof: Proof | None
    order: Order | None = None
    pending: Pending | None = None
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
        """Ask for what has to be proved besides; of a local command, whether it is worth asking."""
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
        if not isinstance(judgement, Unproved):
            return Decision(
                verdict="admitted", rule="token", reason="all rules passed", proof=mail.proof, order=order
            )
        if judgement.demand == "totp":
            return _refused(
                rule="permission", reason="the command asks for a one-time token", proof=mail.proof,
                replies=(confirming.unproved(self.composer, order),),
            )  # fmt: skip
        code, digest = self.confirmations.new(mail.sender.address)
        pending = Pending(digest=digest, expires_at=until(self.permissions))
        reply = confirming.confirm(self.composer, order, code, pending.expires_at, foreseen)
        return Decision(
            verdict="admitted", rule="confirmation", reason="waits for its confirmation", proof=mail.proof,
            order=order, pending=pending, replies=(reply,),
        )  # fmt: skip

    def spent(self, sender: Sender, message: Message, *, used: bool) -> Reply:
        """Return the answer to a code that was used before, or else is too old."""
        return confirming.spent(self.composer, sender, message, "used" if used else "expired")

    def _confirmed(self, mail: Admitted, job: Job) -> Decision:
        """Let the job start, if its sender may still use the command."""
        if refusal := denied(mail.sender, type(job.order.command())):
            return self._not_permitted(mail, refusal, self.inventory.read(), proof=None)
        reason = f"confirms job {job.id}"
        return Decision(verdict="admitted", rule="confirmation", reason=reason, proof=mail.proof)

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
