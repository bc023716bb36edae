"""Every mail, looked at by axe-core in a real browser."""

import pytest

from tests.unit.replies.axe import audit
from tests.unit.replies.chromium import DARK, LIGHT
from tests.unit.replies.samples import SAMPLES, page

LONG = 60_000
COLOURS = ("color-contrast", "link-in-text-block")
FAULTS = {
    "image-alt": "<img src='data:,'>",
    "link-name": "<a href='https://example.com'></a>",
    "color-contrast": """<style>@media (prefers-color-scheme: dark) { p { color: #222 } }</style>
        <p style='background: #000'>escuro</p>""",
}


@pytest.fixture(scope="module")
def pages() -> dict[str, dict[str, str]]:
    """The samples of each language; of the longest, the others have every element."""
    every = {name: html for name, make in SAMPLES.items() if len(html := page(make())) < LONG}
    english = {name: html for name, html in every.items() if name.endswith("-en")}
    return {"pt_BR": {name: html for name, html in every.items() if name not in english}, "en": english}


def violations(audited) -> list[tuple]:
    return [(one["name"], *violation) for one in audited for violation in one["violations"]]


def test_nothing_keeps_anybody_out(tmp_path, pages):
    """By all of axe's rules, best practices included."""
    found = audit(tmp_path, pages["pt_BR"], LIGHT)
    assert len(pages["pt_BR"]) == len(found)
    assert min(one["passed"] for one in found) > 10
    assert [] == violations(found)


@pytest.mark.long  # the same structure with other words
def test_nothing_keeps_anybody_out_in_english(tmp_path, pages):
    """The words are others, the colours are not: they are what takes long."""
    found = audit(tmp_path, pages["en"], LIGHT, without=COLOURS)
    assert len(pages["en"]) == len(found) > 50
    assert [] == violations(found)


def test_what_is_dark_can_be_read(tmp_path, pages):
    """What depends on the colours, on a device that is set to dark."""
    found = audit(tmp_path, pages["pt_BR"], DARK, only=COLOURS)
    assert len(pages["pt_BR"]) == len(found)
    assert all(one["passed"] for one in found)
    assert [] == violations(found)


def test_the_audit_finds_what_is_wrong(tmp_path):
    """It is one that can fail, and it sees what is dark as such."""
    start = "<html lang=pt-BR><title>x</title><body><h1>x</h1>"
    found = audit(tmp_path, {rule: start + fault for rule, fault in FAULTS.items()}, DARK)
    assert {(rule, rule) for rule in FAULTS} == {(name, rule) for name, rule, _ in violations(found)}
