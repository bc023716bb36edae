"""What takes a job back: found in its report, unless something speaks against it.

Whatever can be seen from here is asked here, once for mail and shell: whose job it is, what it did, whether
it is undone, and whether somebody relied on it since. What was done on the servers by other hands is theirs
to see: the playbook refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
from dispatcher.runs.report import HostResult


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
            way = _Search(connection, undo.job, asker, inventory).way()
    except _No as no:
        problem = Problem(field=undo.keyword, value=str(undo.job), code=no.code, data=no.data)
        # Whoever asked for a preview is not offered the real thing.
        raise InvalidCommand((problem,), no.instead + (" SIMULAR" if request.check else "")) from None
    return replace(request, command=undo.model_copy(update={"way": way}))


class _No(Exception):  # noqa: N818 - an answer
    def __init__(self, code: str, instead: str, **data: str) -> None:
        super().__init__(code)
        self.code, self.instead, self.data = code, instead, data


@dataclass(frozen=True, slots=True)
class _Search:
    connection: Connection
    number: int
    asker: Sender | None
    inventory: Inventory

    def way(self) -> Way:
        """Return the way back. Raises _No."""
        job = self.job()
        show = f"STATUS {job.id}"
        if job.order.undoes is not None:
            command = job.order.command()
            again = command.way.subject if isinstance(command, Undo) and command.way else show
            raise _No("undo.undo", again, id=str(job.id))
        kind = COMMANDS.get(job.order.keyword)
        if kind is None or not kind.undo_playbook:
            raise _No("undo.none", show, keyword=job.order.keyword)
        if not job.state.terminal:
            raise _No("undo.unfinished", f"CANCELAR {job.id}")
        if job.order.check:
            raise _No("undo.preview", show)
        results = {host.host: host for host in (job.report.hosts if job.report else ()) if host.undo}
        if not results:
            raise _No("undo.nothing", show)
        left = self.left(job, results)
        if not (known := [host for host in left if host.host in kind.candidates(self.inventory)]):
            raise _No("undo.no_server", show, servers=", ".join(host.host for host in left))
        if relying := self.relying(job, {host.host for host in known}):
            raise _No("undo.relied", f"STATUS {job.id}", by=str(relying))
        command = job.order.command()
        return Way(
            keyword=job.order.keyword,
            subject=job.order.subject,
            playbook=kind.undo_playbook,
            servers=tuple(host.host for host in known),
            extravars=command.undo_extravars(known),
        )

    def job(self) -> Job:
        """Return the job. Somebody else's is as unknown as one that there is not."""
        unknown = _No("job.unknown", "STATUS", id=str(self.number))
        try:
            job = rows.one(self.connection, self.number)
        except NotFoundError:
            raise unknown from None
        if self.asker is None or self.asker.privileged or job.order.sender == self.asker.address:
            return job
        raise unknown

    def left(self, job: Job, results: dict[str, HostResult]) -> list[HostResult]:
        """Return the results that no other undo has taken back yet."""
        undoing = self.undoing(job)
        for one in undoing:
            if one.state.value in UNFINISHED:
                raise _No("undo.running", f"STATUS {one.id}", by=str(one.id))
        left = [host for name, host in results.items() if name not in _done(undoing)]
        if not left:
            raise _No("undo.undone", f"STATUS {undoing[-1].id}", by=str(undoing[-1].id))
        return left

    def relying(self, job: Job, servers: set[str]) -> int | None:
        """Return a later job of somebody else that asked for the same, and found it done on these servers."""
        same = (jobs.c.id > job.id) & (jobs.c.subject == job.order.subject)
        concerned = {job.order.sender, self.asker.address if self.asker else None}
        for later in self.jobs(same):
            relied = set(later.order.servers) if later.state.value in UNFINISHED else _done([later])
            if later.order.sender not in concerned and (relied - _done(self.undoing(later))) & servers:
                return later.id
        return None

    def undoing(self, job: Job) -> list[Job]:
        """Return the jobs that took it back, or are about to."""
        return self.jobs(jobs.c.undoes == job.id)

    def jobs(self, which: ColumnElement[bool]) -> list[Job]:
        """Return the jobs of these that were no previews, oldest first."""
        query = select(jobs.c.id).where(which, jobs.c.check.is_(False)).order_by(jobs.c.id)
        return [rows.one(self.connection, one) for one in self.connection.execute(query).scalars().all()]


def _done(those: list[Job]) -> set[str]:
    """Return the servers that are now as these jobs asked for."""
    hosts = [host for job in those if job.report for host in job.report.hosts]
    return {host.host for host in hosts if host.outcome in ("changed", "ok")}
