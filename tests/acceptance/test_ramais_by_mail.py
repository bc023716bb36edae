"""Recordings by mail: one command, one link, and behind it every byte that there is."""

import email.message
import hashlib
import io
import re
import signal
import urllib.error
import urllib.request
import zipfile
from collections import Counter

import pytest

from lab import recordings, s3
from lab.calls import content
from tests.fleet import on
from tests.road import waited

WANTED = {"1121", "1122"}
WINDOW = "INICIO=01/11/2025 00:00 FIM=05/11/2025 23:59"
LINK = re.compile(r"http://s3\.lab\.example:8333/audios/\S+")
LOST = ("archived", "dangling")  # what cannot be had, of what there is


@pytest.fixture(scope="module", autouse=True)
def laid(lab):
    """A small tree of two servers, with all the odd ones, and no archive yet."""
    found = {}
    for server in ("voip3", "gv1p"):
        found[server] = recordings.planned(server, files=300)
        recordings.lay(server, found[server], lambda _line: None)
    with s3.Client() as client:
        client.remove(recordings.ARCHIVES, "audios_")
    return found


def text(mail: email.message.EmailMessage) -> str:
    return " ".join(mail.get_body(("plain",)).get_content().split())


def link_of(mail: email.message.EmailMessage) -> str:
    """The link of the text part; the button of the HTML part has the same one."""
    link = LINK.search(mail.get_body(("plain",)).get_content())[0]
    assert link.replace("&", "&amp;") in mail.get_body(("html",)).get_content()
    return link


def fetched(link: str) -> bytes:
    """What the receiver of a link gets, who has nothing but the link."""
    with urllib.request.urlopen(link, timeout=30) as answer:  # noqa: S310 - the lab's own server
        return answer.read()


def inside(archive: bytes) -> Counter:
    """SHA-256 of every recording in an archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        names = [name for name in opened.namelist() if name != "_manifesto.csv"]
        assert not [name for name in opened.namelist() if set("/\\:") & set(name) or name.startswith(".")]
        return Counter(hashlib.sha256(opened.read(name)).hexdigest() for name in names)


def due(laid: list) -> tuple[Counter, list]:
    """SHA-256 of what has to be in the archive, and what is lost, by the lab's own plan."""
    first, last = recordings.window()
    mine = [
        one
        for one in laid
        if one.start
        and first <= one.start <= last
        and WANTED & set(one.extensions)
        and one.oddity not in ("empty", "header")
    ]
    lost = [one for one in mine if one.oddity in LOST]
    return Counter(hashlib.sha256(content(one)).hexdigest() for one in mine if one not in lost), lost


@pytest.mark.parametrize("server", ["voip3", "gv1p"])
def test_every_recording_is_behind_the_link(dispatcher, laid, server):
    """From S3 and from the old file server: byte by byte what there is, and what cannot be had is named.

    The same request again gives the same archive; a link that was tampered with gives nothing.
    """
    command = f"RAMAIS=1122,1121 SERVER={server} {WINDOW}"
    reply = dispatcher.ask(command)
    expected, lost = due(laid[server])
    link = link_of(reply)
    archive = fetched(link)
    assert expected == inside(archive)
    assert f"{sum(expected.values())} gravações" in text(reply)
    assert all(one.name.partition("\\")[0][:20] in text(reply) for one in lost)
    assert "1121" in text(reply)
    assert "changed" == dispatcher.newest()["report"]["hosts"][0]["outcome"]

    again = dispatcher.ask(command)
    assert link.partition("?")[0] == link_of(again).partition("?")[0]
    assert archive == fetched(link_of(again))
    assert "ok" == dispatcher.newest()["report"]["hosts"][0]["outcome"]

    with pytest.raises(urllib.error.HTTPError) as refused:
        fetched(link[:-1] + ("0" if link[-1] != "0" else "1"))
    assert 403 == refused.value.code
    with pytest.raises(urllib.error.HTTPError):
        fetched(link.partition("?")[0])
    assert link.partition("Signature=")[2] not in dispatcher.log.read_text()


@pytest.mark.long  # the role has its own test of it
def test_a_preview_counts_and_fetches_nothing(dispatcher, laid, lab):
    """SIMULAR says how much there is, without a link. Without SERVER the inventory's default is meant."""
    command = f"RAMAIS=1121 {WINDOW}"
    preview = dispatcher.ask(f"{command} SIMULAR")
    assert "Simulação" in text(preview)
    assert not LINK.search(text(preview))
    assert "voip3" in text(preview)
    count = dispatcher.jobs()[1]["report"]["hosts"][0]["data"]["files"]
    assert f"{count} gravações" in text(preview)
    done = dispatcher.ask(command)
    with zipfile.ZipFile(io.BytesIO(fetched(link_of(done)))) as opened:
        assert count + 1 == len(opened.namelist())


def test_nothing_found_says_where_something_is(dispatcher, laid):
    """An empty window is an answer: what is nearest before and after, and why one may not be found."""
    reply = dispatcher.ask("RAMAIS=1121 SERVER=gv1p INICIO=02/11/2025 03:00 FIM=02/11/2025 03:01")
    near = dispatcher.newest()["report"]["hosts"][0]["data"]["nearest"]
    assert near["before"] < "2025-11-02 03:00"
    assert near["after"] > "2025-11-02 03:01"
    for moment in near.values():
        day, clock = moment.split()
        assert "/".join(reversed(day.split("-"))) in text(reply)
        assert clock in text(reply)
    assert "fila" in text(reply)
    assert not LINK.search(text(reply))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("RAMAIS=1121 SERVER=voip3 INICIO=05/11/2025 00:00 FIM=01/11/2025 23:59", "FIM"),
        ("RAMAIS=1121 SERVER=voip3 INICIO=31/02/2025 00:00 FIM=05/11/2025 23:59", "31/02/2025"),
        ("RAMAIS=1121 SERVER=voip3 INICIO=01/11/2025 24:00 FIM=05/11/2025 23:59", "24:00"),
        ("RAMAIS=11a1 SERVER=voip3 INICIO=01/11/2025 00:00 FIM=05/11/2025 23:59", "11a1"),
        ("RAMAIS=1121 SERVER=voip9 INICIO=01/11/2025 00:00 FIM=05/11/2025 23:59", "voip9"),
        ("RAMAIS=1121 SERVER=voip3 INICIO=01/01/2025 00:00 FIM=05/11/2025 23:59", "31"),
    ],
)
def test_a_bad_request_is_answered_with_a_good_one(dispatcher, command, said):
    """Each is refused before anything runs, names what is wrong, and shows a subject to copy."""
    with dispatcher.nothing_runs():
        reply = dispatcher.ask(command)
    assert said in text(reply)
    assert re.search(
        r"\[TOKEN\] RAMAIS=[\d,]+ SERVER=voip\d INICIO=\d\d/\d\d/\d{4} \d\d:\d\d FIM=", text(reply)
    )


def test_a_service_that_is_killed_in_the_middle_publishes_once_and_whole(dispatcher, operator, laid):
    """After kill -9 while recordings are collected the next start finishes: one answer, a whole archive."""
    command = f"RAMAIS=1122 SERVER=gv1p {WINDOW}"
    message_id = dispatcher.write(f"[{dispatcher.token}] {command}")
    query = "SELECT state FROM jobs WHERE message_id = ?"
    waited(lambda: dispatcher.rows(query, message_id) == [("running",)], "not running")
    waited(lambda: on("audio", "ls", "/var/lib/athome-audio", check=False), "the plan is not made")
    dispatcher.process.send_signal(signal.SIGKILL)
    dispatcher.process.wait(60)
    dispatcher.start()
    reply = operator.answer(message_id)
    archive = fetched(link_of(reply))
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
    assert [("successful",)] == dispatcher.rows(query, message_id)
    assert 1 == len(operator.answers(message_id))
