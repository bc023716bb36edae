"""The machines and the target → everything that is to be done, before anything is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dispatcher.legacy import account, advice, fleet, inventory_form, keys, people, settings_form
from dispatcher.legacy.keys import Claim
from dispatcher.legacy.machine import Machine
from dispatcher.legacy.rows import Advice, Row
from dispatcher.legacy.servers_config import OldServer
from dispatcher.legacy.service import Mailbox, mailbox
from dispatcher.legacy.target import Target


@dataclass(frozen=True, slots=True)
class File:
    """A file that is to be written, where there is none."""

    path: Path
    content: str = field(repr=False)
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, and what is said of it."""

    rows: tuple[Row, ...]
    unusable: tuple[str, ...]  # whole files that are not what their names say
    weak: tuple[Advice, ...]
    steps: tuple[Advice, ...]
    files: tuple[File, ...]
    senders: tuple[str, ...]
    tokens: tuple[Claim, ...]

    @property
    def refused(self) -> int:
        """How much of the input cannot be used as it is."""
        return len(self.unusable) + sum(row.fate == "refused" for row in self.rows)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.files or self.senders or self.tokens)


def plan(machines: tuple[Machine, ...], target: Target, sender: str | None) -> Plan:
    """Return the plan. ``sender``: whose the tokens are to be, normalised."""
    listed = list(people.senders(machines, target))
    new = [address for _row, address in listed if address]
    who = frozenset(new) | frozenset(target.listed)
    claims = list(keys.claims(machines, target, sender, who))
    found = list(fleet.servers(machines, target))
    rows = [*account.rows(machines, target), *(row for row, _ in listed)]
    rows += [*(row for row, _ in claims), *(row for row, _ in found)]
    order = [source.name for machine in machines for source in machine.sources]
    service = account.first(machines, "EMAIL_SERVICE")
    box = mailbox(service[1].value) if service else Mailbox()
    servers = tuple(server for _row, server in found if server)
    return Plan(
        rows=tuple(sorted(rows, key=lambda row: (order.index(row.file), _number(row.place)))),
        unusable=tuple(f"{error.problem} {error.way_out}" for m in machines for error in m.unusable),
        weak=tuple(advice.weak(machines, target, box, servers, sender)),
        steps=tuple(advice.steps(machines, target, box, servers)),
        files=tuple(_files(machines, target, box, servers)),
        senders=tuple(new) if target.settings else (),
        tokens=tuple(claim for _row, claim in claims if claim),
    )


def _files(
    machines: tuple[Machine, ...], target: Target, box: Mailbox, servers: tuple[OldServer, ...]
) -> list[File]:
    files = []
    if any(machine.config for machine in machines) and not target.settings_there:
        files.append(File(target.settings_file, settings_form.form(box)))
    password = account.first(machines, "EMAIL_PASSWORD")
    if password and password[1].value and not target.password_there:
        secret = password[1].value + "\n"  # of one account, for reading and for sending
        files += [File(path, secret, 0o600) for path in target.password_files]
    if servers and target.fleet is None:
        folder = target.inventory
        files += [File(folder / name, text) for name, text in inventory_form.files(servers).items()]
    return files


def _number(place: str) -> int:
    return int(place) if place.isdecimal() else 0
