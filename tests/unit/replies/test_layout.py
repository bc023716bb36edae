"""The mails in a real browser, at the widths of phones and of a desk, in light and dark."""

import re

import pytest

from tests.unit.replies.chromium import DARK, LIGHT, frame, measure
from tests.unit.replies.samples import SAMPLES, page

WIDTHS = {"pt_BR": (320, 760), "en": (320,)}  # English has other words, and no other layout


@pytest.fixture(scope="module", params=[LIGHT, DARK], ids=["light", "dark"])
def scheme(request) -> int:
    return request.param


@pytest.fixture(scope="module")
def measured(scheme, tmp_path_factory) -> list[dict]:
    """Every sample at its language's widths."""
    frames = [
        frame(f"{name} at {width}", source, width)
        for name, source in ((name, page(make())) for name, make in SAMPLES.items())
        for width in WIDTHS["en" if name.endswith("-en") else "pt_BR"]
    ]
    return measure(tmp_path_factory.mktemp("chromium"), "".join(frames), scheme)


def luminance(colour: str) -> float:
    """Relative luminance of rgb(…), as WCAG 2.1 defines it."""
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_nothing_is_wider_than_the_screen(measured):
    """At 320 and 760 px no mail scrolls sideways and no text leaves its place, hostile text included."""
    assert len(SAMPLES) * sum(map(len, WIDTHS.values())) / 2 == len(measured)
    assert [] == [one["name"] for one in measured if one["needed"] > one["width"] or one["over"] > 0]


def test_every_text_can_be_read(measured):
    """Contrast of at least 4.5 to 1 (WCAG AA) between each text and what is behind it."""
    pairs = {(one["name"], *text) for one in measured for text in one["colours"]}
    assert len(pairs) > 100
    assert [] == sorted(pair for pair in pairs if contrast(*pair[2:]) < 4.5)


def test_dark_is_dark(measured, scheme):
    """The mail follows what the reader's device asks for."""
    behind = [text[2] for one in measured for text in one["colours"] if text[0].startswith("Resposta autom")]
    assert behind
    assert all((luminance(colour) < 0.05) == (scheme == DARK) for colour in behind)


def test_the_measure_finds_what_is_too_wide(tmp_path):
    """The measure above is one that can fail."""
    found = measure(tmp_path, frame("wide", "<body style='background: white'><p>" + "A" * 300, 320), LIGHT)[0]
    assert found["needed"] > 320
    assert found["over"] > 0
