"""Carries out the commands that need no playbook, and tells whom they concern, as one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import cast

from sqlalchemy import Connection

from dispatcher.commands.context import Context
from dispatcher.commands.local import Desk, LocalCommand
from dispatcher.commands.parser import available
from dispatcher.inventory import InventorySource
from dispatcher.jobs.job import Job
from dispatcher.jobs.standing import Queue
from dispatcher.mail.permissions import denied, may
from dispatcher.mail.senders import shell_account
from dispatcher.mail.whitelist import Whitelist
from dispatcher.replies import local
from dispatcher.replies.compose import Composer, Reply
from dispatcher.runs.report import Notice, Report
from dispatcher.settings import Settings

Work = Callable[[Connection], tuple[Report, Sequence[Reply]]]


class LocalRunner:
    """What the runner is to playbooks, this is to local commands."""

    def __init__(self, settings: Settings, inventory: InventorySource, composer: Composer) -> None:
        self._settings = settings
        self._inventory = inventory
        self._composer = composer

    def prepare(self, job: Job) -> Work:
        """Read what takes time, and return what is to be done inside the transaction of its result.

        Raises InventoryError, and ValueError when another version of the program wrote the command.
        """
        command = cast("LocalCommand", job.order.command())
        inventory = self._inventory.read()
        commands = available(inventory)
        context = Context((), inventory, datetime.now(timezone.utc), commands)

        def work(connection: Connection) -> tuple[Report, Sequence[Reply]]:
            whitelist = Whitelist(connection, job.order.sender or shell_account())
            before = whitelist.listed()
            asker = before.get(whitelist.by)
            if job.order.sender and (asker is None or denied(asker, type(command))):
                # Taken off the list, or made less, since the mail came: who is off it hears nothing more.
                report = Report(status="failed", problem=Notice(code="run.not_permitted"))
                return report, [self._composer.result(job, report)] if asker else []
            desk = Desk(
                whitelist=whitelist,
                asker=asker,
                commands={word: kind for word, kind in commands.items() if asker is None or may(asker, kind)},
                context=context,
                permissions=self._settings.permissions,
                language=self._settings.language,
                queue=Queue(connection, asker, job.id, self._composer.result),
            )
            outcome = command.carry_out(desk, check=job.order.check)
            status = "failed" if outcome.outcome == "failed" else "successful"
            report = Report.model_validate({"status": status, "check": job.order.check, "hosts": [outcome]})
            replies = [local.answer(self._composer, job, report)] if job.order.sender else []
            if self._settings.mail:  # else no mail goes out from here
                replies += local.news(self._composer, whitelist, before, welcome=True)
            return report, replies

        return work
