"""Pages made from the program say what the program does."""

import re
from functools import cache

import pytest

from dispatcher.commands import COMMANDS
from dispatcher.commands.parser import parse
from dispatcher.i18n import SOURCE
from dispatcher.inventory import Inventory, InventorySource
from dispatcher.manual.commands import EXAMPLE, MAILS
from dispatcher.manual.pages import PAGES, page
from dispatcher.replies.render import TEMPLATES
from dispatcher.replies.samples import SAMPLES
from dispatcher.settings import PROJECT
from tests.unit.replies.samples import STUDIOS


@cache
def fleet() -> Inventory:
    return InventorySource(EXAMPLE).read()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_program_is(name):
    """Whoever changes a command, a verb or a sentence runs `make docs`; a page nobody edits by hand."""
    assert page(name) == (PROJECT / "docs" / name).read_text(), "run: make docs"


def subjects() -> list[str]:
    """Every subject of COMANDOS.md that can be copied."""
    text = (PROJECT / "docs/COMANDOS.md").read_text()
    return re.findall(r"(?m)^    \[7E57C0DE\] (.+)$", text)


@pytest.mark.parametrize("subject", subjects())
def test_every_subject_can_be_sent_as_it_stands(subject):
    """The real parser takes it, on the example inventory, and means the command above which it stands."""
    request = parse(subject, fleet())
    assert subject.startswith(request.command.keyword)
    assert request.check == subject.endswith("SIMULAR")
    assert "server" not in type(request.command).model_fields or request.command.server in fleet().variables


def test_every_command_is_on_the_page_with_its_example():
    """A command that is added to the table is in the documents."""
    assert set(COMMANDS) <= {subject.partition("=")[0].split()[0] for subject in subjects()}
    assert {kind.example for kind in COMMANDS.values()} <= set(subjects())


def test_every_kind_of_mail_is_described():
    """The table of what comes back has every kind of mail that there is."""
    templates = {file.name.removesuffix(".subject.j2") for file in TEMPLATES.glob("*.subject.j2")}
    assert templates == {SAMPLES[name](STUDIOS[SOURCE]).kind for name in MAILS}


@pytest.mark.parametrize("name", PAGES)
def test_links_between_pages_lead_somewhere(name):
    """Also those to a heading of the same page."""
    text = page(name)
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
                for line in text.splitlines() if line.startswith("#")}  # fmt: skip
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, heading = target.partition("#")
        assert (PROJECT / "docs" / file).exists()
        assert file or heading in headings
