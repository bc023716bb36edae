"""The mails as mail programs read them."""

import csv
import email
import email.policy
import io
import re
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.commands.parser import parse
from dispatcher.replies.compose import MAX_HTML, Composer
from dispatcher.replies.samples.checkip import UNBANNED, UNREACHABLE, job, same
from dispatcher.replies.samples.macchange import MACCHANGE, TRANSACTION, TRUE_MAC, mac_host, mac_job
from dispatcher.replies.samples.ramais import LINK
from dispatcher.replies.samples.studio import host, message
from dispatcher.replies.sentences import ENTRIES
from dispatcher.replies.threading import ThreadHeader
from dispatcher.runs.report import Diff, HostResult, Notice, Report
from dispatcher.settings import Branding
from tests.unit.inventories import FLEET
from tests.unit.replies.samples import (
    ANA,
    NOTICES,
    SAMPLES,
    SETTINGS,
    mac_result,
    page,
    read,
    rejected,
    result,
)

EVERY = pytest.mark.parametrize("name", sorted(SAMPLES))


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("style", "title"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data):
        if not self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def text(reply) -> str:
    return read(reply).get_body(("plain",)).get_content().replace("\r\n", "\n")


def done(*hosts, status="successful", **options) -> Report:
    return Report(status=status, hosts=hosts, **options)


@EVERY
def test_a_reply_is_a_proper_automatic_answer(name):
    """Threaded, marked as automatic, text first, then HTML with its picture; lines as SMTP allows them."""
    reply = SAMPLES[name]()
    mail = read(reply)
    alarm = mail["In-Reply-To"] is None  # of its own accord
    assert ("auto-generated" if alarm else "auto-replied") == mail["Auto-Submitted"]
    assert "All" == mail["X-Auto-Response-Suppress"]
    assert reply.message_id == mail["Message-ID"]
    assert alarm or mail["References"].split()[-1] == mail["In-Reply-To"]
    assert "ATHome VoIP Monitor <athome@example.com>" == mail["From"]
    assert reply.recipient == ("admin@example.com" if alarm else "ana@example.com") == mail["To"]
    kinds = [part.get_content_type() for part in mail.walk() if not part.is_multipart()]
    assert ["text/plain", "text/html", "image/png"] == kinds[:3]
    assert max(map(len, reply.mime.split(b"\r\n"))) < 998
    assert not any(part.defects for part in mail.walk())


@EVERY
def test_the_html_is_small_whole_and_accessible(name):
    """Under Gmail's limit; a language; every table says whether it is one; nothing comes from elsewhere."""
    html = read(SAMPLES[name]()).get_body(("html",)).get_content()
    page = Page(html)
    assert len(html.encode()) <= MAX_HTML
    assert dict(page.tags)["html"]["lang"] == ("en" if name.endswith("-en") else "pt-BR")
    tables = [attributes for tag, attributes in page.tags if tag == "table"]
    assert all(one.get("role") == "presentation" or one.get("class") == "grid" for one in tables)
    assert all(attributes.get("scope") == "row" for tag, attributes in page.tags if tag == "th")
    assert all("alt" in attributes for tag, attributes in page.tags if tag == "img")
    assert not any(tag in ("script", "link", "iframe", "form", "object") for tag, _attributes in page.tags)
    links = [a.get("href") or a.get("src") for tag, a in page.tags if a.get("href") or a.get("src")]
    ours = ("mailto:athome@example.com?subject=", "cid:logo", *([LINK] if name.startswith("ramais") else ()))
    assert all(link.startswith(ours) for link in links)
    assert "prefers-color-scheme: dark" in html


@pytest.mark.parametrize(
    "name",
    [
        "done", "done-en", "same", "partial", "preview", "crashed", "mac-changed",
        "mac-changed-for-administrator", "mac-preview", "mac-mismatch", "ramais", "ramais-en",
        "ramais-preview", "ramais-incomplete", "ramais-many", "ramais-nothing", "ramais-too-much",
    ],
)  # fmt: skip
def test_text_and_html_say_the_same(name):
    """Whoever reads plain text misses no server, no word and no command."""
    reply = SAMPLES[name]()
    shown = Page(page(reply)).text
    for line in text(reply).partition("\n\n")[2].splitlines():
        for words in re.split(r": |^  \(|\)$", line):
            heading = words.isupper() and words.capitalize() in shown
            place_of_token = "TOKEN)" in words or "your token" in words
            assert heading or place_of_token or " ".join(words.strip(" -").split()) in shown, line


@EVERY
def test_a_command_is_never_shown_as_done_by_a_placeholder(name):
    """No template sign, no Python value and no None is left in what people read."""
    reply = SAMPLES[name]()
    if "hostile" not in name:
        for shown in (text(reply), Page(page(reply)).text, read(reply)["Subject"]):
            assert not re.search(r"\{\{|\}\}|%\(|\bNone\b|Undefined|\[\]", shown)


def test_the_same_cause_gives_the_same_message_id():
    """Composed again after a crash, it is the same mail; of another mail, kind or sender it is another."""
    report = done(UNBANNED)
    first = result(report).message_id
    assert first == result(report).message_id
    other = job()
    composer = Composer(SETTINGS)
    others = {
        first,
        composer.result(replace(other, order=replace(other.order, message_id="<x@y>")), report).message_id,
        composer.result(
            replace(other, order=replace(other.order, sender="z@example.com")), report
        ).message_id,
        NOTICES.invalid_token(ANA, message()).message_id,
        rejected("CHECKIP=x").message_id,
    }
    assert 5 == len(others)


def test_long_threads_keep_their_message_ids():
    """References of a long thread stay whole and readable: one on each line, none of them encoded."""
    ids = [f"<{'a' * 180}{number}=?utf-8?q?x?=@mail.example.com>" for number in range(20)]
    order = replace(job().order, references=" ".join(ids), message_id=ids[0])
    reply = Composer(SETTINGS).result(replace(job(), order=order), done(UNBANNED))
    header = reply.mime.partition(b"\r\n\r\n")[0].decode()
    assert "References: " + "\r\n ".join([*ids, ids[0]]) + "\r\n" in header
    assert f"In-Reply-To: {ids[0]}\r\n" in header


@pytest.mark.parametrize(
    ("report", "subject"),
    [
        (done(UNBANNED, *same("gv2p", "gv3p", "voip1")), "Re: CHECKIP=203.0.113.7 — desbloqueado em gv1p"),
        (done(*same("gv1p", "gv2p")), "Re: CHECKIP=203.0.113.7 — nada a fazer, está liberado"),
        (
            done(UNBANNED, UNREACHABLE, status="partial"),
            "Re: CHECKIP=203.0.113.7 — desbloqueado em gv1p; sem resposta de voip1",
        ),
        (
            done(*same("gv1p"), host("gv2p", "failed", "fail2ban.down"), status="partial"),
            "Re: CHECKIP=203.0.113.7 — falhou em gv2p",
        ),
        (
            done(UNBANNED, check=True),
            "Re: CHECKIP=203.0.113.7 SIMULAR — seria desbloqueado em gv1p",
        ),
        (
            done(*(host(f"server-with-a-name-{n}", "changed", "fail2ban.unbanned") for n in range(4))),
            "Re: CHECKIP=203.0.113.7 — desbloqueado em 4 servidores",
        ),
        (
            done(problem=Notice(code="run.no_hosts"), status="failed"),
            "Re: CHECKIP=203.0.113.7 — não foi possível concluir",
        ),
        (done(host("gv1p", "changed", "other.done")), "Re: CHECKIP=203.0.113.7 — mudou em gv1p"),
    ],
)  # fmt: skip
def test_the_subject_line_tells_the_result(report, subject):
    """In the list of mails, unopened, one reads what happened where."""
    assert subject == read(result(report))["Subject"]


def test_the_whole_story_in_plain_text():
    """What was asked, what happened on each server, what to do next: in this order, in good Portuguese."""
    report = done(UNBANNED, UNREACHABLE, *same("gv2p"), status="partial", seconds=12.34)
    assert (
        "Feito em parte — desbloqueado em gv1p; sem resposta de voip1.\n"
        "Você pediu: CHECKIP=203.0.113.7\n"
        "\n"
        "SERVIDORES\n"
        "\n"
        "voip1: inacessível\n"
        "  Não respondeu por SSH; o comando não foi concluído neste servidor.\n"
        "  (Failed to connect to the host via ssh: connect to host 192.0.2.21 port 22: Connection timed "
        "out)\n"
        "\n"
        "gv1p: mudou\n"
        "  Estava bloqueado em sshd; foi desbloqueado e está na lista permanente.\n"
        "\n"
        "gv2p: já estava\n"
        "  Liberado e na lista permanente; nada a fazer.\n"
        "\n"
        "O QUE FAZER AGORA\n"
        "\n"
        "voip1: Confira se está ligado e na rede. Depois envie o mesmo comando: o que já foi feito não se "
        "repete.\n"
        "\n"
        "Para tentar de novo, envie (com o seu token no lugar de TOKEN):\n"
        "\n"
        "  [TOKEN] CHECKIP=203.0.113.7\n"
        "\n"
        "FOI ENGANO?\n\n"
        "Para desfazer, envie:\n\n"
        "  [TOKEN] DESFAZER 42\n\n"
        "Job 42, pedido em 23/11/2026 11:05, executado em 12,3\u00a0s.\n"
        "-- \n"
        "Resposta automática de ATHome VoIP Monitor. Fuso: Horário de Brasília.\n"
        "Suporte: ramal 2000\n"
    ) == text(result(report))


def test_a_preview_says_so_first_and_shows_the_lines():
    """Nobody mistakes a preview for the deed; servers that would change alike share one difference."""
    shown = text(SAMPLES["preview"]())
    assert shown.startswith("Simulação: nada foi alterado — seria desbloqueado em gv1p.")
    assert 3 == shown.count(": mudaria")
    assert "mudou" not in shown
    assert "\n  +   203.0.113.7\n" in shown
    assert "\ngv2p e gv3p\n" in shown
    assert "\n  - sshd: bloqueado, não liberado\n" in shown
    assert "\n  - sshd: banned, not whitelisted\n" in text(SAMPLES["preview-en"]())
    assert "\n  [TOKEN] CHECKIP=203.0.113.7\n" in shown


UNDO = "DESFAZER 42"


def test_a_mistake_is_taken_back_with_one_mail():
    """The answer to a change has what undoes this very job, to copy and to tap, and it is a valid command."""
    reply = SAMPLES["mac-changed"]()
    assert "Re: MACCHANGE=3010 — MAC trocado em gv2p" == read(reply)["Subject"]
    assert f"FOI ENGANO?\n\nPara desfazer, envie:\n\n  [TOKEN] {UNDO}\n" in text(reply)
    links = [attributes["href"] for tag, attributes in Page(page(reply)).tags if tag == "a"]
    assert [f"mailto:athome@example.com?subject={quote(f'[TOKEN] {UNDO}', safe='')}"] == links
    assert UNDO == parse(UNDO, FLEET).subject
    assert f"FOI ENGANO?\n\nPara desfazer, envie:\n\n  [TOKEN] {UNDO}\n" in text(SAMPLES["done"]())


def test_an_undo_says_how_to_do_it_again():
    """An undo is not undone: whoever sent it by mistake sends the first command once more."""
    again = f"Para fazer de novo o que foi desfeito, envie:\n\n  [TOKEN] {MACCHANGE.subject()}\n"
    assert f"FOI ENGANO?\n\n{again}" in text(SAMPLES["mac-undone"]())
    assert "ENGANO" not in text(SAMPLES["checkip-undo-preview"]())
    assert "não foi bloqueado de novo" in text(SAMPLES["checkip-undone"]())


def test_a_right_subject_that_cannot_be_followed_is_no_mistake():
    """Whoever wrote it well is told why not and what helps instead, and looks for no slip."""
    reply = SAMPLES["undo-relied"]()
    assert "Comando recusado: DESFAZER 41 — nada foi feito" == read(reply)["Subject"]
    assert "EM VEZ DISSO\n\n  [TOKEN] STATUS 41\n" in text(reply)
    for face in (text(reply), page(reply)):
        assert not re.search("erro|corrig|corret", face, re.IGNORECASE)


def test_an_undo_that_is_refused_offers_the_other_way():
    """Another change stands in the same file: the undo would fail again, the opposite does not."""
    refused = text(SAMPLES["mac-undo-changed-since"]())
    reverse = "MACCHANGE=3010 MACATUAL=010203040599 MACFUTURO=010203040506 SERVER=gv2p"
    assert reverse == parse(reverse, FLEET).command.subject() == MACCHANGE.reverse().subject()
    assert f"deixando o que foi editado depois, envie:\n\n  [TOKEN] {reverse}\n" in refused
    assert "DESFAZER 41\n\n" not in refused.partition("O QUE FAZER AGORA")[2]
    assert "ENGANO" not in refused


@pytest.mark.parametrize(
    "reply",
    [
        mac_result(mac_host("changed", "changed"), check=True),
        mac_result(mac_host("ok", "already_changed")),
        mac_result(mac_host("failed", "notify_failed", how="refused", error="no")),
        mac_result(mac_host("changed", "told_again")),
        result(done(UNBANNED.model_copy(update={"undo": None}))),
    ],
    ids=[
        "preview",
        "nothing changed",
        "rolled back",
        "files untouched",
        "not by this very run",
    ],
)
def test_only_what_was_changed_can_be_undone(reply):
    """No way back is offered from what did not happen."""
    assert "ENGANO" not in text(reply)


def test_a_command_that_would_fail_again_is_offered_to_be_rewritten():
    """Sending a wrong MAC once more helps nobody; what was in the way only for now is sent as it was."""
    wrong = text(SAMPLES["mac-mismatch"]())
    introduced = "O comando enviado, para corrigir (com o seu token no lugar de TOKEN):"
    assert f"{introduced}\n\n  [TOKEN] {MACCHANGE.subject()}\n" in wrong
    assert "tentar de novo" not in wrong
    assert "Para tentar de novo" in text(mac_result(mac_host("failed", "locked")))


def test_only_the_administrator_is_told_the_transaction():
    """With Ansible alone it is undone too, which operators do not have."""
    line = f"playbooks/macchange_undo.yml --limit gv2p -e macchange_transaction={TRANSACTION}\n"
    assert line in text(SAMPLES["mac-changed-for-administrator"]())
    assert TRANSACTION not in text(SAMPLES["mac-changed"]()) + page(SAMPLES["mac-changed"]())


DISAGREE = [{"file": "/etc/asterisk/macs.csv", "mac": TRUE_MAC}, {"file": "x", "mac": "010203040506"}]


@pytest.mark.parametrize("language", ["pt_BR", "en"])
@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("code", "data"), [("mismatch", {"present": TRUE_MAC}), ("files_disagree", {"values": DISAGREE})]
)
def test_a_wrong_guess_does_not_tell_the_true_mac(code, data, check, language):
    """It is nowhere in the operator's mail, not even in a difference; the administrator reads it."""
    diff = (Diff(before_header="x", after_header="x", before=TRUE_MAC, after="y"),)
    made = mac_host("failed", code, diff=diff, **data)
    operators = mac_result(made, check=check, language=language)
    administrators = mac_result(made, check=check, language=language, privileged=True)
    for face in (text, page):
        assert not re.search(TRUE_MAC, re.sub("[^0-9a-f]", "", face(operators).lower()))
        assert "00:00:5e:00:53:aa" in face(administrators)


@pytest.mark.parametrize(
    "written",
    [TRUE_MAC, "00:00:5E:00:53:AA", "00-00-5e-00-53-aa", "0000.5e00.53aa", "0000-5E00-53AA"],
)
def test_what_arimonitor_quotes_does_not_tell_the_true_mac_either(written):
    """Its own words are shown, but for a MAC that was not sent; an administrator reads it whole."""
    words = f"3010 has {written}, not 01:02:03:04:05:06"
    failed = Notice(code="mac_binding.reverse_failed", data={"error": words})
    made = mac_host("failed", "notify_failed", failed, how="refused", error=words)
    for face in (text, page):
        assert face(mac_result(made)).count("3010 has (MAC), not 01:02:03:04:05:06") >= 2
        assert written not in face(mac_result(made))
        assert face(mac_result(made, privileged=True)).count(words) >= 2


def test_a_file_named_after_another_telephone_does_not_tell_its_mac():
    """Files of an earlier change may have the name of a MAC that was not sent; a transaction's id is none."""
    file = f"/srv/tftp/SEP{TRUE_MAC.upper()}.cnf.xml"
    healed = Notice(code="mac_binding.recovered", data={"transaction": TRANSACTION, "restored": [file]})
    for made in (
        mac_host("changed", "changed", healed),
        mac_host("failed", "changed_since", healed, files=[file]),
        mac_host("failed", "file_error", healed, file=file, error="denied"),
    ):
        for face in (text, page):
            shown = face(mac_result(made))
            assert TRUE_MAC not in shown.lower()
            assert "SEP(MAC).cnf.xml" in shown
            assert TRANSACTION in shown
        assert file in text(mac_result(made, privileged=True))


def test_the_table_for_a_spreadsheet_does_not_tell_the_true_mac_either():
    """What is too long for the mail goes into a table, and the table is for the same reader."""
    hosts = tuple(
        mac_host("failed", "mismatch", present=TRUE_MAC).model_copy(update={"host": f"gv{number}p"})
        for number in range(60)
    )
    mails = [
        read(Composer(SETTINGS).result(mac_job(), done(*hosts, status="failed"), privileged=privileged))
        for privileged in (False, True)
    ]
    tables = [next(mail.iter_attachments()).get_payload(decode=True).decode() for mail in mails]
    assert "00:00:5e:00:53:aa" not in tables[0]
    assert "00:00:5e:00:53:aa" in tables[1]


def test_an_invented_value_is_never_offered_in_silence():
    """Beside the subject to copy stands which of its values is only an example."""
    shown = text(rejected("MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=x SERVER=gv9p"))
    assert (
        "  [TOKEN] MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=010203040599 SERVER=gv2p\n\n"
        "Atenção: Em MACFUTURO e SERVER estão valores de exemplo: troque-os pelos verdadeiros antes de "
        "enviar."
    ) in shown
    html = Page(page(rejected("MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=x SERVER=gv2p"))).text
    assert "Em MACFUTURO está um valor de exemplo" in html
    assert "Atenção" not in text(rejected("MACCHANGE=3010 MACATUAL=O10203040506 MACFUTURO= SERVER=gvp2"))


@pytest.mark.parametrize(
    "subject", ["CHECKIP=3.3.3", "CHEKIP=3.3.3.3", "", "СHECKIP=3.3.3.3", "X{{ 1 }}", "A B"]
)
@pytest.mark.parametrize("language", ["pt_BR", "en"])
def test_a_rejection_shows_a_subject_that_is_accepted(subject, language):
    """What is shown to be copied is valid, with the token put in."""
    shown = text(rejected(subject, language))
    corrected = re.search(r"^  \[TOKEN\] (.+)$", shown, re.MULTILINE).group(1)
    assert parse(corrected, FLEET)


def test_an_invalid_token_tells_nothing_about_why():
    """A guesser learns nothing from the answer: it does not depend on what was written."""
    mails = [
        read(NOTICES.invalid_token(ANA, message(subject)))
        for subject in ("[········] CHECKIP=3.3.3.3", "X", "")
    ]
    assert {"Erro - Token Inválido"} == {mail["Subject"] for mail in mails}
    assert 1 == len({mail.get_body(("plain",)).get_content() for mail in mails})


def test_hostile_text_is_shown_and_does_nothing():
    """Markup, direction changes, control characters and templates from a server are words in the mail."""
    html = page(SAMPLES["hostile"]())
    shown = Page(html)
    assert not any(tag in ("script", "b") and attributes for tag, attributes in shown.tags)
    assert "<script>alert(1)</script>" in shown.text
    assert "{{ 7 * 7 }}" in shown.text
    for face in (html, text(SAMPLES["hostile"]()), read(SAMPLES["hostile"]())["Subject"]):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\x00-\x08\x1b\ufeff]", face)


ANYTHING = st.text(st.characters(), max_size=60)  # surrogates too, as JSON from a server may have them
DATA = st.dictionaries(
    st.sampled_from(["jails", "error", "msg", "task", "rule"]), ANYTHING | st.lists(ANYTHING)
)
COMPOSER = Composer(SETTINGS)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            HostResult,
            host=ANYTHING,
            outcome=st.sampled_from(["changed", "ok", "failed", "unreachable"]),
            code=st.sampled_from(sorted(ENTRIES)) | ANYTHING,
            data=DATA,
            notices=st.lists(st.builds(Notice, code=ANYTHING, data=DATA), max_size=2).map(tuple),
            diff=st.lists(st.builds(Diff, before=ANYTHING, after=ANYTHING), max_size=2).map(tuple),
        ),
        max_size=4,
    ),
    st.booleans(),
    st.sampled_from(["successful", "partial", "failed", "timeout", "canceled"]),
)
def test_whatever_servers_say_there_is_an_answer(hosts, check, status):
    """Any text in any field makes a mail that can be sent: a result is never lost for its words."""
    report = Report(status=status, check=check, hosts=tuple(hosts))
    mail = read(COMPOSER.result(job(check=check), report))
    assert mail["Subject"].startswith("Re: CHECKIP=203.0.113.7")
    assert "[TOKEN]" in text(COMPOSER.result(job(check=check), report)) or status == "successful"
    assert len(mail.get_body(("html",)).get_content().encode()) <= MAX_HTML


def test_what_does_not_fit_is_in_the_attached_table():
    """400 servers with long errors: the mail stays small, names how many are left out, and has them all."""
    mail = read(SAMPLES["large"]())
    attached = next(part for part in mail.iter_attachments() if part.get_content_type() == "text/csv")
    rows = list(csv.reader(io.StringIO(attached.get_payload(decode=True).decode("utf-8-sig")), delimiter=";"))
    assert 401 == len(rows)
    assert ["Servidor", "Resultado", "O que aconteceu", "Avisos"] == rows[0]
    shown = mail.get_body(("plain",)).get_content()
    left_out = int(re.search(r"Mais (\d+) servidores: veja a tabela anexa", shown).group(1))
    assert 400 == left_out + shown.count(": falhou\r\n")


def test_the_table_calculates_nothing():
    """A spreadsheet that opens it shows a server's words instead of running them as a formula."""
    hosts = (host(f"=cmd|' /C calc'!A{number}", "ok", "fail2ban.not_banned") for number in range(60))
    mail = read(result(done(*hosts)))
    attached = next(part for part in mail.iter_attachments() if part.get_content_type() == "text/csv")
    cells = attached.get_payload(decode=True).decode("utf-8-sig").splitlines()[1:]
    assert all(cell.startswith("'=cmd") for cell in cells)


def test_the_branding_is_the_settings():
    """Name, colour, picture and footer are the operator's; they cannot break the mail's header."""
    branding = Branding(name='Árvore "VoIP", Ltda.', color="#123456", footer="Ramal <9>")
    changed = SETTINGS.model_copy(update={"branding": branding})
    mail = read(Composer(changed).result(job(), done(UNBANNED)))
    html = mail.get_body(("html",)).get_content()
    assert 'Árvore "VoIP", Ltda.' == mail["From"].addresses[0].display_name
    assert "athome@example.com" == mail["From"].addresses[0].addr_spec
    assert "#123456" in html
    assert "Ramal &lt;9&gt;" in html


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" "), max_size=200)
    | st.lists(st.text("abc0123,=/:.-", max_size=60)).map(" ".join),
    st.sampled_from(["—", "-"]),
)
def test_a_subject_arrives_as_it_was_written(words, dash):
    """However long and in whatever script: no space is lost and none is added on the way."""
    subject = " ".join(f"Re: {words} {dash} pronto".split())
    message = EmailMessage(SMTP.clone(header_factory=ThreadHeader.factory()))
    message["Subject"] = subject
    mime = message.as_bytes()
    assert subject == email.message_from_bytes(mime, policy=email.policy.default)["Subject"]
    assert max(map(len, mime.split(b"\r\n"))) <= 998
