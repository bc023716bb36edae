"""What the documents name is there: verbs and options, settings, subjects, files, headings, metrics."""

import re
import shlex
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
import yaml

from dispatcher.cli import athome
from dispatcher.commands.parser import parse
from dispatcher.inventory import InventorySource
from dispatcher.manual.commands import EXAMPLE
from dispatcher.settings import PROJECT, Section, Settings, load
from tests.markdown import DOCUMENTS, Block, blocks

PAGES = sorted(
    str(path.relative_to(PROJECT))
    for pattern in (
        "*.md",
        "docs/*.md",
        "lab/*.md",
        "benchmarks/*.md",
        "roles/*/README.md",
        ".claudedoc/**/*.md",
    )
    for path in PROJECT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
# What was so on a day, whatever has become of it; and what a reader is about to make.
MADE = (".claudedoc/SESSOES/", "CONTRIBUTING.md")
FOLDERS = "dispatcher|playbooks|roles|inventory|templates|locale|lab|tests|docs|requirements|benchmarks"


def text_of(page: str) -> str:
    return (PROJECT / page).read_text()


def code_spans(page: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", re.sub(r"(?s)```.*?```", "", text_of(page)))


@pytest.mark.parametrize("page", PAGES)
def test_a_link_leads_somewhere(page):
    """To a file of the project, and where it names one, to a heading of it."""
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text_of(page)):
        file, _, heading = target.partition("#")
        path = (PROJECT / page).parent / file if file else PROJECT / page
        assert path.exists(), target
        assert not heading or heading in headings(path), target


def headings(path: Path) -> set[str]:
    lines = [line.lstrip("# ").lower() for line in path.read_text().splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w -]", "", line).strip().replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith(MADE)])
def test_a_file_that_is_named_is_there(page):
    """A path in the text is one of the checkout, or of the page's own folder."""
    for span in code_spans(page):
        named = re.fullmatch(rf"(?:(?:{FOLDERS}|ARQUITETURA|SESSOES)/)[\w./-]+", span)
        if named:
            path = span.rstrip("/")
            assert any((base / path).exists() for base in (PROJECT, (PROJECT / page).parent)), span


@pytest.mark.parametrize("page", [*DOCUMENTS, "CONTRIBUTING.md"])
def test_a_verb_that_is_named_is_one(page):
    """With the options that stand behind it; what is run as a block is left to tests/acceptance."""
    for span in code_spans(page):
        if re.match(r"(sudo )?athome (?![…A-Z])", span):
            words = shlex.split(span.removeprefix("sudo "), comments=True)[1:]
            resolve(athome, words, span)


def resolve(command: click.Command, words: list[str], span: str) -> None:
    """Follow the words as far as they are verbs, and look for their options there."""
    while words and isinstance(command, click.Group):
        if words[0].startswith("-"):
            words = words[2:] if words[0] == "--settings" else words[1:]
            continue
        command, words = command.commands.get(words[0]), words[1:]
        assert command, f"no such verb: {span}"
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {
        "--help",
        "-h",
    }
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= known, f"no such option: {span}"


@pytest.mark.parametrize("page", DOCUMENTS)
def test_a_setting_that_is_named_is_one(page):
    """`permissions.confirm_within` and its like."""
    for span in code_spans(page):
        section, dot, key = span.partition(":")[0].partition(".")
        field = Settings.model_fields.get(section)
        if dot and field and re.fullmatch("[a-z_]+", key) and key not in ("css", "json", "py", "yml"):
            kinds = [kind for kind in Section.__subclasses__() if kind.__name__ in str(field.annotation)]
            assert any(key in kind.model_fields for kind in kinds), span


@cache
def fleet():
    return InventorySource(EXAMPLE).read()


SUBJECT = re.compile(r"^\[(?:TOKEN|7E57C0DE)\] (.+?)(?:\s{2,}.*)?$")


def subjects() -> list[tuple[Block, str]]:
    return [
        (block, found[1])
        for page in DOCUMENTS
        for block in blocks(PROJECT / page)
        for line in block.text.splitlines()
        if (found := SUBJECT.match(line))
    ]


@pytest.mark.parametrize(("block", "subject"), subjects(), ids=str)
def test_a_subject_can_be_sent(block, subject):
    """What stands behind a token in any page is a valid command on the example inventory."""
    parse(subject, fleet())


def yaml_blocks() -> list[Block]:
    return [block for page in DOCUMENTS for block in blocks(PROJECT / page) if block.language == "yaml"]


@pytest.mark.parametrize("block", yaml_blocks(), ids=str)
def test_a_fragment_of_settings_is_valid(block, tmp_path):
    """Put into the example settings, it loads, also as the role takes it; variables are those of a role."""
    found = yaml.safe_load(block.text)
    if not isinstance(found, dict):
        return
    if variables := {name for name in found if name.startswith("dispatcher_")}:
        specs = yaml.safe_load(text_of("roles/dispatcher/meta/argument_specs.yml"))["argument_specs"]["main"]
        assert set() == variables - set(specs["options"])
        found = found.get("dispatcher_settings", {})
    if not find_spec("ara"):  # refused where it is not installed: tests/integration/runs/test_ara.py
        found.get("runs", {}).pop("ara", None)
    if set(found) <= set(Settings.model_fields):
        settings = yaml.safe_load(text_of("docs/settings.example.yml"))
        for section, keys in found.items():
            settings[section] = {**settings[section], **keys} if isinstance(keys, dict) else keys
        (tmp_path / "settings.yml").write_text(yaml.safe_dump(settings))
        load(tmp_path / "settings.yml")


def test_a_metric_that_is_named_is_one():
    """In the table and in the alarms to begin with."""
    source = text_of("dispatcher/health/metrics.py")
    named = set(re.findall(r"\bathome_[a-z_]+\b", text_of("docs/OPERACAO.md")))
    assert 10 < len(named)
    assert set() == {name for name in named if name.removesuffix("_total") not in source}
