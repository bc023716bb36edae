"""Signatures of the right domain and of others, careless, hostile and broken ones; a stub is the DNS."""

import base64
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dispatcher.mail.admission import Admission
from dispatcher.mail.dns import LookupLaterError
from dispatcher.mail.message import MalformedMessage, parse
from dispatcher.mail.signature import MAX_SIGNATURES, judge
from dispatcher.settings import Mail
from tests.unit.mail.mails import ARRIVED, on_the_wire, raw_message
from tests.unit.mail.signing import (
    COVERED,
    NAME,
    Zone,
    ed25519_key,
    ed25519_record,
    private_key,
    record,
    signature,
    signed,
)

PLAIN = on_the_wire("admitted-plain.eml")
AT = int(ARRIVED.timestamp())
NONE = "no DKIM signature of the domain in From"
HEADER, BODY = "the header is not what was signed", "the body is not what was signed"


def verdict(raw, *records, zone=None, arrived=ARRIVED):
    zone = zone or (Zone(**{NAME: records}) if records else Zone())
    return judge(parse(raw_message(raw)), raw, arrived, zone)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"canonical": "simple/simple"}, {"canonical": "simple/relaxed"}, {"canonical": "relaxed/relaxed"},
        {"covered": (*COVERED, "from", "subject", "to", "date", "message-id", "cc")},
        {"covered": ("From", "TO", "Subject", "dAte", "Message-Id", "mime-version", "content-type")},
        {"x": AT + 1}, {"t": None}, {"t": AT + 600}, {"q": None}, {"i": None}, {"i": "@mail.lab.example"},
        {"d": "LAB.example"}, {"domain": "lab.example", "i": "operador@lab.example"},
    ],
)  # fmt: skip
def test_signatures_that_hold(options):
    """Whatever RFC 6376 leaves to the signer, and does not weaken the signature, is taken."""
    assert verdict(signed(PLAIN, **options)) is None


def test_no_signature():
    """A mail that nobody signed, and one that only another domain signed, prove nothing."""
    assert NONE == verdict(PLAIN)
    foreign = {"ops._domainkey.outside.example": (record(1024),)}
    assert NONE == verdict(signed(PLAIN, domain="outside.example"), zone=Zone(**foreign))


@pytest.mark.parametrize(
    "domain", ["example", "mail.lab.example", "xlab.example", "lab.example.", "lab.example.outside.example"]
)
def test_a_related_domain_is_another_domain(domain):
    """d= is From's domain itself: neither its parent, nor a subdomain, nor one that looks like it."""
    zone = Zone(**{f"ops._domainkey.{domain}": (record(1024),)})
    assert NONE == verdict(signed(PLAIN, domain=domain), zone=zone)
    assert [] == zone.asked


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"covered": [name for name in COVERED if name != "subject"]}, "h= does not cover subject"),
        ({"covered": ("from",)}, "h= does not cover to, subject, date, message-id"),
        ({"length": True}, "l= leaves a part of the mail unsigned"),
        ({"algorithm": "rsa-sha1"}, "a= is neither rsa-sha256 nor ed25519-sha256"),
        ({"a": "rsa-sha512"}, "a= is neither rsa-sha256 nor ed25519-sha256"),
        ({"t": AT + 601}, "t= is in the future"),
        ({"t": "9" * 12}, "t= is in the future"),
        ({"t": "9" * 13}, "t= is no time"),
        ({"t": "-1"}, "t= is no time"),
        ({"x": AT - 1}, "x= is past"),
        ({"x": AT + 10, "t": AT + 20}, "x= is past"),
        ({"x": "soon"}, "x= is no time"),
        ({"v": "2"}, "v= or q= is of another version of DKIM"),
        ({"q": "dns/any"}, "v= or q= is of another version of DKIM"),
        ({"v": None}, "no v= in the signature"),
        ({"s": None}, "no s= in the signature"),
        ({"bh": None}, "no bh= in the signature"),
        ({"h": ""}, "no h= in the signature"),
        ({"s": "../ops"}, "d= or s= is no name"),
        ({"s": "o" * 300}, "d= or s= is no name"),
        ({"i": "@outside.example"}, "i= is not of the domain in d="),
        ({"i": "@notlab.example"}, "i= is not of the domain in d="),
        ({"c": "nonsense"}, "the signature is not what was signed"),
        ({"bh": "%%%"}, BODY),
        ({"h": ":".join((*COVERED, *map(str, range(100))))}, "h= names more than 100 fields"),
        ({"z": "x" * 4096}, "a DKIM signature of more than 4096 bytes"),
    ],
)  # fmt: skip
def test_signatures_that_prove_too_little(options, reason):
    """A signature that is weak, expired, from the future or odd is refused, whoever made it."""
    assert reason == verdict(signed(PLAIN, **options))


def test_time_is_that_of_the_arrival():
    """A mail that waited for us in the inbox is judged as of its arrival: x= may pass meanwhile."""
    raw = signed(PLAIN, x=AT + 60)
    assert verdict(raw, arrived=ARRIVED + timedelta(seconds=60)) is None
    assert "x= is past" == verdict(raw, arrived=ARRIVED + timedelta(seconds=61))


def test_a_tag_given_twice():
    """Of two d= or h= one could be shown and the other checked: the whole signature is unreadable."""
    twice = signed(PLAIN).replace(b"; d=lab.example", b"; d=outside.example; d=lab.example", 1)
    assert "a DKIM signature that cannot be read" == verdict(twice)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"CHECKIP=203.0.113.7", b"CHECKIP=203.0.113.8", HEADER),
        (b"To: athome@lab.example", b"To: other@lab.example", HEADER),
        (b"<1@lab.example>", b"<2@lab.example>", HEADER),
        (b"08:59:30", b"08:59:31", HEADER),
        (b"Operador <", b"Operadora <", HEADER),
        (b"Os comandos", b"Nos comandos", BODY),
    ],
)  # fmt: skip
def test_changed_after_signing(old, new, reason):
    """A change of what is signed, anywhere, breaks the signature."""
    assert reason == verdict(signed(PLAIN).replace(old, new, 1))


def test_something_put_on_top_or_below():
    """A second From or Subject is refused with the header itself; more body breaks the signature."""
    for field in (b"From: Chefe <admin@lab.example>\r\n", b"Subject: [7E57C0DE] RAMAIS=1\r\n"):
        with pytest.raises(MalformedMessage):
            verdict(field + signed(PLAIN))
    assert BODY == verdict(signed(PLAIN) + b"more\r\n")


def test_an_oversigned_field_cannot_be_added():
    """A field that h= names once more than it occurs is signed as absent."""
    raw = signed(PLAIN, covered=(*COVERED, "reply-to"))
    assert verdict(raw) is None
    assert HEADER == verdict(b"Reply-To: estranho@outside.example\r\n" + raw)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"v=DKIM1; p=", "the key is revoked"),
        (b"v=DKIM1; t=y; p=KEY", "the key is for tests (t=y): the domain does not vouch for it"),
        (b"v=DKIM1; t=s : y; p=KEY", "the key is for tests (t=y): the domain does not vouch for it"),
        (b"v=DKIM1; h=sha1; p=KEY", "the key is not for sha256"),
        (b"v=DKIM1; s=tlsrpt; p=KEY", "the key is not for mail"),
        (b"v=DKIM1; k=ed25519; p=KEY", "the key is not for the algorithm in a="),
        (b"v=DKIM1; k=dsa; p=KEY", "the key is not for the algorithm in a="),
        (b"v=DKIM2; p=KEY", "0 keys in the DNS instead of one"),
        (b"v=DKIM1; p=KEY; p=KEY", "0 keys in the DNS instead of one"),
        (b"v=spf1 -all", "0 keys in the DNS instead of one"),
        (b"\xff\x00;", "0 keys in the DNS instead of one"),
        (b"", "0 keys in the DNS instead of one"),
        (b"v=DKIM1; p=AAAA", "the key cannot be read"),
        (b"v=DKIM1; p=A", "the key cannot be read"),
        (b"v=DKIM1; p=\xff", "the key cannot be read"),
    ],
)  # fmt: skip
def test_key_records_that_do_not_count(text, reason):
    """A record that is revoked, restricted to something else, or no key at all, makes no signature hold."""
    public = record(1024).partition(b"p=")[2]
    assert reason == verdict(signed(PLAIN), text.replace(b"KEY", public))


@pytest.mark.parametrize(
    "text", [b"p=KEY", b"v=DKIM1; n=a note; s=*; p=KEY;", b"v=DKIM1; h=sha1:sha256; s=email; p=KEY"]
)
def test_key_records_that_count(text):
    """Everything but p= has a default, and notes do not matter."""
    assert verdict(signed(PLAIN), text.replace(b"KEY", record(1024).partition(b"p=")[2])) is None


def test_a_key_that_is_strict_about_subdomains():
    """With t=s in the key, i= has to be of d= itself."""
    strict = record(1024) + b"; t=s"
    assert verdict(signed(PLAIN), strict) is None
    assert "i= is not of the domain in d=" == verdict(signed(PLAIN, i="@mail.lab.example"), strict)


def test_other_records_beside_the_key():
    """Other TXT records of the name do not matter; of two keys nobody knows which one counts."""
    assert verdict(signed(PLAIN), b"v=spf1 -all", record(1024)) is None
    assert "2 keys in the DNS instead of one" == verdict(signed(PLAIN), record(2048), record(1024))


def test_the_size_of_a_key():
    """Keys under 1,024 bits can be broken, those over 8,192 only cost time; usual ones are taken."""
    assert "the key has 512 bits, not 1024 to 8192" == verdict(
        signed(PLAIN, key=private_key(512)), record(512)
    )
    assert verdict(signed(PLAIN, key=private_key(2048)), record(2048)) is None
    huge = der(2**9000 + 1, 65537)
    assert "the key has 9001 bits, not 1024 to 8192" == verdict(signed(PLAIN), huge)


@pytest.mark.parametrize("exponent", [0, 1, 2, 65536, 2**32 + 1, 2**2000 + 1])
def test_the_exponent_of_a_key(exponent):
    """An exponent of 1 would make any bytes a signature, and a huge one would cost seconds."""
    assert "the key's exponent is no usual one" == verdict(signed(PLAIN), der(2**1024 - 1, exponent))


def der(modulus, exponent):
    """Return a record with an RSA key of these numbers."""

    def block(tag, content):
        length = len(content).to_bytes((len(content).bit_length() + 7) // 8 or 1, "big")
        long = bytes([0x80 | len(length)]) + length if len(content) > 127 else length
        return bytes([tag]) + long + content

    numbers = [block(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in (modulus, exponent)]
    return b"v=DKIM1; p=" + base64.b64encode(block(0x30, b"".join(numbers)))


def test_ed25519():
    """A signature by the newer algorithm holds, and a broken one does not."""
    raw = signed(PLAIN, algorithm="ed25519-sha256", key=ed25519_key())
    assert verdict(raw, ed25519_record()) is None
    assert HEADER == verdict(raw.replace(b"203.0.113.7", b"203.0.113.8"), ed25519_record())
    assert "the key is not for the algorithm in a=" == verdict(raw, record(1024))
    assert "the key cannot be read" == verdict(raw, b"v=DKIM1; k=ed25519; p=AAAA")
    short = re.sub(rb"\bb=[^;]*\r\nReturn-Path", b"b=AAAA\r\nReturn-Path", raw)
    assert "the signature is not what was signed" == verdict(short, ed25519_record())


def test_one_of_several_signatures():
    """One that holds is enough: foreign, unreadable and broken ones beside it do not matter."""
    above = signature(PLAIN, domain="outside.example") + b"DKIM-Signature: nonsense\r\n"
    raw = above + signature(PLAIN, key=private_key(2048)) + signed(PLAIN)
    assert verdict(raw) is None


def test_many_signatures_are_bounded_work():
    """Of hundreds of signatures a few are looked at, however many selectors they name."""
    zone = Zone()
    forged = b"".join(
        b"DKIM-Signature: v=1; a=rsa-sha256; d=lab.example; s=s%d; bh=AA==; b=AA==;"
        b" h=from:to:subject:date:message-id\r\n" % number
        for number in range(200)
    )
    assert "0 keys in the DNS instead of one" == verdict(forged + signed(PLAIN), zone=zone)
    assert MAX_SIGNATURES == len(zone.asked)


def test_a_body_of_spaces_is_bounded_work():
    """256 KiB of spaces under a relaxed signature are hashed as fast as anything else."""
    raw = signed(PLAIN, canonical="relaxed/relaxed")
    assert BODY == verdict(raw + b" " * 256 * 1024 + b"x\r\n")  # minutes, if each space began a new search
    assert verdict(signed(PLAIN + b" \t " * 50 + b"x \t\r\n \r\n\r\n", canonical="relaxed/relaxed")) is None


def test_a_dns_that_does_not_answer():
    """Without the key there is no verdict, unless another signature holds, or this one is too weak anyway."""
    zone = Zone(**{"old._domainkey.lab.example": None})
    waiting = signature(PLAIN, s="old")
    with pytest.raises(LookupLaterError):
        verdict(waiting + PLAIN, zone=zone)
    with pytest.raises(LookupLaterError):
        verdict(waiting + signature(PLAIN, l=0) + PLAIN, zone=zone)
    assert verdict(waiting + signed(PLAIN), zone=zone) is None
    assert "l= leaves a part of the mail unsigned" == verdict(
        signature(PLAIN, s="old", l=0) + PLAIN, zone=zone
    )


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from(b"v a d s h b bh c i t q zz".split()))
@example(b"", b"b")
def test_any_signature_gets_an_answer(value, tag):
    """Whatever stands in a signature's tag, the answer is a verdict, and an altered mail is not signed."""
    value = value.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
    head, _, rest = signed(PLAIN, zz="x").partition(b"\r\nReturn-Path")
    tags = dict(part.strip().split(b"=", 1) for part in head.partition(b":")[2].split(b";"))
    altered = b"; ".join(name + b"=" + (value if name == tag else tags[name]) for name in tags)
    raw = b"DKIM-Signature: " + altered + b"\r\nReturn-Path" + rest.replace(b"203.0.113.7", b"203.0.113.8", 1)
    assert isinstance(verdict(raw), str)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_key_record_gets_an_answer(content):
    """Whatever the DNS holds under the key's name, the answer is a verdict."""
    assert isinstance(verdict(signed(PLAIN), content), str)
    assert isinstance(verdict(signed(PLAIN), b"v=DKIM1; p=" + base64.b64encode(content)), str)


def admitted(staff, mode, zone, raw=PLAIN, arrived=ARRIVED):
    mail = Mail(address="athome@lab.example", authserv_id="mail.lab.example", authentication=mode)
    admission = Admission(
        mail, staff.senders, staff.tokens, seen=lambda *_key: False, resolver=zone,
        confirmations=staff.confirmations, lockout=staff.lockout,
    )  # fmt: skip
    return admission.judge(replace(raw_message(raw), internaldate=arrived))


def test_the_weaker_mode_is_visible(lasting_staff):
    """With results_only an unsigned mail is admitted, no DNS is asked, and the trace says that it was not."""
    zone = Zone()
    strict, weaker = (admitted(lasting_staff, mode, zone) for mode in ("strict", "results_only"))
    assert ("silent", "signature", NONE) == (strict.decision, strict.rule, strict.reason)
    assert "admitted" == weaker.decision
    said = {step.rule: step.reason for step in weaker.trace if step.reason}
    assert {"signature": "not asked: mail.authentication is results_only"} == said
    assert [] == zone.asked


def test_a_mail_does_not_wait_for_the_dns_for_ever(lasting_staff):
    """A mail whose key cannot be looked up waits as long as a mail may be old; after that, silence."""
    zone = Zone(**{NAME: None})
    now = datetime.now(timezone.utc)
    raw = signed(PLAIN, t=None)
    with pytest.raises(LookupLaterError):
        admitted(lasting_staff, "strict", zone, raw, arrived=now - timedelta(hours=23))
    late = admitted(lasting_staff, "strict", zone, raw, arrived=now - timedelta(hours=25))
    assert ("silent", "signature") == (late.decision, late.rule)
