"""Every mail by the rules of clients.py: what Gmail, Outlook and Apple Mail draw, and what is left of it."""

import re

import pytest

from dispatcher.replies.compose import MAX_HTML
from tests.unit.replies import clients
from tests.unit.replies.chromium import LIGHT, frame, measure
from tests.unit.replies.parsed import Mail
from tests.unit.replies.samples import SAMPLES, read


@pytest.fixture(scope="module")
def mails() -> list[Mail]:
    return [
        Mail(name, read(make()).get_body(("html",)).get_content().replace("\r\n", "\n"))
        for name, make in SAMPLES.items()
    ]


def test_only_elements_that_every_program_draws(mails):
    """And only their attributes that do something."""
    allowed = {tag: names | {"class", "style"} for tag, names in clients.ELEMENTS.items()}
    found = {
        (element.tag, *sorted(set(element.attributes) - allowed.get(element.tag, set())))
        for mail in mails
        for element in mail.elements
        if element.tag not in allowed or set(element.attributes) - allowed[element.tag]
    }
    assert set() == found
    assert [] == [(mail.name, mail.unbalanced) for mail in mails if mail.unbalanced]


def test_only_styles_that_every_program_draws(mails):
    """Or of which it is written down what is lost where one does not."""
    found = {
        (element.tag, name)
        for mail in mails
        for element in mail.elements
        for name in element.style
        if not drawn(element.tag, name)
    }
    assert set() == found


def drawn(tag: str, name: str) -> bool:
    if (tag, name) in clients.UNBOXED:
        return True
    if name in clients.MARGINS:
        return tag not in clients.NO_MARGINS
    if name in clients.BOX:
        return tag not in clients.NO_BOX
    return name in clients.TEXT or name in clients.LOST


def test_no_rule_is_left_over(mails):
    """A rule that no mail needs is taken out: the tables say what our mails are made of."""
    elements = [element for mail in mails for element in mail.elements]
    tags, styles = {one.tag for one in elements}, {(one.tag, name) for one in elements for name in one.style}
    assert set() == set(clients.ELEMENTS) - tags
    assert set() == set(clients.UNBOXED) - styles
    assert set() == (clients.TEXT | clients.MARGINS | clients.BOX | set(clients.LOST)) - {
        name for _, name in styles
    }


def test_values_that_mean_the_same_everywhere(mails):
    """Margins that are not negative; shown, in a line, or not at all; colours in full."""
    for mail in mails:
        for element in mail.elements:
            style = element.style
            assert "-" not in style.get("margin", ""), mail.name
            assert style.get("display", "none") in clients.DISPLAY, mail.name
            for name in ("color", "background-color"):
                assert re.fullmatch("#[0-9a-f]{6}", style.get(name, "#000000")), mail.name


def test_no_colour_without_its_background(mails):
    """White words stand in what is dark by itself, whatever a program makes of light and dark."""
    white = [
        (mail.name, element.tag)
        for mail in mails
        for element in mail.elements
        if element.style.get("color") == "#ffffff"
        and element.tag in ("td", "span", "a")
        and "background-color" not in element.style
    ]
    assert [] == white


def test_nothing_is_fetched_and_nothing_runs(mails):
    """The one picture comes with the mail."""
    for mail in mails:
        markup = re.sub(r"(?<=>)[^<]+(?=<)", "", re.sub(r'(href|aria-label)="[^"]*"', "", mail.html))
        assert [] == [(mail.name, word) for word in clients.FORBIDDEN if word in markup]
        assert {"cid:logo"} == {one.attributes["src"] for one in mail.every("img")}
        assert all(re.match("https://|mailto:", one.attributes["href"]) for one in mail.every("a"))


def test_what_stays_a_style_sheet_is_one_that_gmail_takes(mails):
    """In the head, short, with rules for elements and classes, each of which wins over what is in the tag."""
    for mail in mails:
        (sheet,) = mail.every("style")
        assert mail.html.index("</style>") < mail.html.index("</head>")
        assert len(sheet.text.encode()) < clients.STYLE_BYTES
        queries = re.findall(r"@media ([^{]*) \{", sheet.text)
        assert sorted(clients.QUERIES) == sorted(queries)
        rules = re.findall(r"^\s+([^@{}]+) \{([^}]*)\}", sheet.text, re.MULTILINE)
        assert len(rules) > 15
        for selectors, declarations in rules:
            assert all(re.fullmatch(clients.SELECTOR, one.strip()) for one in selectors.split(",")), selectors
            assert declarations.count(":") == declarations.count("!important"), selectors


def test_outlook_gets_a_width_and_buttons(mails):
    """Word knows no max-width, and no padding around a link."""
    for mail in mails:
        opened, closed = mail.conditions
        assert opened.startswith("[if mso]><table")
        assert 'width="600"' in opened
        assert "[if mso]></td></tr></table><![endif]" == closed
        assert mail.html.count('<a class="button"') == mail.html.count('<td bgcolor="#0f7350"')


def test_every_mail_can_be_heard(mails):
    """Language, headings in order, what a table is for, what a picture says, what a link says."""
    for mail in mails:
        language = "en" if mail.name.endswith("-en") else "pt-BR"
        article = next(one for one in mail.every("div") if one.attributes.get("role") == "article")
        assert language == mail.every("html")[0].attributes["lang"] == article.attributes["lang"]
        assert article.attributes["aria-label"]
        assert "h1" == mail.every("h1", "h2")[0].tag
        assert 1 == len(mail.every("h1"))
        assert all(one.text.strip() for one in mail.every("h1", "h2", "a", "th", "title"))
        assert all({"alt", "width", "height"} <= set(one.attributes) for one in mail.every("img"))
        data = [one for one in mail.every("table") if one.attributes.get("role") != "presentation"]
        assert not data or len(mail.every("th")) >= len(data)
        assert all(one.attributes.get("scope") in ("row", "col") for one in mail.every("th"))


def test_what_a_list_of_mails_shows_is_the_verdict(mails):
    """The first words are what happened, not the sender's name, which stands beside them anyway."""
    for mail in mails:
        first = next(one for one in mail.elements if one.tag == "div" and "role" not in one.attributes)
        verdict = next(one for one in mail.every("p") if one.attributes.get("class") == "verdict")
        assert "display: none" in first.attributes["style"]
        assert first.text.strip().startswith(verdict.text)


def test_no_mail_is_clipped():
    """Gmail hides what comes after 102 KB; the text comes first, for who wants no HTML."""
    for name, make in SAMPLES.items():
        mail = read(make())
        assert len(mail.get_body(("html",)).get_content().encode()) <= MAX_HTML < clients.CLIPPED_BYTES, name
        body = mail if mail.get_content_type() == "multipart/alternative" else next(mail.iter_parts())
        kinds = [part.get_content_type() for part in body.iter_parts()]
        assert ["text/plain", "multipart/related"] == kinds, name


def stripped(html: str) -> str:
    """Return the mail as a program shows it that takes no styles and no pictures."""
    bare = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return re.sub(r"<img[^>]*>", "", re.sub(r' (style|class|bgcolor)="[^"]*"', "", bare))


def test_without_styles_and_pictures_it_is_still_a_mail(mails, tmp_path):
    """It begins with the verdict, and its tables fit a window of 760 px."""
    bare = {mail.name: stripped(mail.html) for mail in mails if "hostile" not in mail.name}
    assert not any("style" in html or "<img" in html for html in bare.values())
    frames = "".join(frame(name, html, 760) for name, html in bare.items())
    found = measure(tmp_path, frames, LIGHT)
    assert len(bare) == len(found)
    assert [] == [one["name"] for one in found if one["needed"] > one["width"]]
