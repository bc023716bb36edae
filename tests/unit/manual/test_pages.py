"""Pages made from the program say what the program does."""

import re

import pytest

from dispatcher.commands import COMMANDS
from dispatcher.i18n import SOURCE
from dispatcher.manual.commands import MAILS
from dispatcher.manual.pages import PAGES, page
from dispatcher.replies.render import TEMPLATES
from dispatcher.replies.samples import SAMPLES
from dispatcher.settings import PROJECT
from tests.unit.replies.samples import STUDIOS


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_program_is(name):
    """Whoever changes a command, a verb or a sentence runs `make docs`; a page nobody edits by hand."""
    assert page(name) == (PROJECT / "docs" / name).read_text(), "run: make docs"


def subjects() -> list[str]:
    """Every subject of COMANDOS.md that can be copied."""
    text = (PROJECT / "docs/COMANDOS.md").read_text()
    return re.findall(r"(?m)^    \[7E57C0DE\] (.+)$", text)


def test_every_command_is_on_the_page_with_its_example():
    """A command that is added to the table is in the documents."""
    assert set(COMMANDS) <= {subject.partition("=")[0].split()[0] for subject in subjects()}
    assert {kind.example for kind in COMMANDS.values()} <= set(subjects())


def test_every_kind_of_mail_is_described():
    """The table of what comes back has every kind of mail that there is."""
    templates = {file.name.removesuffix(".subject.j2") for file in TEMPLATES.glob("*.subject.j2")}
    assert templates == {SAMPLES[name](STUDIOS[SOURCE]).kind for name in MAILS}
