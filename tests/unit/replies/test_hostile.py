"""Every value of every mail is somebody else's words: markup, turned writing, towers, no end."""

import dataclasses
import re
import unicodedata
from collections.abc import Mapping

import pytest
from pydantic import BaseModel

from dispatcher.replies import samples
from dispatcher.replies.render import Renderer
from tests.unit.replies import clients
from tests.unit.replies.chromium import LIGHT, frame, measure
from tests.unit.replies.parsed import Mail
from tests.unit.replies.samples import HOSTILE, STUDIO, page, read

# Words of ours that templates choose by: no value from outside ever gets there.
OURS = {
    "action", "address", "brand", "cause", "chip", "code", "demand", "label", "offer", "outcome", "parts",
    "purpose", "sign", "state", "status", "tone", "why", "zone",
}  # fmt: skip


def poisoned(value, name=""):  # noqa: PLR0911 - one for each kind of value
    """Return the value with HOSTILE at the end of every text in it."""
    if name in OURS or value == "":
        return value
    if type(value) is str:
        return value + HOSTILE
    if isinstance(value, BaseModel):
        fields = {key: poisoned(getattr(value, key), key) for key in type(value).model_fields}
        return value.model_copy(update=fields)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: poisoned(getattr(value, one.name), one.name) for one in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    if isinstance(value, Mapping):
        return {key: poisoned(one, str(key)) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(poisoned(one, name) for one in value)
    return value


@pytest.fixture(scope="module")
def replies():
    """Every sample as its values would make it if each of them were hostile."""
    render = Renderer.render
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Renderer,
            "render",
            lambda self, kind, language, values: render(self, kind, language, poisoned(values)),
        )
        return {name: make(STUDIO) for name, make in samples.SAMPLES.items()}


@pytest.fixture(scope="module")
def mails(replies) -> list[Mail]:
    return [Mail(name, page(reply)) for name, reply in replies.items()]


def test_markup_stays_words(mails):
    """No element and no attribute that the templates do not have; the words are shown as what they are."""
    for mail in mails:
        assert [] == mail.unbalanced, mail.name
        for element in mail.elements:
            assert set(element.attributes) <= clients.ELEMENTS[element.tag] | {"class", "style"}, mail.name
            assert "99px" not in element.attributes.get("style", ""), mail.name
    silent = [mail.name for mail in mails if "<script>alert(1)</script>" not in mail.elements[0].text]
    assert len(silent) < len(mails) / 10  # those that tell nobody's words


def test_a_link_leads_where_ours_lead(mails):
    """A mail to the dispatcher, or the recordings."""
    for mail in mails:
        for link in mail.every("a"):
            assert link.attributes["href"].startswith(
                ("mailto:athome@example.com", "https://s3.example.com/")
            )


def test_nothing_is_turned_around_hidden_or_run(replies):
    """No character controls how others are shown; a terminal that shows the text does nothing else."""
    for name, reply in replies.items():
        mail = read(reply)
        faces = [mail["Subject"], *(mail.get_body((kind,)).get_content() for kind in ("plain", "html"))]
        for face in faces:
            unseen = {one for one in face if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co")}
            assert unseen <= {"\n", "\r"}, name


def test_the_head_is_ours(replies):
    """No line of the subject becomes a header of its own, and none is longer than mail servers take."""
    for name, reply in replies.items():
        head = reply.mime.partition(b"\r\n\r\n")[0].split(b"\r\n")
        names = [line.partition(b":")[0].decode() for line in head if line[:1] not in b" \t"]
        assert len(names) == len(set(names)), name
        assert all(re.fullmatch("[A-Za-z-]+", one) for one in names), name
        assert max(map(len, reply.mime.split(b"\r\n"))) <= 998, name


def test_no_word_is_wider_than_a_telephone(replies, tmp_path):
    """The longest mail of each kind, at 320 px."""
    by_kind = {reply.kind: page(reply) for reply in sorted(replies.values(), key=lambda one: len(one.mime))}
    longest = {kind: html for kind, html in by_kind.items() if len(html) < 1_000_000}
    assert len(longest) > 15
    frames = "".join(frame(kind, html, 320) for kind, html in longest.items())
    found = measure(tmp_path, frames, LIGHT)
    assert [] == [(one["name"], one["needed"]) for one in found if one["needed"] > 320 or one["over"] > 0]
