"""A collection in words: what is ready, until when, what is missing, and what to ask for instead."""

import csv
import io
from datetime import datetime, timezone

import pytest
from rich.console import Console

from dispatcher.cli.show import report as show_report
from dispatcher.commands.parser import parse
from dispatcher.replies.recordings import recordings
from dispatcher.replies.result import view
from dispatcher.replies.samples.ramais import COLLECTED, LINK, PERIOD, PLANNED, ramais_job
from dispatcher.runs.report import HostResult, Report
from tests.unit.inventories import FLEET
from tests.unit.replies.samples import HOSTILE, SAMPLES, SETTINGS, page, ramais_result, read


def host(code: str, data: dict, outcome: str = "changed") -> HostResult:
    return HostResult(host="voip3", outcome=outcome, code=f"audio.{code}", data=data)


def text(name_or_reply) -> str:
    reply = SAMPLES[name_or_reply]() if isinstance(name_or_reply, str) else name_or_reply
    return read(reply).get_body(("plain",)).get_content().replace("\r\n", "\n").replace("\u00a0", " ")


def seen(result: HostResult, *, check=False):
    status = "failed" if result.outcome == "failed" else "successful"
    return view(Report(status=status, check=check, hosts=(result,)), ramais_job(check=check).order, "pt_BR")


def test_the_link_is_a_button_and_a_line_to_copy_with_its_end_in_local_time():
    """Who reads plain text gets the whole link on one line; both say until when it is good."""
    html = read(SAMPLES["ramais"]()).get_body(("html",)).get_content()
    assert f'href="{LINK.replace("&", "&amp;")}"' in html
    assert LINK in text("ramais").splitlines()
    assert "O link vale até 26/11/2026 11:05." in text("ramais")  # 14:05 UTC
    assert "The link is valid until 26 Nov 2026 11:05." in text("ramais-en")


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "ftp://example.com/x", "https://", "https://x y", 'https://x"\n', "", HOSTILE],
)
def test_what_is_no_address_of_a_web_server_is_no_link(link):
    """Whatever a result calls its link, a mail offers only what a browser opens as a page."""
    assert "" == seen(host("collected", COLLECTED | {"link": link})).recordings.link


def test_each_extension_has_its_numbers_and_days_also_the_one_without_any():
    """Count, size and duration where it is known; days with something on them; and a hint about the rest."""
    shown = text("ramais")
    assert "1121: 58 gravações · 39,4 MB · 4 h 07 min\n  01/11: 3 · 03/11: 27 · 04/11: 21 · 05/11: 7" in shown
    assert "1122: 23 gravações · 17,9 MB\n  04/11: 23\n" in shown
    assert "1130: nenhuma gravação" in shown
    assert "Nada de 1130: confira se são ramais deste servidor." in shown
    assert "Gravações por ramal" in page(SAMPLES["ramais-preview"]())
    assert LINK not in text("ramais-preview")
    assert "Gravações que não poderiam ser incluídas: 1." in text("ramais-preview")


def test_many_extensions_go_to_a_table():
    """Twenty stand in the mail, and every day of all hundred in what is attached."""
    mail = read(SAMPLES["ramais-many"]())
    assert "Mais 80 ramais: veja a tabela anexa." in text("ramais-many")
    (attached,) = mail.iter_attachments()
    assert "gravacoes.csv" == attached.get_filename()
    rows = list(csv.reader(io.StringIO(attached.get_payload(decode=True).decode("utf-8-sig")), delimiter=";"))
    assert ["Ramal", "Dia", "Gravações"] == rows[0]
    assert ["1100", "01/11/2025", "1"] == rows[1]
    assert 100 * 30 + 1 == len(rows)
    assert not list(read(SAMPLES["ramais"]()).iter_attachments())


def test_an_extension_without_any_has_its_row_in_the_table_too():
    """Nobody has to wonder why it is not there."""
    rows = [{"extension": str(number), "files": 0, "bytes": 0} for number in range(1100, 1121)]
    rows[0] = {"extension": "=1+1", "files": 1, "bytes": 9, "days": [{"day": "2025-11-01", "files": 1}]}
    mail = read(ramais_result("changed", "collected", COLLECTED | {"per_extension": rows}))
    (attached,) = mail.iter_attachments()
    content = attached.get_payload(decode=True).decode("utf-8-sig")
    assert "1101;;0" in content
    assert "'=1+1;" in content  # text, not something to calculate


def test_what_is_missing_is_named_with_its_reason_and_makes_it_partial():
    """Done, but not all of it: the first twenty by name, the rest in the manifest."""
    shown = text("ramais-incomplete")
    assert shown.startswith("Feito em parte — gravações prontas: 81.")
    assert ".0.wav\n  está em armazenamento frio e precisa ser restaurada antes" in shown
    assert "Mais 11 gravações: veja _manifesto.csv, no ZIP." in shown
    assert "partial" == seen(host("collected", COLLECTED | {"missing_count": 1})).tone


@pytest.mark.parametrize(
    ("files", "said"), [(1, "1 gravação ("), (2, "2 gravações ("), (1200, "1.200 gravações (")]
)
def test_one_recording_is_said_as_one(files, said):
    """As people count."""
    assert seen(host("collected", COLLECTED | {"files": files})).servers[0].said.startswith(said)


def test_the_same_archive_again_is_done_too():
    """Nothing had to change, but the sender has what was asked for."""
    known = seen(host("reused", COLLECTED, "ok"))
    assert ("done", "Feito", "pronto") == (known.tone, known.verdict, known.servers[0].label)


@pytest.mark.parametrize(
    ("nearest", "hints"),
    [
        ({"before": "2025-10-31 18:22", "after": None}, ["A última antes do período é de 31/10/2025 18:22."]),
        ({"before": None, "after": "2025-11-06 08:00"},
         ["A primeira depois do período é de 06/11/2025 08:00."]),
        ({"before": None, "after": None},
         ["Também não há nenhuma na semana antes nem na depois: talvez seja outro servidor."]),
    ],
)  # fmt: skip
def test_nothing_found_comes_with_what_is_near(nearest, hints):
    """When the last one was, when the next one is, or that it may be the wrong server."""
    known = seen(host("nothing_found", PERIOD | {"nearest": nearest, "scanned": 12}, "ok"))
    assert hints == list(known.recordings.hints)
    assert ("same", "Nada encontrado", "nada") == (known.tone, known.verdict, known.servers[0].label)
    empty = seen(
        host("nothing_found", PERIOD | {"nearest": nearest, "scanned": 0, "folders_missing": 5}, "ok")
    )
    assert [
        *hints,
        "No período não há gravações de ramal nenhum neste servidor.",
        "Dias do período que não têm pasta de gravações: 5.",
    ] == list(empty.recordings.hints)


@pytest.mark.parametrize(
    ("code", "data", "window"),
    [
        ("too_much",
         {"what": "files", "count": 9000, "limit": 5000, "fits": "2025-11-01 00:00 – 2025-11-03 23:59"},
         "INICIO=01/11/2025 00:00 FIM=03/11/2025 23:59"),
        ("nothing_found", {"nearest": {"before": None, "after": "2025-11-06 08:00"}},
         "INICIO=06/11/2025 00:00 FIM=06/11/2025 23:59"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("check", [False, True])
def test_a_command_that_would_do_is_offered_instead(code, data, window, check):
    """It is a valid one for the same extensions and server, and stays a preview if it was one."""
    known = seen(host(code, PERIOD | data, "ok" if code == "nothing_found" else "failed"), check=check)
    subject = known.recordings.instead.subject
    assert f"RAMAIS=1121,1122,1130 SERVER=voip3 {window}{' SIMULAR' if check else ''}" == subject
    assert subject == parse(subject, FLEET, datetime(2026, 11, 23, tzinfo=timezone.utc)).subject
    assert not known.again


@pytest.mark.parametrize("fits", [None, "", "nonsense", "2025-11-01 00:00", "a – b – c"])
def test_when_nothing_fits_the_command_is_to_be_rewritten(fits):
    """There is no window to offer: what was sent is shown, to be changed."""
    known = seen(host("too_much", PERIOD | {"what": "bytes", "count": 2, "limit": 1, "fits": fits}, "failed"))
    assert (None, True, True) == (known.recordings.instead, known.again, known.rewrite)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (
            {"what": "files", "count": 9000, "limit": 5000},
            "São 9.000 gravações; o limite de um pedido é 5.000.",
        ),
        ({"what": "bytes", "count": 12_400_000_000, "limit": 10_737_418_240}, "As gravações somam 12,4 GB"),
        ({"what": "days", "count": 40, "limit": 31}, "São 40 dias; o limite de um pedido é 31."),
        ({"what": "something new"}, "É mais do que cabe em um pedido."),
    ],
)
def test_too_much_says_of_what(what, said):
    """Recordings, bytes or days, each with its limit in numbers that people read."""
    assert (
        seen(host("too_much", PERIOD | what, "failed"))
        .servers[0]
        .said.replace("\u00a0", " ")
        .startswith(said)
    )


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"per_extension": "none"},
        {"per_extension": [{"extension": 7}]},
        {"expires": "soon"},
        {"size": HOSTILE},
    ],
)
def test_data_that_is_not_as_it_should_be_costs_the_details_not_the_answer(data):
    """The sentence is there all the same."""
    known = seen(host("collected", PLANNED | data))
    assert known.servers[0].said.startswith("81 gravações (57,3")
    assert read(ramais_result("changed", "collected", PLANNED | data))["Subject"]


def test_other_commands_have_no_recordings():
    """Nothing of this is looked for in a ban."""
    other = HostResult(host="gv1p", outcome="ok", code="fail2ban.already_whitelisted")
    assert recordings((other,), ramais_job().order, "pt_BR") is None


def test_at_the_shell_the_same_is_there(capsys):
    """Link, end, extensions, what is missing and what to ask for instead."""
    console = Console(width=300, highlight=False, soft_wrap=True)
    lost = {"missing": [{"name": "out-1.wav", "why": "archived"}], "missing_count": 1}
    collected = host("collected", COLLECTED | lost)
    show_report(console, ramais_job(), Report(status="successful", hosts=(collected,)), SETTINGS.zone)
    nothing = host("nothing_found", PERIOD | {"nearest": {"before": "2025-10-31 18:22"}}, "ok")
    show_report(console, ramais_job(), Report(status="successful", hosts=(nothing,)), SETTINGS.zone)
    out = capsys.readouterr().out.replace("\u00a0", " ")
    assert LINK in out.splitlines()
    for part in (
        "O link vale até 26/11/2026 11:05.", "58 gravações · 39,4 MB", "out-1.wav está em armazenamento frio",
        "A última antes do período é de 31/10/2025 18:22.",
        "athome run 'RAMAIS=1121,1122,1130 SERVER=voip3 INICIO=31/10/2025 00:00 FIM=31/10/2025 23:59'",
    ):  # fmt: skip
        assert part in out
