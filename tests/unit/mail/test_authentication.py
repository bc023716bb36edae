"""Authentication-Results that nobody foresaw."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.mail.authentication import judge
from dispatcher.mail.message import parse
from dispatcher.settings import Mail
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


GMAIL = """mx.google.com;
       dkim=pass header.i=@lab.example header.s=20230601 header.b={signature};
       {arc}spf={spf};
       dmarc={dmarc}{last}"""
DESIGNATED = (
    "pass (google.com: domain of {0} designates 2001:db8:77::1 as permitted sender) smtp.mailfrom={0}"
)


def gmail(
    signature="XkL4SKhL",
    arc="",
    spf=None,
    dmarc="pass (p=NONE sp=QUARANTINE dis=NONE) header.from=lab.example",
    last="",
):
    spf = spf or DESIGNATED.format("operador@lab.example")
    field = GMAIL.format(signature=signature, arc=arc, spf=spf, dmarc=dmarc, last=last)
    return field.replace("\n", "").encode()  # as the parser of the header has unfolded it


def gmails_verdict(*values, name=b"authentication-results"):
    settings = Mail(address="athome@lab.example", provider="gmail")
    fields = tuple((name, value) for value in values)
    return judge(replace(MESSAGE, fields=fields), settings.results_of)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"signature": '"rV/ImNkG"'},
        {"arc": "arc=pass (i=1 spf=pass spfdomain=lab.example dmarc=pass fromdomain=lab.example);\n"},
        {"last": ";\n       dara=pass header.i=@lab.example"},
        {"spf": "none (google.com: postmaster@a.lab.example does not designate permitted sender hosts)"
                " smtp.helo=a.lab.example"},
        {"spf": "softfail (google.com: domain of transitioning a@lab.example does not designate 192.0.2.1 as"
                " permitted sender) smtp.mailfrom=a@lab.example"},
        {"spf": DESIGNATED.format("3-sbGZ_w.LX+V@flex--x.lab.example")},
        {"spf": 'pass (google.com: domain of srs0=a=b=c@lab.example designates 192.0.2.1 as permitted sender)'
                ' smtp.mailfrom="SRS0=A=B=c@lab.example"'},
    ],
)  # fmt: skip
def test_what_gmail_writes(options):
    """With provider gmail no name has to be set, and its results are read in the forms that they come in."""
    assert gmails_verdict(gmail(**options)) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (gmail(dmarc="fail (p=NONE sp=NONE dis=NONE) header.from=lab.example"), "dmarc=fail"),
        (gmail(dmarc="bestguesspass header.from=lab.example"), "dmarc=bestguesspass"),
        (gmail(dmarc="pass header.from=outside.example"), "dmarc=pass for another domain than that of From"),
        (gmail(dmarc="pass header.from=lab.example header.from=outside.example"),
         "dmarc=pass for another domain than that of From"),
        (gmail().replace(b"mx.google", b"gmr-mx.google"), "0 dmarc results of mx.google.com instead of one"),
        (gmail().replace(b"google.com;", b"google.com.outside.example;"),
         "0 dmarc results of mx.google.com instead of one"),
        (gmail().replace(b"google.com;", b"google.com.;"), "Authentication-Results that cannot be read"),
    ],
)  # fmt: skip
def test_what_gmail_does_not_vouch_for(value, reason):
    """A failure, another domain, and another server's name with Gmail's in it do not authenticate."""
    assert reason == gmails_verdict(value)


@pytest.mark.parametrize(
    "name",
    [b"arc-authentication-results", b"x-original-authentication-results", b"authentication-results-original"],
)
def test_results_that_somebody_passed_on(name):
    """Results in a field of another name, ARC's too, are what somebody said once: they are not read."""
    for value in (gmail(), b"i=1; " + gmail()):
        assert "0 dmarc results of mx.google.com instead of one" == gmails_verdict(value, name=name)


def test_a_forged_failure_beside_ours_is_no_way_in():
    """Our server's name forged onto further results makes the mail unbelievable, not more believable."""
    assert "2 dmarc results of mx.google.com instead of one" == gmails_verdict(gmail(), gmail())


def test_the_version_after_our_name():
    """A version and comments may stand beside the server's name (RFC 8601); other versions are not read."""
    assert verdict(HONEST.replace(b";", b" 1;", 1)) is None
    assert verdict(HONEST.replace(b";", b" (mx) 1;", 1)) is None
    assert verdict(HONEST.replace(b";", b" 2;", 1)) is not None


def test_a_header_full_of_results_is_bounded_work():
    """As many results in our name as a header can hold are read, in less than what a mail may cost."""
    filling = b"mail.lab.example " + b"(x)" * 1300 + b"; none"
    assert verdict(*[filling] * 16, HONEST) is None
    assert "Authentication-Results that cannot be read" == verdict(HONEST, filling + b" " * 200)
