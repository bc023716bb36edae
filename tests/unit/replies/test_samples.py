"""The samples: every mail that there is, in both languages."""

import pytest

from dispatcher.i18n import LANGUAGES
from dispatcher.replies.render import TEMPLATES
from dispatcher.replies.samples import SAMPLES
from tests.unit.replies.samples import STUDIOS


@pytest.fixture(scope="module", params=LANGUAGES)
def kinds(request) -> set[str]:
    """The kinds of mail that the samples show in one language."""
    return {make(STUDIOS[request.param]).kind for make in SAMPLES.values()}


def test_every_kind_of_mail_has_a_sample(kinds):
    """Whoever adds templates adds a sample: a designer sees it, and every test of all mails reads it."""
    templates = {file.name.removesuffix(".subject.j2") for file in TEMPLATES.glob("*.subject.j2")}
    assert len(templates) > 15
    assert set() == templates - kinds
