"""A preview shows what changes; what belongs to others, and secrets, are not in it."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.replies.diff import Line, rows
from dispatcher.replies.narrowing import HIDDEN, identities, narrowed, without
from dispatcher.replies.samples.studio import host, ordered, running
from dispatcher.runs.report import Diff, Report
from tests.unit.replies.samples import STUDIO, read

CHECKIP = "CHECKIP=203.0.113.7"
MACCHANGE = "MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=00005e0053aa SERVER=gv1p"
OWN = ("203.0.113.7", "01:02:03:04:05:06", "2001:db8::7")
OTHERS = (
    "198.51.100.4", "198.51.100.0/24", "2001:db8::5", "00:00:5e:00:53:01", "00005E005302", "0000.5e00.5303",
    "eva@example.com", "551133334444",
)  # fmt: skip

words = st.sampled_from((*OWN, *OTHERS, "banned", "Padaria", "João", "%(known/ignoreip)s"))
lines = st.builds(
    lambda key, mark, values, gap: f"{key}{mark}{gap.join(values)}",
    st.sampled_from(("ignoreip", "", "[3010]", "secret", "#")),
    st.sampled_from((" = ", "=", ": ", " ")),
    st.lists(words, max_size=5),
    st.sampled_from((" ", ",", ", ", ";")),
)
texts = st.lists(lines, max_size=6)


def shown(before: str, after: str, known: str) -> list[str]:
    return [f"{sign}{text}" for sign, text in narrowed(before.splitlines(), after.splitlines(), known)]


@pytest.mark.parametrize(
    ("before", "after", "known", "expected"),
    [
        (
            "ignoreip = 198.51.100.4 192.0.2.1", "ignoreip = 198.51.100.4 192.0.2.1 203.0.113.7", CHECKIP,
            ["-ignoreip = …", "+ignoreip = … 203.0.113.7"],
        ),
        (
            "athome_whitelist =\n    198.51.100.4\n    2001:db8::5\n",
            "athome_whitelist =\n    198.51.100.4\n    203.0.113.7\n    2001:db8::5\n", CHECKIP,
            ["+    203.0.113.7"],
        ),
        (
            "asterisk: not banned, not whitelisted", "asterisk: not banned, whitelisted", CHECKIP,
            ["-asterisk: not banned, not whitelisted", "+asterisk: not banned, whitelisted"],
        ),
        (
            "[3010] mac = 01:02:03:04:05:06 ; João", "[3010] mac = 00:00:5E:00:53:AA ; João", MACCHANGE,
            ["-[3010] mac = 01:02:03:04:05:06 ; …", "+[3010] mac = 00:00:5E:00:53:AA ; …"],
        ),
        (
            "# 198.51.100.4 Padaria", "# 203.0.113.7 Padaria", CHECKIP,
            ["-# …", "+# 203.0.113.7 …"],
        ),
        (
            "", "[sshd]\nignoreip = 198.51.100.77 203.0.113.7", CHECKIP,  # a new file
            ["+[sshd]", "+ignoreip = … 203.0.113.7"],
        ),
        (
            "198.51.100.4 a\n00005E005302 b", "00:00:5e:00:53:02 b\n198.51.100.4 c", CHECKIP,
            ["-… a", "-… b", "+… b", "+… c"],
        ),
        (
            'user = ana\n"api_key": "abc"', 'user = ana\n"api_key": "def"', CHECKIP,
            ['-"api_key": …', '+"api_key": …'],
        ),
        ("", "senha=203.0.113.7 x", CHECKIP, ["+senha= …"]),
    ],
)  # fmt: skip
def test_what_the_command_is_about_stays_readable(before, after, known, expected):
    """Its own values with their key, and what takes their place; nobody beside it in the file."""
    assert expected == shown(before, after, known)


@given(texts, texts)
@example(["ignoreip = 198.51.100.4"], ["ignoreip = 203.0.113.7,198.51.100.4"])
def test_nobody_is_named_but_by_the_command(before, after):
    """Whoever else is in a line is not in what people read; no line says a secret."""
    known = " ".join(OWN)
    said = [text for _sign, text in narrowed(before, after, known)]
    assert identities("\n".join(said)) <= identities(known)
    assert {HIDDEN} >= {
        text.removeprefix("secret").strip(" =:") for text in said if text.startswith("secret")
    }


@given(st.lists(words, max_size=6), st.lists(words, max_size=6))
def test_of_a_setting_only_the_key_and_what_differs_is_left(before, after):
    """Also a customer's name behind the address is somebody else's."""
    said = shown(f"ignoreip = {' '.join(before)}", f"ignoreip = {' '.join(after)}", " ".join(OWN))
    assert {word for line in said for word in line[1:].split()} <= (
        {"ignoreip", "=", HIDDEN} | set(OWN) | (set(before) ^ set(after))
    )


@given(texts)
def test_where_nothing_changes_nothing_is_shown(same):
    """No line stands there only because its neighbour changes."""
    assert [] == list(narrowed(same, same, CHECKIP))


def test_a_title_names_nobody_else():
    """The file of another telephone has its MAC in its name."""
    assert "/tftpboot/….cfg" == without("/tftpboot/00005e005301.cfg", identities(MACCHANGE))
    diff = Diff(after_header="bans of 203.0.113.7", before="", after="x")
    assert [Line("@", "bans of 203.0.113.7"), Line("+", "x")] == rows([diff], "pt_BR", CHECKIP)


def test_a_mail_has_nobody_elses_address_and_the_report_has_it_all():
    """What is shown is cut, not what is kept: a later run is compared with it."""
    diff = {"after_header": "x.local", "before": "ignoreip = 198.51.100.4\n",
            "after": "ignoreip = 198.51.100.4 203.0.113.7\n"}  # fmt: skip
    server = host("gv1p", "changed", "fail2ban.whitelisted", diff=[diff], address="203.0.113.7")
    report = Report(status="successful", check=True, hosts=(server,))
    mail = read(STUDIO.composer.result(running(ordered(f"{CHECKIP} SIMULAR", "pt_BR")), report))
    for body in ("plain", "html"):
        said = mail.get_body((body,)).get_content().replace("<wbr>", "")
        assert "ignoreip = … 203.0.113.7" in said
        assert "198.51.100.4" not in said
    assert "198.51.100.4" in report.model_dump_json()


@pytest.mark.parametrize("unit", ["x", "a.", "secret", "1-", "0:", "a@", "203.0.113.7", "= "])
def test_a_line_without_an_end_is_read_in_no_time(unit):
    """One of 100,000 characters, as a server may have it, does not hold up the mail."""
    start = time.process_time()
    list(narrowed([unit * (100_000 // len(unit))], ["x"], CHECKIP))
    assert time.process_time() - start < 2
