"""A mail is in its reader's language to the last word, and in the notation that its reader is used to."""

import csv
import html
import io
import re
from collections.abc import Iterator
from datetime import date, datetime, timezone
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from babel.messages.pofile import read_po

from dispatcher.commands import COMMANDS
from dispatcher.i18n import FOLDER
from dispatcher.replies import table
from dispatcher.replies.compose import Reply
from dispatcher.replies.diff import _MEMORY, _WORDS, rows
from dispatcher.replies.measures import day, moment, zone_name
from dispatcher.replies.samples import SAMPLES, Studio
from dispatcher.replies.sentences import counted
from dispatcher.runs.report import Diff
from dispatcher.settings import PROJECT
from tests.unit.replies.samples import SETTINGS, STUDIOS, read

# What people wrote, or a server said, and stands in every language's mail as it is.
DATA = re.compile(
    r"troca do disco( até as 18h)?|\b(não|foi|possível)( não| foi| possível)+|nova\.pessoa@|ramal 2000"
    r"|\u0421HECKIP"
)
# What is written alike in every language: commands, their words, and what a person puts something else for.
NAMES = {"confirmar", "aprovar", "simular", "servidor", "inventario", *map(str.lower, COMMANDS)}
_WORD = re.compile(r"\b[^\W\d_]{2,}\b")
_PLACEHOLDER = re.compile(r"\{.*?\}|%\(\w+\)s")


@cache
def portuguese() -> frozenset[str]:
    """The words that the source's texts have, and no translation."""
    vocabulary: dict[str, set[str]] = {"id": set(), "string": set()}
    with (FOLDER / "en/LC_MESSAGES/athome.po").open("rb") as file:
        for message in read_po(file):
            for side, words in vocabulary.items():
                texts = getattr(message, side)
                for text in texts if isinstance(texts, tuple) else (texts,):
                    words |= set(_words(_PLACEHOLDER.sub("", text)))
    return frozenset(vocabulary["id"] - vocabulary["string"] - NAMES)


def _words(text: str) -> Iterator[str]:
    return (word.lower() for word in _WORD.findall(text))


def shown(reply: Reply) -> str:
    """All that a person reads of a mail, or has read aloud: subject, both bodies, tables and their names."""
    mail = read(reply)
    page = mail.get_body(("html",)).get_content().replace("<wbr>", "")
    page = re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL)
    parts = [mail["Subject"], mail.get_body(("plain",)).get_content()]
    parts += [
        html.unescape(re.sub(r"<[^>]*>", " ", page)),
        *re.findall(r'(?:alt|title|label)="([^"]*)"', page),
    ]
    for attached in mail.iter_attachments():
        parts += [
            attached.get_filename().replace("_", " "),
            attached.get_payload(decode=True).decode("utf-8-sig"),
        ]
    return DATA.sub("", "\n".join(parts))


def foreign(reply: Reply) -> set[str]:
    """Portuguese words, and words with an accent, that a mail has."""
    words = set(_words(shown(reply)))
    return words & portuguese() | {word for word in words if not word.isascii()}


@pytest.mark.parametrize("name", SAMPLES)
def test_an_english_mail_has_no_portuguese_left(name):
    """Not in the sentences' data either, such as a role, nor in an attached table's titles."""
    reply = SAMPLES[name](STUDIOS["en"])
    assert set() == foreign(reply)
    assert "en" == read(reply)["Content-Language"]


@pytest.mark.parametrize("name", SAMPLES)
def test_in_portuguese_the_same_mail_has(name):
    """Else the test above could not fail."""
    reply = SAMPLES[name](STUDIOS["pt_BR"])
    assert len(foreign(reply)) > 5
    assert "pt-BR" == read(reply)["Content-Language"]


def test_a_date_cannot_be_read_in_two_ways():
    """Day before month is what Brazilians write; an English reader might take one for the other."""
    at = datetime(2026, 11, 5, 14, 5, tzinfo=timezone.utc)
    assert ("05/11/2026 14:05", "5 Nov 2026 14:05") == (moment(at, "pt_BR"), moment(at, "en"))
    assert ("05/11", "5 Nov") == (day(date(2026, 11, 5), "pt_BR"), day(date(2026, 11, 5), "en"))


@pytest.mark.parametrize(
    ("count", "portuguese_words", "english_words"),
    [(0, "0 gravação", "0 recordings"), (1, "1 gravação", "1 recording"), (2, "2 gravações", "2 recordings"),
     (1234, "1.234 gravações", "1,234 recordings")],
)  # fmt: skip
def test_a_count_has_the_form_and_the_signs_of_its_language(count, portuguese_words, english_words):
    """Nothing is singular in Portuguese, and plural in English."""
    assert (portuguese_words, english_words) == (counted(count, "pt_BR"), counted(count, "en"))


@pytest.mark.parametrize(
    ("zone", "portuguese_name", "english_name"),
    [
        ("America/Sao_Paulo", "Horário de Brasília", "Brasilia Time"),
        ("America/Manaus", "Horário do Amazonas", "Amazon Time"),
        ("UTC", "UTC", "UTC"),
        ("Etc/GMT+3", "Etc/GMT+3", "Etc/GMT+3"),
    ],
)
def test_a_mail_says_which_clock_it_means(zone, portuguese_name, english_name):
    """Brazil has four zones, and a mail may be read in another one than the servers'."""
    for language, name in (("pt_BR", portuguese_name), ("en", english_name)):
        assert name == zone_name(ZoneInfo(zone), language)
        studio = Studio.of(SETTINGS.model_copy(update={"timezone": zone}), language)
        assert f": {name}." in shown(SAMPLES["help"](studio))


@pytest.mark.parametrize(
    ("language", "separator", "titles", "role"),
    [("pt_BR", ";", ["Endereço", "Papel", "Comandos"], "operador"),
     ("en", ",", ["Address", "Role", "Commands"], "operator")],
)  # fmt: skip
def test_a_table_opens_in_the_readers_spreadsheet(language, separator, titles, role):
    """Excel separates by what is not the decimal sign."""
    content = table.senders([{"address": "bia@example.com", "role": "operador", "commands": None}], language)
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=separator))
    assert [titles, ["bia@example.com", role, ""]] == rows


def test_a_modules_own_lines_in_a_difference_are_in_the_readers_language():
    """In a file's lines nothing is translated; the module's words are those of its source."""
    module = (PROJECT / "roles/fail2ban_access/library/fail2ban_access.py").read_text()
    assert all(f'"{word}"' in module for word in _WORDS)
    assert f'"{_MEMORY}%s"' in module
    assert '"%s: %s, %s\\n"' in module
    states = {"before": "sshd: banned, not whitelisted\n", "after": "sshd: not banned, whitelisted\n"}
    memory = Diff(after_header=f"{_MEMORY}203.0.113.7", **states)
    assert [
        "bloqueios e liberações em memória de 203.0.113.7",
        "sshd: bloqueado, não liberado",
        "sshd: não bloqueado, liberado",
    ] == [line.text for line in rows([memory], "pt_BR", "203.0.113.7")]
    file = Diff(after_header="jail.local", **states)
    assert states["before"].strip() in [line.text for line in rows([file], "pt_BR")]
