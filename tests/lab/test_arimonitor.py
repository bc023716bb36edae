"""The stand-in for arimonitor on gv1p, gv2p, gv3p: it receives, stores, and misbehaves when told to."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dispatcher.settings import PROJECT
from tests.fleet import on

pytestmark = pytest.mark.lab
SERVER = "gv2p"
OLD, NEW = "010203040506", "010203040599"
TAKEN, REFUSED, NO_EVENT, UNREACHED, TIMED_OUT = 0, 1, 2, 75, 124  # timeout(1)'s own is 124


@pytest.fixture(autouse=True)
def fresh():
    """Each test begins with the stand-in as it was at its first start."""
    ctl("forget")


@pytest.fixture(autouse=True, scope="module")
def clean_up():
    """The tests leave it so."""
    yield
    ctl("forget")


def ctl(*words, check=True):
    return on(SERVER, "arimonitorctl", *words, check=check)


def event(transaction="20261123T081136123456-9f3c", before=OLD, after=NEW, **more):
    action = "change" if before and after else "add" if after else "remove"
    return {
        "transaction": transaction, "extension": "3010", "mac_before": before, "mac_after": after,
        "action": action, "host": SERVER, **more,
    }  # fmt: skip


def notify(content, patience=10):
    """Exit status and words of arimonitor-notify, given at most `patience` seconds."""
    data = content if isinstance(content, str) else json.dumps(content)
    command = f"timeout {patience} /usr/local/bin/arimonitor-notify"
    done = subprocess.run(
        ["ssh", "-F", "/run/athome-lab/ssh/config", SERVER, command],
        input=data, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stderr.strip()


def ask(path):
    """Status and content of a GET, asked on the server itself."""
    script = (
        "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8077); "
        f"c.request('GET', '{path}'); a = c.getresponse(); print(a.status, a.read().decode())"
    )
    status, _, content = on(SERVER, "python3", "-c", f'"{script}"').partition(" ")
    return int(status), json.loads(content)


def mac(extension="3010"):
    status, content = ask(f"/macs/{extension}")
    return content["mac"] if status == 200 else None


def events():
    return ask("/events")[1]


def test_an_event_is_stored_and_applied():
    """What arimonitor takes is in its list of events and in its table, and is still there after a restart."""
    assert notify(event()) == (TAKEN, "")
    assert ([event()], NEW) == (events(), mac())
    ctl("stop")
    ctl("start")
    assert ([event()], NEW) == (events(), mac())


@pytest.mark.long
def test_the_first_table_is_the_operators_list():
    """Before any event arimonitor has the MACs of macs.csv, in lower case, and no others."""
    assert [OLD, "00005e005311", "00005e005313"] == [mac(extension) for extension in ("3010", "3011", "3013")]
    assert [None, None, None] == [mac(extension) for extension in ("3012", "3016", "3018")]


@pytest.mark.long
def test_a_mac_is_added_and_removed():
    """An event without a new MAC takes the extension out of the table, one without an old MAC adds it."""
    assert notify(event("one", after="")) == (TAKEN, "")
    assert mac() is None
    assert notify(event("two", before="")) == (TAKEN, "")
    assert mac() == NEW


def test_the_same_transaction_again_is_taken_once():
    """A transaction that comes again, to a restarted arimonitor even, is answered well and stored once."""
    assert notify(event()) == (TAKEN, "")
    assert notify(event()) == (TAKEN, "")
    ctl("stop")
    ctl("start")
    assert notify(event()) == (TAKEN, "")
    assert [event()] == events()


def test_the_same_transaction_with_another_content_is_refused():
    """Two different events cannot have one transaction id."""
    notify(event())
    status, words = notify(event(after="00005e005301"))
    assert (REFUSED, True) == (status, "came before, with another content" in words)
    assert ([event()], NEW) == (events(), mac())


@pytest.mark.long
def test_a_reverse_is_an_event_like_others():
    """The reverse of an event brings the MAC back, and says what it reverses."""
    notify(event("one"))
    back = event("one-reverse", before=NEW, after=OLD, reverses="one")
    assert notify(back) == (TAKEN, "")
    assert ([event("one"), back], OLD) == (events(), mac())


@pytest.mark.long
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mac_after": "01:02:03:04:05:99"}, "mac_after"),
        ({"extension": "30a0"}, "extension"),
        ({"extension": 3010}, "extension"),
        ({"action": "remove"}, "its MACs say change"),
        ({"colour": "red"}, "unknown field: colour"),
    ],
)
def test_an_event_of_another_form_is_refused(wrong, words):
    """An event that does not have the form is refused with the field's name, and nothing is stored."""
    status, said = notify(event() | wrong)
    assert (REFUSED, True) == (status, words in said)
    assert ([], OLD) == (events(), mac())


@pytest.mark.long
def test_a_missing_field_is_named():
    """An event without a field is refused with the field's name."""
    incomplete = event()
    del incomplete["host"]
    assert notify(incomplete) == (REFUSED, "arimonitor-notify: arimonitor refuses: the event has no host")


@pytest.mark.long
def test_no_event_is_not_sent():
    """What is no event at all is told apart from a refusal, and is not sent."""
    status, words = notify("no JSON")
    assert (NO_EVENT, True) == (status, "no event on standard input" in words)


def test_refuse():
    """In mode refuse the sender gets arimonitor's own sentence, and nothing is applied."""
    ctl("refuse")
    assert notify(event()) == (
        REFUSED,
        "arimonitor-notify: arimonitor refuses: extension 3010 is in a call: its MAC stays",
    )
    assert ([], OLD) == (events(), mac())


@pytest.mark.long
def test_hang():
    """In mode hang there is no answer and nothing is applied; the next event is taken again."""
    ctl("hang")
    assert notify(event(), 1) == (TIMED_OUT, "")
    assert ([], OLD) == (events(), mac())
    ctl("accept")
    assert notify(event()) == (TAKEN, "")


def test_apply_and_hang():
    """In mode apply-and-hang there is no answer, but the event is applied."""
    ctl("apply-and-hang")
    assert notify(event(), 1) == (TIMED_OUT, "")
    assert ([event()], NEW) == (events(), mac())


def test_lie():
    """In mode lie the answer is good, and nothing is applied."""
    ctl("lie")
    assert notify(event()) == (TAKEN, "")
    assert ([], OLD) == (events(), mac())


def test_die():
    """In mode die it ends at the event and cannot be reached until it is started: then it accepts."""
    ctl("die")
    assert UNREACHED == notify(event())[0]
    status, words = notify(event())
    assert (UNREACHED, True) == (status, "Connection refused" in words)
    ctl("start")
    assert ([], OLD) == (events(), mac())
    assert notify(event()) == (TAKEN, "")


@pytest.mark.long
def test_slow():
    """In mode slow an event is applied in the end, though its sender gave up before."""
    ctl("slow", "2")
    assert notify(event(), 0.5) == (TIMED_OUT, "")
    assert [] == events()
    assert notify(event("two", before=NEW, after=OLD)) == (TAKEN, "")
    assert ["20261123T081136123456-9f3c", "two"] == [each["transaction"] for each in events()]


@pytest.mark.long
def test_forget():
    """After forget the table, the events and the mode are those of the first start, also after it died."""
    notify(event())
    ctl("die")
    notify(event("two"))
    ctl("refuse")
    ctl("forget")
    assert ([], OLD) == (events(), mac())
    assert notify(event()) == (TAKEN, "")


@pytest.mark.long
def test_show():
    """Show prints the mode, the table and the events."""
    notify(event())
    ctl("slow", "2")
    shown = ctl("show")
    assert shown.startswith('slow 2\n{\n "3010": "010203040599",\n')
    assert event() == json.loads(shown.splitlines()[-1])


@pytest.mark.long
@pytest.mark.parametrize("words", [("sleep",), ("slow",), ("slow", "long"), ("accept", "2"), ()])
def test_an_unknown_mode_is_refused(words):
    """An unknown mode is answered with those that there are, and changes nothing."""
    ctl(*words, check=False)
    assert "accept\n" == ctl("show").partition("{")[0]
    with pytest.raises(subprocess.CalledProcessError) as caught:
        ctl(*words)
    assert "apply-and-hang" in caught.value.stderr


@pytest.mark.long
def test_many_at_once():
    """Of events that come at once each is stored, and each is stored whole."""
    many = [event(f"t{number}", before=OLD, after=f"00005e0053{number:02x}") for number in range(8)]
    with ThreadPoolExecutor() as pool:
        assert [(TAKEN, "")] * 8 == list(pool.map(notify, many))
    stored = events()
    assert {each["transaction"] for each in many} == {each["transaction"] for each in stored}
    assert stored[-1]["mac_after"] == mac()


@pytest.mark.long
def test_the_list_is_read_again_when_told(on_host):
    """At a reload, arimonitor takes the MACs from macs.csv as it is now."""
    notify(event())
    on_host(SERVER, "service", "arimonitor", "reload")
    end = time.monotonic() + 20
    while mac() != OLD and time.monotonic() < end:
        time.sleep(0.1)
    assert mac() == OLD


def test_status_tells_of_a_silent_arimonitor():
    """`status` of the lab names an arimonitor that does not run."""
    ctl("stop")
    done = subprocess.run(
        [sys.executable, "-m", "lab", "status"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    ctl("start")
    assert (1, True) == (done.returncode, "no answer: arimonitor" in done.stdout)
