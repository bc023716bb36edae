"""What takes a job back: found in its report, unless something speaks against it.

Whatever can be seen from here is asked here, once for mail and shell: whose job it is, what it did, whether
it is undone, and whether somebody relied on it since. What was done on the servers by other hands is theirs
to see: the playbook refuses it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, Engine, select

from dispatcher.commands import COMMANDS, InvalidCommand, Problem
from dispatcher.commands.parser import Request
from dispatcher.commands.undo import Undo, Way
from dispatcher.errors import NotFoundError
from dispatcher.inventory import Inventory
from dispatcher.jobs import rows
from dispatcher.jobs.database import reading
from dispatcher.jobs.job import Job
from dispatcher.jobs.queries import UNFINISHED
from dispatcher.jobs.schema import jobs
from dispatcher.mail.sender import Sender
from dispatcher.runs.report import Notice


class _No(Exception):  # noqa: N818 - an answer
    """Why a job is not taken back, and the subject that is offered instead."""

    def __init__(self, code: str, instead: str, **data: str) -> None:
        super().__init__(code)
        self.code, self.instead, self.data = code, instead, data


def found(engine: Engine, request: Request, asker: Sender | None, inventory: Inventory) -> Request:
    """Return the request with the way back that its job has; one of another command as it is.

    ``asker``: None at the shell. Raises InvalidCommand, with what to send instead, when there is no way back,
    and StoreError.
    """
    undo = request.command
    if not isinstance(undo, Undo):
        return request
    try:
        with reading(engine) as connection:
            way = _way(connection, _job(connection, undo.job, asker), asker, inventory)
    except _No as no:
        problem = Problem(field=undo.keyword, value=str(undo.job), code=no.code, data=no.data)
        # Whoever asked for a preview is not offered the real thing.
        instead = no.instead + (" SIMULAR" if request.check else "")
        raise InvalidCommand((problem,), instead, understood=True) from None
    return replace(request, command=undo.model_copy(update={"way": way}))


def objection(engine: Engine, job: Job) -> Notice | None:
    """Return what has come up since an undo was asked for, now that its turn is there. Raises StoreError.

    Whoever was before it on its servers has ended, and nobody works on them beside it.
    """
    if job.order.undoes is None:
        return None
    try:
        with reading(engine) as connection:
            undone = rows.one(connection, job.order.undoes)
            _left(connection, undone, job.order.servers, own=job.id)
            _relied(connection, undone, job.order.servers, job.order.sender, own=job.id)
    except NotFoundError:  # forgotten meanwhile: its servers still know
        return None
    except _No as no:
        return Notice(code=no.code, data=no.data)
    return None


def _job(connection: Connection, number: int, asker: Sender | None) -> Job:
    """Return the job. Somebody else's is as unknown as one that there is not."""
    try:
        job = rows.one(connection, number)
        if asker is None or asker.privileged or job.order.sender == asker.address:
            return job
    except NotFoundError:
        pass
    raise _No("job.unknown", "STATUS", id=str(number))


def _way(connection: Connection, job: Job, asker: Sender | None, inventory: Inventory) -> Way:
    """Return the way back. Raises _No."""
    order, show = job.order, f"STATUS {job.id}"
    if order.undoes is not None:
        command = order.command()
        raise _No("undo.undo", command.way.subject if isinstance(command, Undo) and command.way else show)
    kind = COMMANDS.get(order.keyword)
    if kind is None or not kind.undo_playbook:
        raise _No("undo.none", show, keyword=order.keyword)
    if not job.state.terminal:
        raise _No("undo.unfinished", f"CANCELAR {job.id}")
    if order.check:
        raise _No("undo.preview", show)
    did = job.report.hosts if job.report and not job.report.check else ()  # not after a mere look
    results = {host.host: host for host in did if host.undo}
    if not results and job.attempts > 1:  # what a start did that was broken off is written down nowhere
        reverse = order.command().reverse()
        raise _No("undo.interrupted", reverse.subject() if reverse else show)
    if not results:
        raise _No("undo.nothing", show)
    left = _left(connection, job, results)
    servers = tuple(name for name in left if name in kind.candidates(inventory))
    if not servers:
        raise _No("undo.no_server", show, servers=", ".join(left))
    _relied(connection, job, servers, asker.address if asker else None)
    command = order.command()
    reverse = command.reverse()
    return Way(
        keyword=order.keyword,
        subject=order.subject,
        reverse=reverse.subject() if reverse else "",
        playbook=kind.undo_playbook,
        servers=servers,
        extravars=command.undo_extravars([results[name] for name in servers]),
    )


def _left(connection: Connection, job: Job, servers: Iterable[str], own: int | None = None) -> list[str]:
    """Return the servers where no other undo than the ``own`` one has taken it back. Raises _No for none."""
    undoing = [one for one in _undoing(connection, job) if one.id != own]
    for one in undoing:
        if one.state.value in UNFINISHED and own is None:
            raise _No("undo.running", f"STATUS {one.id}", by=str(one.id))
    left = [name for name in servers if name not in _done(undoing)]
    if not left:
        raise _No("undo.undone", f"STATUS {undoing[-1].id}", by=str(undoing[-1].id))
    return left


def _relied(
    connection: Connection, job: Job, servers: Iterable[str], asker: str | None, own: int | None = None
) -> None:
    """Raise _No for a later job of somebody else that asked for the same, and found it done on a server.

    What has not begun when the ``own`` undo runs has its turn after it, and does it again.
    """
    for later in _jobs(connection, (jobs.c.id > job.id) & (jobs.c.subject == job.order.subject)):
        waits = later.state.value in UNFINISHED and own is None
        asked = set(later.order.servers) if waits else _done([later])
        if later.order.sender in (job.order.sender, asker) or asked.isdisjoint(servers):
            continue
        if not (asked - _done(_undoing(connection, later))).isdisjoint(servers):
            raise _No("undo.relied", f"STATUS {job.id}", by=str(later.id))


def _undoing(connection: Connection, job: Job) -> list[Job]:
    """Return the jobs that took it back, or are about to."""
    return _jobs(connection, jobs.c.undoes == job.id)


def _jobs(connection: Connection, which: ColumnElement[bool]) -> list[Job]:
    """Return the jobs of these that were no previews, oldest first."""
    query = select(jobs.c.id).where(which, jobs.c.check.is_(False)).order_by(jobs.c.id)
    return [rows.one(connection, one) for one in connection.execute(query).scalars().all()]


def _done(those: Iterable[Job]) -> set[str]:
    """Return the servers that are as these jobs asked for."""
    reports = [job.report for job in those if job.report]
    return {
        host.host
        for report in reports
        for host in report.hosts
        if host.outcome == "ok" or (host.outcome == "changed" and not report.check)
    }
