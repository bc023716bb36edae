"""Replies as the tests and the screenshots need them; all of it invented.

    python -m tests.unit.replies.samples FOLDER

writes each as an HTML file to look at in a browser, and as the .eml that a mail program opens.
"""

import base64
import email
import email.policy
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from email.message import EmailMessage
from pathlib import Path

from dispatcher.commands import COMMANDS
from dispatcher.commands.context import Context
from dispatcher.commands.local import Desk, LocalCommand
from dispatcher.commands.parser import InvalidCommand, parse
from dispatcher.jobs.job import Job, Order, Owner, State
from dispatcher.jobs.pauses import Pause
from dispatcher.jobs.standing import Queue, Standing
from dispatcher.mail.message import Message
from dispatcher.mail.permissions import Denied, may
from dispatcher.mail.senders import Sender
from dispatcher.mail.whitelist import Change, Whitelist
from dispatcher.replies import confirming, local
from dispatcher.replies.compose import Composer, Reply
from dispatcher.replies.notices import Notices
from dispatcher.runs.report import Diff, HostResult, Notice, Progress, Report, canceled
from dispatcher.settings import Branding, Mail, Settings
from tests.unit.inventories import FLEET

SETTINGS = Settings(
    mail=Mail(address="athome@example.com", authserv_id="mail.example.com"),
    branding=Branding(footer="Suporte: ramal 2000"),
)
JAILS = ["asterisk", "recidive", "sshd"]
ANA = Sender("ana@example.com", "operador", "pt_BR")
ADMIN = Sender("admin@example.com", "administrador", "pt_BR")
NOTICES = Notices(Composer(SETTINGS), SETTINGS, lambda: [ANA, ADMIN])
AT = datetime(2026, 11, 23, 14, 5, tzinfo=timezone.utc)
HOSTILE = (
    "<script>alert(1)</script><b style='font-size:99px'>\u202egnp.exe\u2066 "
    + "A" * 300
    + " \u05e9\u05dc\u05d5\u05dd {{ 7 * 7 }} {jails} %(x)s 🏠👩‍👩‍👧‍👦 "
    + "Z"
    + "\u0301" * 200
    + "\x00\x1b[31m\ud800"
)


def job(*, language="pt_BR", check=False, subject="CHECKIP=203.0.113.7") -> Job:
    return Job(
        id=42, owner=Owner.SERVE, state=State.RUNNING, attempts=1, created_at=AT,
        order=Order(
            keyword="CHECKIP", subject=subject, arguments={"checkip": "203.0.113.7"}, check=check,
            servers=("gv1p", "gv2p", "gv3p", "voip1"), locks=("gv1p", "gv2p", "gv3p", "voip1"),
            language=language, sender="ana@example.com", message_id="<CAF7E-1@mail.example.com>",
            references="<CAF7E-0@mail.example.com>",
        ),
    )  # fmt: skip


MACCHANGE = parse("MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=010203040599 SERVER=gv2p", FLEET).command
FILES = ["/etc/asterisk/users.conf", "/etc/asterisk/macs.csv"]
TRANSACTION = "20261123T140512123456-9f3c"


def mac_job(*, language="pt_BR", check=False) -> Job:
    known = job(language=language, check=check)
    order = replace(
        known.order,
        keyword="MACCHANGE",
        subject=MACCHANGE.subject(),
        arguments=MACCHANGE.model_dump(mode="json"),
        servers=("gv2p",),
    )
    return replace(known, order=order)


def mac_host(outcome: str, code: str, *notices: Notice, **data: object) -> HostResult:
    """What the role says of gv2p; as the role does, it names its transaction when it changed something."""
    macs = {"extension": "3010", "mac_before": "010203040506", "mac_after": "010203040599"}
    if code in ("changed", "added", "removed"):
        macs |= {"files": FILES, "transaction": TRANSACTION}
    made = host("gv2p", outcome, f"mac_binding.{code}", *notices, **macs | data)
    return made.model_copy(update={"undo": {"transaction": TRANSACTION} if "transaction" in macs else None})


GROUP_BIT = Notice(code="mac_binding.group_bit", data={"mac": "010203040599"})
MAC_DIFF = tuple(
    Diff(before_header=path, after_header=path, before=f"{before}\n", after=f"{after}\n")
    for path, before, after in (
        (FILES[0], "[3010] macaddress = 010203040506", "[3010] macaddress = 010203040599"),
        (FILES[1], "3010;010203040506", "3010;010203040599"),
    )
)
TRUE_MAC = "00005e0053aa"


def mac_result(made: HostResult, *, privileged=False, check=False, language="pt_BR") -> Reply:
    status = "failed" if made.outcome == "failed" else "successful"
    report = Report(status=status, check=check, hosts=(made,), seconds=1.6)
    return Composer(SETTINGS).result(mac_job(language=language, check=check), report, privileged=privileged)


RAMAIS = parse("RAMAIS=1121,1122,1130 SERVER=voip3 INICIO=01/11/2025 FIM=05/11/2025", FLEET).command
LINK = (
    "https://s3.example.com/audios/audios_voip3_202511010000_202511052359_7e57c0de7e57c0de7e57c0de7e57c0de.zip"
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=7E57C0DE%2F20261123%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20261123T140512Z&X-Amz-Expires=259200&X-Amz-SignedHeaders=host&X-Amz-Signature="
    + "7e57c0de"
    * 8
)
PERIOD = {"extensions": ["1121", "1122", "1130"], "server": "voip3"} | {
    "start": "2025-11-01 00:00", "end": "2025-11-05 23:59",
}  # fmt: skip
PER_EXTENSION = [
    {"extension": "1121", "files": 58, "bytes": 39_400_000, "seconds": 14_820, "days": [
        {"day": f"2025-11-0{day}", "files": files} for day, files in ((1, 3), (3, 27), (4, 21), (5, 7))
    ]},
    {"extension": "1122", "files": 23, "bytes": 17_900_000, "seconds": None, "days": [
        {"day": "2025-11-04", "files": 23}
    ]},
    {"extension": "1130", "files": 0, "bytes": 0, "seconds": None, "days": []},
]  # fmt: skip
PLANNED = PERIOD | {"files": 81, "bytes": 57_300_000, "per_extension": PER_EXTENSION, "unparsed": 0}
PLANNED |= {"source": "s3", "scanned": 2140, "folders_missing": 0, "missing": [], "missing_count": 0}
COLLECTED = PLANNED | {
    "link": LINK, "expires": 1795701912, "name": "audios_voip3_202511010000_202511052359_7e57c0de.zip",
    "size": 57_312_345, "sha256": "7e57c0de" * 8,
}  # fmt: skip
LOST = [
    {"name": f"out-5511912345678-1121-2025110{number % 5 + 1}-10{number:02}00-17620{number:05}.{number}.wav",
     "why": why}
    for number, why in enumerate(["archived", "missing", "unreadable", "changed", "empty"] * 5)
]  # fmt: skip
QUEUES = Notice(code="audio.queues")


def ramais_job(*, language="pt_BR", check=False) -> Job:
    known = job(language=language, check=check)
    order = replace(
        known.order,
        keyword="RAMAIS",
        subject=RAMAIS.subject(),
        arguments=RAMAIS.model_dump(mode="json"),
        servers=("voip3",),
        locks=("audios:voip3",),
    )
    return replace(known, order=order)


def ramais_result(outcome: str, code: str, data: dict, *notices: Notice, **options: object) -> Reply:
    """What a collection from voip3 is answered."""
    made = HostResult(host="voip3", outcome=outcome, code=f"audio.{code}", data=data, notices=notices)
    status = "failed" if outcome == "failed" else "successful"
    check = bool(options.get("check"))
    report = Report(status=status, check=check, hosts=(made,), seconds=37.2)
    return Composer(SETTINGS).result(ramais_job(**options), report)


def _incomplete() -> Reply:
    missing = Notice(code="audio.missing", data={"count": 31})
    data = COLLECTED | {"missing": LOST, "missing_count": 31}
    return ramais_result("changed", "collected", data, missing, Notice(code="audio.clock", data={"count": 2}))


def _many_extensions() -> Reply:
    days = [{"day": f"2025-11-{day:02}", "files": day} for day in range(1, 31)]
    rows = [
        {"extension": f"{1100 + n}", "files": 465, "bytes": 91_000_000, "seconds": 86_400, "days": days}
        for n in range(100)
    ]
    return ramais_result("ok", "reused", COLLECTED | {"per_extension": rows, "files": 46_500})


def _hostile_collection() -> Reply:
    rows = [{"extension": HOSTILE, "files": 1, "bytes": 2, "seconds": 3.5, "days": []}]
    lost = [{"name": HOSTILE, "why": HOSTILE}]
    data = COLLECTED | {"per_extension": rows, "missing": lost, "name": HOSTILE, "sha256": HOSTILE}
    return ramais_result("changed", "collected", data | {"link": f"javascript:alert('{HOSTILE}')"})


def message(subject="[········] CHECKIP=3.3.3") -> Message:
    return Message(
        sender="ana@example.com", subject=subject, message_id="<CAF7E-2@mail.example.com>",
        date=AT, references="", fields=(),
    )  # fmt: skip


def host(name: str, outcome: str, code: str, *notices: Notice, **data: object) -> HostResult:
    diff = data.pop("diff", ())
    return HostResult(
        host=name, outcome=outcome, code=code, data=data, notices=notices, diff=diff, seconds=1.9
    )


def same(*names: str) -> tuple[HostResult, ...]:
    return tuple(host(name, "ok", "fail2ban.already_whitelisted", jails=[]) for name in names)


UNBANNED = host("gv1p", "changed", "fail2ban.unbanned", jails=["sshd"])
UNREACHABLE = host(
    "voip1", "unreachable", "host.unreachable",
    msg="Failed to connect to the host via ssh: connect to host 192.0.2.21 port 22: Connection timed out",
)  # fmt: skip
WHITELIST = Diff(
    before_header="/etc/fail2ban/jail.d/zz-athome-whitelist.local",
    after_header="/etc/fail2ban/jail.d/zz-athome-whitelist.local",
    before="[DEFAULT]\nathome_whitelist = 198.51.100.23\n",
    after="[DEFAULT]\nathome_whitelist = 198.51.100.23\n  203.0.113.7\n",
)
BANS = Diff(
    before_header="bans and run-time whitelist of 203.0.113.7",
    after_header="bans and run-time whitelist of 203.0.113.7",
    before="banned in: sshd\nwhitelisted in:\n",
    after="banned in:\nwhitelisted in: asterisk, recidive, sshd\n",
)


def rejected(subject: str, language="pt_BR") -> Reply:
    try:
        parse(subject, FLEET)
    except InvalidCommand as error:
        return Composer(SETTINGS).rejected(
            Sender("ana@example.com", "operador", language), message(f"[········] {subject}"), error
        )
    raise AssertionError(f"{subject!r} is valid")


def result(report: Report, **options: object) -> Reply:
    return Composer(SETTINGS).result(job(check=report.check, **options), report)


def _done() -> Report:
    return Report(status="successful", hosts=(UNBANNED, *same("gv2p", "gv3p", "voip1")), seconds=2.1)


def _partial() -> Report:
    notice = Notice(code="fail2ban.subnet_ban", data={"network": "203.0.113.0/24", "jail": "recidive"})
    down = host("gv3p", "failed", "fail2ban.down")
    gv2p = host("gv2p", "changed", "fail2ban.whitelisted", notice, jails=[])
    return Report(status="partial", hosts=(UNBANNED, gv2p, down, UNREACHABLE), seconds=12.34)


def _preview() -> Report:
    first = host("gv1p", "changed", "fail2ban.unbanned", jails=["sshd"], diff=(WHITELIST, BANS))
    others = (
        host(name, "changed", "fail2ban.whitelisted", jails=[], diff=(WHITELIST,))
        for name in ("gv2p", "gv3p")
    )
    return Report(status="successful", check=True, hosts=(first, *others, *same("voip1")), seconds=1.8)


def _hostile() -> Report:
    notice = Notice(code="fail2ban.firewall_other_rule", data={"rule": HOSTILE})
    diff = (Diff(before_header=HOSTILE, after_header=HOSTILE, before=f"x{HOSTILE}", after=f"y{HOSTILE}"),)
    return Report(
        status="partial",
        check=True,
        hosts=(
            host("W" * 60 + HOSTILE, "failed", "fail2ban.error", notice, error=HOSTILE),
            host("gv2p", "changed", "fail2ban.unbanned", jails=[HOSTILE, "{0.__class__}"], diff=diff),
            host("gv3p", "unreachable", "host.unreachable", msg=HOSTILE),
            host("voip1", "failed", "ansible.task_failed", task=HOSTILE, msg=HOSTILE),
            host("voip3", "failed", HOSTILE),
        ),
    )


def _large() -> Report:
    error = "não foi possível " * 30
    notices = (Notice(code="fail2ban.config_broken", data={"error": error}),) * 3
    many = (
        host(f"sip{number:03}", "failed", "fail2ban.error", *notices, error=error) for number in range(400)
    )
    return Report(status="failed", hosts=tuple(many), seconds=250.0)


COMPOSER = Composer(SETTINGS)
BIA = Sender("bia@example.com", "operador", "pt_BR", ("CHECKIP", "AJUDA"))
LISTED = {one.address: one for one in (ADMIN, Sender("ana@example.com", "administrador", "pt_BR"), BIA)}
MANY = LISTED | {
    (address := f"{'p' * 40}{number:03}@{'d' * 50}.example.com"): Sender(address, "operador", "pt_BR")
    for number in range(140)
}


def ordered(subject: str, language="pt_BR") -> Order:
    return Order.of(
        parse(subject, FLEET), FLEET, language=language, sender="ana@example.com",
        message_id="<CAF7E-1@mail.example.com>", references="<CAF7E-0@mail.example.com>",
    )  # fmt: skip


def confirm(subject: str, language="pt_BR") -> Reply:
    order = ordered(subject, language)
    command = order.command()
    foreseen = command.foresee(LISTED, "ana@example.com") if isinstance(command, LocalCommand) else None
    return confirming.confirm(COMPOSER, order, "7XZ2-K4MP-9QRT", AT.timestamp() + 900, foreseen)


class _Listed(Whitelist):
    """The list as it is given; nothing is written."""

    def __init__(self, listed: Mapping[str, Sender]) -> None:
        super().__init__(None, "ana@example.com")
        self._listed = listed

    def listed(self) -> Mapping[str, Sender]:
        return self._listed

    def apply(self, change: Change) -> None:
        self.changes[1] = change


def _permitted(sender: Sender) -> dict:
    return {word: kind for word, kind in COMMANDS.items() if may(sender, kind)}


def _instead(sender: Sender) -> dict:
    return {kind: kind.example for kind in _permitted(sender).values() if kind.role}


class Line(Queue):
    """Jobs as they are given; nothing is read or written."""

    def __init__(self, found: Sequence[Standing], *, everybody=False, paused: Sequence[Pause] = ()) -> None:
        self.everybody = everybody
        self._found, self._paused = found, paused

    def unfinished(self, most: int) -> tuple[list[Standing], int]:
        waiting = [one for one in self._found if not one.job.state.terminal]
        return waiting[:most], len(waiting[most:])

    def ended(self, most: int, without: Collection[str]) -> list[Standing]:  # noqa: ARG002 - none of these
        return [one for one in self._found if one.job.state.terminal][:most]

    def one(self, job_id: int) -> Standing | None:
        return next((one for one in self._found if one.job.id == job_id), None)

    def paused(self) -> list[Pause]:
        return list(self._paused)

    def cancel(self, job_id: int) -> Job:
        return replace(self.one(job_id).job, canceled_by="ana@example.com")

    def itself(self, job_id: int) -> bool:
        return job_id == 42


def standing(
    job_id: int, state: State, *waits: Notice, ahead=0, sender="ana@example.com", **more
) -> Standing:
    one = job()
    moments = {"started_at": AT} if state not in (State.QUEUED, State.AWAITING_CONFIRMATION) else {}
    moments |= {"finished_at": AT} if state.terminal else {}
    known = replace(one, id=job_id, state=state, order=replace(one.order, sender=sender), **moments, **more)
    return Standing(job=known, ahead=ahead, waits=waits)


def in_line() -> list[Standing]:
    behind = {"servers": ["gv1p", "gv2p"], "jobs": [38, 39], "ahead": 2}
    paused = {"server": "gv1p", "reason": "troca do disco até as 18h"}
    return [
        standing(38, State.RUNNING),
        standing(39, State.RUNNING, canceled_by="ana@example.com"),
        standing(
            40, State.QUEUED, Notice(code="queue.paused_because", data=paused),
            Notice(code="queue.behind", data=behind), ahead=2, sender=f"{'bia' * 20}@example.com",
        ),
        standing(41, State.AWAITING_CONFIRMATION, Notice(code="queue.confirmation")),
        standing(37, State.PARTIAL, report=_partial()),
        standing(36, State.CANCELED),
    ]  # fmt: skip


def status(subject="STATUS", language="pt_BR", **options) -> Reply:
    return carried_out(subject, language, queue=Line(in_line(), **options))


def carried_out(
    subject: str, language="pt_BR", listed: Mapping[str, Sender] = LISTED, queue: Queue | None = None
) -> Reply:
    order = ordered(subject, language)
    asker = listed["ana@example.com"]
    desk = Desk(
        whitelist=_Listed(listed), asker=asker, commands=_permitted(asker),
        context=Context((), FLEET, AT, COMMANDS), permissions=SETTINGS.permissions, language=language,
        queue=queue or Line(()),
    )  # fmt: skip
    outcome = order.command().carry_out(desk, check=order.check)
    status = "failed" if outcome.outcome == "failed" else "successful"
    report = Report(status=status, check=order.check, hosts=(outcome,))
    return local.answer(COMPOSER, replace(job(), order=order), report)


def news(change: Change, *, welcome=False) -> Reply:
    whitelist = _Listed(LISTED)
    whitelist.apply(change)
    return local.news(COMPOSER, whitelist, LISTED, welcome=welcome)[0]


SAMPLES: dict[str, Callable[[], Reply]] = {
    "done": lambda: result(_done()),
    "done-en": lambda: result(_done(), language="en"),
    "same": lambda: result(
        Report(status="successful", hosts=same("gv1p", "gv2p", "gv3p", "voip1"), seconds=1.4)
    ),
    "partial": lambda: result(_partial()),
    "preview": lambda: result(_preview()),
    "crashed": lambda: result(
        Report(status="failed", problem=Notice(code="run.crashed", data={"attempts": 5}))
    ),
    "mac-changed": lambda: mac_result(mac_host("changed", "changed", GROUP_BIT)),
    "mac-changed-for-administrator": lambda: mac_result(mac_host("changed", "changed"), privileged=True),
    "mac-preview": lambda: mac_result(mac_host("changed", "changed", GROUP_BIT, diff=MAC_DIFF), check=True),
    "mac-mismatch": lambda: mac_result(mac_host("failed", "mismatch", present=TRUE_MAC)),
    "mac-mismatch-for-administrator": lambda: mac_result(
        mac_host("failed", "mismatch", present=TRUE_MAC), privileged=True
    ),
    "mac-rejected": lambda: rejected("MACCHANGE=3010,3011 MACATUAL=O10203040506 MACFUTURO=0102 SERVER=gvp2"),
    "ramais": lambda: ramais_result("changed", "collected", COLLECTED),
    "ramais-en": lambda: ramais_result("changed", "collected", COLLECTED, QUEUES, language="en"),
    "ramais-preview": lambda: ramais_result(
        "changed",
        "would_collect",
        PLANNED | {"missing": LOST[:1], "missing_count": 1},
        Notice(code="audio.missing", data={"count": 1}),
        QUEUES,
        check=True,
    ),
    "ramais-incomplete": _incomplete,
    "ramais-many": _many_extensions,
    "ramais-nothing": lambda: ramais_result(
        "ok",
        "nothing_found",
        PERIOD
        | {"scanned": 2140, "nearest": {"before": "2025-10-31 18:22", "after": None}, "folders_missing": 1},
        QUEUES,
    ),
    "ramais-too-much": lambda: ramais_result(
        "failed",
        "too_much",
        PERIOD
        | {
            "what": "bytes",
            "count": 12_400_000_000,
            "limit": 10_737_418_240,
            "fits": "2025-11-01 00:00 – 2025-11-04 11:29",
        },
    ),
    "ramais-hostile": _hostile_collection,
    "ramais-rejected": lambda: rejected("RAMAIS=1121,1122,1121 INICIO=31/11/2025 FIM=05/12/2025 24:00"),
    "collecting": lambda: Composer(SETTINGS).collecting(
        ramais_job(), Progress(files=12, of=812, bytes=6_100_000, of_bytes=410_000_000)
    ),
    "rejected": lambda: rejected("CHECKIP=003.3.3.3 SERVIDOR=gv1p"),
    "rejected-homograph": lambda: rejected("СHECKIP=3.3.3.3"),
    "invalid-token": lambda: NOTICES.invalid_token(ANA, message()),
    "expired-token": lambda: NOTICES.invalid_token(ANA, message(), "expired"),
    "used-code": lambda: NOTICES.invalid_token(ANA, message(), "used"),
    "locked": lambda: NOTICES.locked(ANA, message(), 10, AT),
    "rate": lambda: NOTICES.rate(ANA, message()),
    "lockout": lambda: NOTICES.lockout(ADMIN, f"{'ana' * 20}@example.com", 10, AT, cause="x"),
    "guessing": lambda: NOTICES.guessing(ADMIN, 7, cause="x"),
    "confirm": lambda: confirm(MACCHANGE.subject()),
    "confirm-en": lambda: confirm(MACCHANGE.subject(), "en"),
    "confirm-whitelist": lambda: confirm(f"WHITELIST ADD {'bia' * 20}@example.com ADMIN"),
    "unconfirmed": lambda: confirming.unconfirmed(COMPOSER, mac_job()),
    "spent": lambda: confirming.spent(COMPOSER, ANA, message(), "used"),
    "too-late": lambda: confirming.spent(COMPOSER, ANA, message(), "expired"),
    "not-permitted": lambda: confirming.not_permitted(
        COMPOSER, ANA, message(), Denied(COMMANDS["WHITELIST"], "role"), _instead(ANA)
    ),
    "not-permitted-by-list": lambda: confirming.not_permitted(
        COMPOSER, ANA, message(), Denied(COMMANDS["MACCHANGE"], "commands"), {}
    ),
    "unproved": lambda: confirming.unproved(COMPOSER, ordered(MACCHANGE.subject())),
    "whitelist": lambda: carried_out("WHITELIST LIST"),
    "whitelist-en": lambda: carried_out("WHITELIST LIST", "en"),
    "whitelist-many": lambda: carried_out("WHITELIST LIST", listed=MANY),
    "whitelist-added": lambda: carried_out("WHITELIST ADD carla@example.com"),
    "whitelist-preview": lambda: carried_out("WHITELIST REMOVE bia@example.com SIMULAR"),
    "whitelist-refused": lambda: carried_out("WHITELIST REMOVE ana@example.com"),
    "whitelist-told": lambda: news(Change("add", Sender("carla@example.com", "operador", "pt_BR"))),
    "whitelist-told-removed": lambda: news(Change("remove", BIA)),
    "welcome": lambda: news(Change("add", ADMIN), welcome=True),
    "help": lambda: carried_out("AJUDA"),
    "help-en": lambda: carried_out("AJUDA", "en"),
    "help-macchange": lambda: carried_out("AJUDA MACCHANGE"),
    "help-whitelist": lambda: carried_out("AJUDA WHITELIST"),
    "status": lambda: status(everybody=True, paused=(Pause("gv1p", AT, "shell:ana", "troca do disco"),)),
    "status-en": lambda: status(language="en"),
    "status-nothing": lambda: carried_out("STATUS"),
    "status-one": lambda: status("STATUS 37"),
    "status-unknown": lambda: status("STATUS 99"),
    "cancel-stopping": lambda: status("CANCELAR 38"),
    "cancel-preview": lambda: status("CANCELAR 40 SIMULAR"),
    "cancel-ended": lambda: status("CANCELAR 37"),
    "canceled": lambda: result(canceled("bia@example.com", "ana@example.com", check=False)),
    "hostile": lambda: result(_hostile(), subject="CHECKIP=" + "2001:db8:" * 60),
    "large": lambda: result(_large()),
}


def read(reply: Reply) -> EmailMessage:
    """Return the reply as a mail program reads it."""
    return email.message_from_bytes(reply.mime, policy=email.policy.default)


def page(reply: Reply) -> str:
    """Return the HTML as a mail program shows it: with its picture."""
    mail = read(reply)
    logo = next(part for part in mail.walk() if part.get_content_type() == "image/png")
    data = base64.b64encode(logo.get_content()).decode()
    return mail.get_body(("html",)).get_content().replace("cid:logo", f"data:image/png;base64,{data}")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in SAMPLES.items():
        reply = make()
        (folder / f"{name}.eml").write_bytes(reply.mime)
        (folder / f"{name}.html").write_text(page(reply), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
