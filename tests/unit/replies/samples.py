"""The package's samples, ready to be read: in both languages, and a few that only a test wants to see."""

import base64
import email
import email.policy
from collections.abc import Callable
from email.message import EmailMessage
from functools import cache, partial

from dispatcher.i18n import LANGUAGES
from dispatcher.replies import samples
from dispatcher.replies.compose import Reply
from dispatcher.replies.samples import Studio, admission, checkip, macchange, ramais
from dispatcher.replies.samples.studio import host
from dispatcher.runs.report import Diff, Notice, Report
from dispatcher.settings import Branding, Mail, Settings

SETTINGS = Settings(
    mail=Mail(address="athome@example.com", authserv_id="mail.example.com"),
    branding=Branding(footer="Suporte: ramal 2000"),
)
STUDIOS = {language: Studio.of(SETTINGS, language) for language in LANGUAGES}
STUDIO = STUDIOS["pt_BR"]
NOTICES = admission.notices(STUDIO)
ANA = STUDIO.ana
HOSTILE = (
    "<script>alert(1)</script><b style='font-size:99px'>\u202egnp.exe\u2066 "
    + "A" * 300
    + " \u05e9\u05dc\u05d5\u05dd {{ 7 * 7 }} {jails} %(x)s 🏠👩‍👩‍👧‍👦 "
    + "Z"
    + "\u0301" * 200
    + "\x00\x1b[31m\ud800"
)


def _hostile(studio: Studio) -> Reply:
    notice = Notice(code="fail2ban.firewall_other_rule", data={"rule": HOSTILE})
    diff = (Diff(before_header=HOSTILE, after_header=HOSTILE, before=f"x{HOSTILE}", after=f"y{HOSTILE}"),)
    report = Report(
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
    job = checkip.job(language=studio.language, check=True, subject="CHECKIP=" + "2001:db8:" * 60)
    return studio.composer.result(job, report)


def _hostile_collection(studio: Studio) -> Reply:
    rows = [{"extension": HOSTILE, "files": 1, "bytes": 2, "seconds": 3.5, "days": []}]
    lost = [{"name": HOSTILE, "why": HOSTILE}]
    data = ramais.COLLECTED | {"per_extension": rows, "missing": lost, "name": HOSTILE, "sha256": HOSTILE}
    data |= {"link": f"javascript:alert('{HOSTILE}')"}
    return ramais.ramais_result(studio, "changed", "collected", data)


_OURS = {"hostile": _hostile, "ramais-hostile": _hostile_collection}
# Made once: many tests read them all.
SAMPLES: dict[str, Callable[[], Reply]] = {
    name + ("" if language == "pt_BR" else f"-{language}"): cache(partial(make, studio))
    for language, studio in STUDIOS.items()
    for name, make in {**samples.SAMPLES, **_OURS}.items()
}


def result(report: Report, language="pt_BR") -> Reply:
    return checkip.result(STUDIOS[language], report)


def mac_result(made, *, language="pt_BR", **options) -> Reply:
    return macchange.mac_result(STUDIOS[language], made, **options)


def ramais_result(*made, language="pt_BR", **options) -> Reply:
    return ramais.ramais_result(STUDIOS[language], *made, **options)


def rejected(subject: str, language="pt_BR") -> Reply:
    return admission.rejected(STUDIOS[language], subject)


def read(reply: Reply) -> EmailMessage:
    """Return the reply as a mail program reads it."""
    return email.message_from_bytes(reply.mime, policy=email.policy.default)


def page(reply: Reply) -> str:
    """Return the HTML as a mail program shows it: with its picture."""
    mail = read(reply)
    logo = next(part for part in mail.walk() if part.get_content_type() == "image/png")
    data = base64.b64encode(logo.get_content()).decode()
    return mail.get_body(("html",)).get_content().replace("cid:logo", f"data:image/png;base64,{data}")
