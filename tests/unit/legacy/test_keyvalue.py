"""Lines of KEY=value: whatever stands in the file, each line is accounted for."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.legacy.files import decoded
from dispatcher.legacy.keyvalue import Pair, Unreadable, pairs
from dispatcher.legacy.monitor_config import parse

KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
# What an editor leaves on one line; a value that is not quoted has no edges, comments or quotes of its own.
VALUES = st.text(st.characters(exclude_characters="\r\n\0\ufeff\x1a", exclude_categories=["Cs"]), max_size=40)
BREAKS = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.text())
def test_any_text_is_read(text):
    """Nothing raises, line numbers rise, and no line that says something is passed over in silence."""
    found = list(pairs(text))
    lines = re.split(r"\r\n|\r|\n", text)
    saying = [
        number
        for number, line in enumerate(lines, start=1)
        if (bare := line.strip(" \t\0\ufeff\x1a")) and bare[0] not in "#;"
    ]
    assert saying == [one.line for one in found]


@given(st.lists(st.tuples(KEYS, VALUES.filter(lambda text: '"' not in text)), max_size=8), BREAKS)
def test_quoted_values_come_back_as_they_are(written, end):
    """Also with # and = in them, whatever ends the lines, and with a comment after them."""
    text = end.join(f'  {key} = "{value}"  # {key}' for key, value in written)
    assert [(key.upper(), value, value) for key, value in written] == [
        (one.key, one.value, one.whole) for one in pairs(text)
    ]


@given(KEYS, VALUES.map(str.strip).filter(lambda text: not re.search("[\"'#]", text)))
def test_bare_values_come_back_as_they_are(key, value):
    """With an = in them too."""
    (one,) = pairs(f"export {key}={value}\r\n")
    assert (key.upper(), value) == (one.key, one.value)


@pytest.mark.parametrize(
    ("line", "value", "whole"),
    [
        ("A=b # c", "b", "b # c"),
        ("A=b#c", "b#c", "b#c"),
        ("A=#c", "", "#c"),
        ("A=", "", ""),
        ("a = 'b \"c\"' ; d", "'b \"c\"' ; d", "'b \"c\"' ; d"),
        ("A='b' # 'c'", "b", "b"),
        ('A="b', '"b', '"b'),
        ("A=b=c", "b=c", "b=c"),
    ],
)
def test_comments_and_quotes(line, value, whole):
    """A # after a space opens a comment, unless quotes stand around it; a lone quote is a character."""
    assert [Pair(1, "A", value, whole)] == list(pairs(line))


@pytest.mark.parametrize("line", ["A", "=b", "A B=c", "[mail]", "Ação=b", "A: b"])
def test_what_is_no_pair_is_named(line):
    """By its line; not by its content, which may be a secret."""
    assert [Unreadable(2)] == list(pairs(f"# x\n{line}"))


@given(VALUES.filter(lambda text: not re.search(r"^\s|\s$|[\"']", text)))
@example("a #b")
def test_a_password_keeps_its_hash(password):
    """What would be a comment elsewhere is part of a password that is not quoted."""
    assert password.strip(" \t") == parse(f"EMAIL_PASSWORD={password}").value("EMAIL_PASSWORD")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_editors_of_all_kinds(encoding):
    """Marks at the beginning and accents of another encoding change nothing."""
    content = "# Máquina dos áudios\r\nMODE=slave\r\n".encode(encoding)
    assert "slave" == parse(decoded(content)).value("MODE")


@given(st.binary())
def test_any_bytes_are_text(content):
    """Decoding never fails."""
    parse(decoded(content))
