"""What a preview has shown is compared with what the servers show later: with all of it, and nothing else."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.runs.foreseen import DRIFTED, MOOT, digest, is_rest_of, may_follow
from dispatcher.runs.report import Diff, HostResult, Notice, Report

TEXT = st.text(max_size=12)
DIFFS = st.builds(Diff, before_header=TEXT, after_header=TEXT, before=TEXT, after=TEXT)
HOSTS = st.builds(
    HostResult,
    host=TEXT,
    outcome=st.sampled_from(["changed", "ok", "failed", "unreachable"]),
    code=TEXT,
    diff=st.lists(DIFFS, max_size=3).map(tuple),
    data=st.dictionaries(TEXT, TEXT, max_size=2),
    seconds=st.floats(0, 9),
)
FLEETS = st.lists(HOSTS, max_size=5, unique_by=lambda host: host.host)
FILE = Diff(before_header="/etc/a", after_header="/etc/a", before="x = 1\n", after="x = 2\n")


def host(name="gv1p", outcome="changed", code="mac_binding.changed", **more):
    return HostResult(host=name, outcome=outcome, code=code, **more)


def report(*hosts, **more):
    return Report(status=more.pop("status", "successful"), check=True, hosts=hosts, **more)


@given(FLEETS, st.randoms())
def test_what_differs_from_run_to_run_does_not_count(hosts, chance: random.Random):
    """Neither the order of the servers, nor times, transactions, words of a failure, or the problem."""
    again = [
        one.model_copy(
            update={"seconds": 99.0, "data": {"transaction": "2"}, "undo": {"id": 3}, "notices": ()}
        )
        for one in hosts
    ]
    chance.shuffle(again)
    same = report(*again, seconds=12.0, status="failed", problem=Notice(code=DRIFTED))
    assert digest(report(*hosts)) == digest(same)


# Of which one line takes another's place.
CHANGES = st.builds(
    lambda title, lines: Diff(before_header=title, after_header=title, before=lines[0], after=lines[1]),
    TEXT,
    st.lists(st.text('ab @+-[]{},:"\\\u00e9', max_size=6), min_size=2, max_size=2, unique=True),
)
CHANGED = st.lists(
    st.builds(
        HostResult,
        host=TEXT,
        outcome=st.sampled_from(["changed", "ok"]),
        code=TEXT,
        diff=st.lists(CHANGES, max_size=3).map(tuple),
    ),
    max_size=3,
    unique_by=lambda host: host.host,
)


@given(CHANGED, CHANGED)
def test_two_shows_that_differ_have_two_digests(one, other):
    """Whatever is put into texts, such as the signs of JSON, no two different shows look alike."""

    def facts(hosts):
        shown = [
            (h.host, h.outcome, h.code, tuple(tuple(d.model_dump().values()) for d in h.diff)) for h in hosts
        ]
        return sorted(shown)

    assert (facts(one) == facts(other)) == (digest(report(*one)) == digest(report(*other)))


@pytest.mark.parametrize(
    "other",
    [
        (host(diff=(FILE.model_copy(update={"before": "x = 3\n"}),)),),
        (host(diff=(FILE.model_copy(update={"after_header": "/etc/b"}),)),),
        (host(diff=(FILE, FILE)),),
        (host(code="mac_binding.added", diff=(FILE,)),),
        (host(outcome="ok", diff=(FILE,)),),
        (host("gv2p", diff=(FILE,)),),
        (host(diff=(FILE,)), host("gv2p", "unreachable", "host.unreachable")),
    ],
)
def test_every_fact_counts(other):
    """Another line, file, code, outcome or server is another show."""
    assert digest(report(host(diff=(FILE,)))) != digest(report(*other))


def test_what_somebody_else_put_beside_it_does_not_count():
    """One file has every address: another command's line in it is not what this one's preview showed."""

    def adding(*listed):
        before = "".join(f"    {address}\n" for address in ("athome_whitelist =", *listed))
        return FILE.model_copy(update={"before": before, "after": before + "    203.0.113.7\n"})

    shown, now = adding("192.0.2.1"), adding("192.0.2.1", "198.51.100.9")
    assert digest(report(host(diff=(shown,)))) == digest(report(host(diff=(now,))))
    taken = now.model_copy(update={"after": now.after.replace("    192.0.2.1\n", "")})
    assert digest(report(host(diff=(shown,)))) != digest(report(host(diff=(taken,))))


@given(FLEETS)
def test_a_digest_fits_its_column(hosts):
    """64 hexadecimal digits, also of text that no UTF-8 can hold."""
    strange = HostResult.model_construct(host="\ud800", outcome="ok", code="x", diff=())
    found = digest(Report.model_construct(hosts=(*hosts, strange)))
    assert 64 == len(found)
    assert set(found) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (report(host(), host("gv2p", "ok")), True),
        (report(host(), host("gv2p", "failed"), status="partial"), True),
        (report(host(), status="failed", problem=Notice(code=DRIFTED)), True),
        (report(host(), problem=Notice(code="approval.nobody")), False),
        (report(host(outcome="ok")), False),
        (report(host(outcome="ok"), problem=Notice(code=MOOT)), False),
        (report(host(outcome="failed"), status="failed"), False),
        (report(host(), status="timeout"), False),
        (report(host(), status="canceled"), False),
        (report(host()).model_copy(update={"check": False}), False),
    ],
)
def test_what_may_follow(given, expected):
    """An answer lets happen what a look to its end has shown, where there is something to do."""
    assert expected == may_follow(given)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ((host(diff=(FILE,)), host("gv2p", "ok", "x")), True),
        ((host(outcome="ok"), host("gv2p", "ok", "x")), True),
        ((host(diff=(FILE,)), host("gv2p", code="y")), True),
        ((host(), host("gv2p", "ok", "x")), False),
        ((host(outcome="failed"), host("gv2p", "ok", "x")), False),
        ((host("gv3p"), host("gv2p", "ok", "x")), False),
    ],
)
def test_what_is_left_of_a_show(now, expected):
    """Each server is in order by now, or as it was shown."""
    assert expected == is_rest_of(report(*now), report(host(diff=(FILE,)), host("gv2p", code="y")))
