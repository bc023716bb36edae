"""What is too much for a mail: it stays small, and has all of it in a table for a spreadsheet."""

import csv
import io

import pytest

from dispatcher.replies.compose import MAX_HTML
from dispatcher.replies.samples.ramais import COLLECTED
from dispatcher.replies.samples.studio import host
from dispatcher.runs.report import Diff, HostResult, Report
from tests.unit.replies.samples import ramais_result, read, result


def preview(servers: int, lines: int, width: int = 200) -> Report:
    """Servers that would each change in another way, in two files."""

    def text(word: str, number: int) -> str:
        return "\n".join(f"203.0.113.7 {word} {number}.{line} {'x' * width}" for line in range(lines))

    def changed(number: int) -> HostResult:
        diff = [
            Diff(
                before_header=f"/etc/{file}",
                after_header=f"/etc/{file}",
                before=text("a", number),
                after=text("b", number),
            )
            for file in ("one", "two")
        ]
        return host(f"sip{number:03}", "changed", "fail2ban.unbanned", jails=["sshd"], diff=tuple(diff))

    hosts = tuple(changed(number) for number in range(servers))
    return Report(status="successful", check=True, hosts=hosts, seconds=9.0)


def tables(mail) -> dict[str, list[list[str]]]:
    return {
        part.get_filename(): list(
            csv.reader(io.StringIO(part.get_payload(decode=True).decode("utf-8-sig")), delimiter=";")
        )
        for part in mail.iter_attachments()
    }


def size(mail) -> int:
    return len(mail.get_body(("html",)).get_content().encode())


@pytest.mark.parametrize(("servers", "lines"), [(100, 1), (12, 40), (5, 40)])
def test_a_preview_of_many_differences(servers, lines):
    """Whoever confirms what a preview shows can read all of it: what the mail leaves out is in the table."""
    mail = read(result(preview(servers, lines)))
    assert size(mail) <= MAX_HTML
    changes = tables(mail)["mudancas.csv"]
    assert ["Servidores", "Mudança", "Linha"] == changes[0]
    assert {f"sip{number:03}" for number in range(servers)} == {row[0] for row in changes[1:]}
    assert "Nem tudo coube aqui" in mail.get_body(("plain",)).get_content()
    assert "Nem tudo coube aqui" in mail.get_body(("html",)).get_content()


def test_a_difference_that_fits_needs_no_table():
    """A short preview is whole in the mail."""
    mail = read(result(preview(3, 5, width=20)))
    assert {} == tables(mail)
    assert "Nem tudo" not in mail.get_body(("plain",)).get_content()


def test_a_thousand_recordings_that_are_missing():
    """The mail names some, and where the others are; what was found on each day is in the table."""
    lost = [{"name": f"out-{number}-{'7' * 80}.wav", "why": "missing"} for number in range(1000)]
    days = [{"day": f"2025-11-{day:02}", "files": day} for day in range(1, 31)]
    found = [
        {"extension": f"{1100 + n}", "files": 465, "bytes": 9_000_000, "seconds": 60, "days": days}
        for n in range(100)
    ]
    data = COLLECTED | {"missing": lost, "missing_count": 1000, "per_extension": found}
    mail = read(ramais_result("changed", "collected", data))
    assert size(mail) <= MAX_HTML
    assert 1 + 100 * 30 == len(tables(mail)["gravacoes.csv"])
    assert "_manifesto.csv" in mail.get_body(("plain",)).get_content()
