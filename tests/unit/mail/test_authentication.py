"""Authentication-Results that nobody foresaw."""

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.mail.authentication import judge
from dispatcher.mail.message import parse
from tests.unit.mail.mails import on_the_wire, raw_message

OWN = "mail.lab.example"
HONEST = b"mail.lab.example; dmarc=pass (p=reject dis=none) header.from=lab.example"
FAILED = b"mail.lab.example; dmarc=fail (p=reject dis=none) header.from=lab.example"
MESSAGE = parse(raw_message(on_the_wire("admitted-plain.eml")))
PIECES = (
    b"mail.lab.example",
    b";",
    b" ",
    b"(",
    b")",
    b'"',
    b"\\",
    b"dmarc",
    b"=",
    b"pass",
    b"fail",
    b"header.from=lab.example",
    b"none",
    b"1",
    b"smtp.mailfrom=",
    b"policy.x=y",
    b"@outside.example",
    b"\xff",
    b"\t",
    b"/",
    b".",
    b"reason=",
)
JUNK = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join))


def verdict(*values):
    return judge(replace(MESSAGE, fields=tuple((b"authentication-results", value) for value in values)), OWN)


@given(JUNK)
def test_any_value_gets_an_answer(value):
    """Whatever stands in Authentication-Results is judged, never an exception."""
    assert verdict(value) is None or verdict(value)


@given(st.lists(JUNK, max_size=3), st.lists(JUNK, max_size=3))
def test_nothing_outweighs_our_own_failure(above, below):
    """When our server says dmarc=fail, no further field above or below it makes the mail authentic."""
    assert verdict(*above, FAILED, *below) is not None


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
@example(b"x; dmarc=pass header.from=lab.example policy.x=y (")
def test_nothing_in_mail_from_swallows_the_result(local_part):
    """Whatever a stranger gets our server to write into smtp.mailfrom, before its dmarc=fail, is no pass."""
    field = (
        b"mail.lab.example; spf=pass smtp.mailfrom=" + local_part + b"; dmarc=fail header.from=lab.example"
    )
    assert verdict(field) is not None


def test_nested_comments_do_not_exhaust_the_stack():
    """Thousands of nested comments are unreadable results, not a crash."""
    assert (
        verdict(HONEST, b"mail.lab.example; " + b"(" * 4000) == "Authentication-Results that cannot be read"
    )


def test_the_case_of_names_does_not_matter():
    """Domains and result names compare without regard to case."""
    assert verdict(HONEST.upper()) is None
