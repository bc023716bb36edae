"""The steps on a file server: real files, real processes on each Python, archives on a real disk."""

import copy
import json
import os
import random
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from lab import recordings
from lab.calls import ZONE, content
from tests.roles.audio_collection.request import (
    PYTHONS,
    VERSIONS,
    codes,
    manifest,
    name_of,
    unpacked,
    wait_for,
    wav,
)

# No other privilege lets root read what its mode forbids.
WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
BIG = 5 << 20  # bytes: over what is held in memory as a whole
DAY = 86400


def skip_unless(reason, condition):
    return pytest.mark.skipif(not condition, reason=reason)


def pythons(*always):
    """On these Pythons always, on the others in the long run."""
    return pytest.mark.parametrize(
        "python",
        [
            pytest.param(version, marks=[
                skip_unless(f"no Python {version} on this machine", PYTHONS[version]),
                *([] if version in always else [pytest.mark.long]),
            ])
            for version in VERSIONS
        ],
    )  # fmt: skip


every_python = pythons(*VERSIONS)
old_and_new = pythons("2.7", "3.13")
oldest = pythons("2.7")
as_root = skip_unless("needs root: mounts, or modes that bind it", os.geteuid() == 0)


def slow(ask, seconds):
    """Let the builder take so long over each recording."""
    ask.changes["def pieces(file, most):\n"] = f"def pieces(file, most):\n    time.sleep({seconds})\n"


def twenty(ask):
    return [ask.put(f"2025-11-03 10:00:{second:02}") for second in range(20)]


@contextmanager
def disk(folder, size):
    """A small disk of its own at a folder."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "athome-test", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


# ------------------------------------------------------------------------------------------- what is found


@every_python
def test_a_fleet_s_tree(request_of, python):
    """Of a realistic tree with every awkward file the archive has what the request asks for, byte by byte."""
    first, last = recordings.window()
    ask = request_of(python=python, start=f"{first:%Y-%m-%d %H:%M}", end=f"{last:%Y-%m-%d %H:%M}")
    laid = [one for one in recordings.planned("gv1p", files=60) if one.oddity != "escape"]
    for one in laid:
        if one.form == "link":
            ask.lay(one.path.partition("/")[2]).unlink()
            (ask.root / one.path.partition("/")[2]).symlink_to("/mnt/old-disk/x")
        else:
            ask.lay(one.path.partition("/")[2], content(one)).chmod(
                0 if one.oddity == "unreadable" else 0o640
            )
    hostile = ask.put("2025-11-02 16:15:00", wav(3), src="..\\..\\tmp\\evil")
    wanted = [
        one for one in laid
        if {"1121", "1122"} & set(one.extensions) and first <= one.start <= last and one.size >= 1024
    ]  # fmt: skip
    expected = sorted([content(one) for one in wanted] + [hostile.read_bytes()])

    foretold = ask.check()
    assert "audio.would_collect" == foretold["code"]
    done = ask.run()
    assert "audio.collected" == done["code"], done
    assert expected == sorted(ask.contents().values())
    assert (len(expected), sum(map(len, expected))) == (done["data"]["files"], done["data"]["bytes"])
    assert (len(expected), sum(map(len, expected))) == (foretold["data"]["files"], foretold["data"]["bytes"])
    assert ["clock", "missing", "unparsed"] == codes(done)
    assert ["unreadable"] == [lost["why"] for lost in done["data"]["missing"]]
    assert done["data"]["name"] == ask.archives()[0].name
    assert done["data"]["size"] == ask.archives()[0].stat().st_size
    rows = manifest(ask.archives()[0].read_bytes())
    assert set(ask.contents()) == {row["arquivo"] for row in rows if row["situacao"] == "ok"}
    assert all("/" not in name and "\\" not in name for name in ask.contents())
    assert [] == ask.debris()


@old_and_new
def test_names_that_are_no_utf8(request_of, python):
    """A name in Latin-1 is found, read and packed, beside one in UTF-8."""
    ask = request_of(python=python)
    name = name_of("2025-11-03 10:00:00", src="João")
    ask.lay(f"2025/11/03/{name}".encode("latin-1"), wav(2))
    ask.lay(f"2025/11/03/{name_of('2025-11-03 10:00:01', src='Conceição')}".encode(), wav(3))
    assert "audio.collected" == ask.run()["code"]
    assert {name: wav(2), name_of("2025-11-03 10:00:01", src="Conceição"): wav(3)} == ask.contents()


@as_root
@oldest
def test_nothing_outside_the_window_is_looked_at(request_of, python):
    """Only the window's folders are listed, and one day beside: any other would refuse it."""
    ask = request_of(python=python, start="2025-11-03 00:00", end="2025-11-03 23:59")
    ask.command = lambda path: [*WITHOUT_PRIVILEGE, path]
    call = ask.put("2025-11-03 10:00:00")
    closed = [ask.put(f"2025-11-{day:02} 10:00:00").parent for day in (1, 5, 20)]
    passed = [ask.root, ask.root / "2025", ask.root / "2025/11"]  # may be entered, and not be listed
    for folder, mode in [*((folder, 0) for folder in closed), *((folder, 0o111) for folder in passed)]:
        folder.chmod(mode)
    try:
        done = ask.run()
        assert [call.name] == list(ask.contents())
        assert "audio.collected" == done["code"]
        call.parent.chmod(0)
        refused = ask.planned()
        call.parent.chmod(0o755)
    finally:
        for folder in [*passed, *closed]:
            folder.chmod(0o755)
    assert "audio.source_refused" == refused["code"]
    assert "2025/11/03: Permission denied" in refused["data"]["error"]


def test_nothing_found(ask):
    """Nothing in the window is an answer with the nearest recordings of these extensions, and no archive."""
    ask.put("2025-10-31 18:22:10")
    ask.put("2025-10-29 18:22:10")
    ask.put("2025-11-09 08:01:59")
    ask.put("2025-11-06 08:00:00", dst="1199")
    ask.put("2025-11-04 08:00:00", dst="1199")
    result = ask.run()
    assert ("audio.nothing_found", False) == (result["code"], result["changed"])
    assert {"before": "2025-10-31 18:22", "after": "2025-11-09 08:01"} == result["data"]["nearest"]
    assert (1, 0, 4) == tuple(result["data"][name] for name in ("scanned", "unparsed", "folders_missing"))
    assert ["queues"] == codes(result)
    assert not ask.state.exists()
    assert [] == list(ask.shelf.iterdir())


def test_nothing_found_for_weeks(ask):
    """Without a recording up to a week away there is no nearest one."""
    ask.put("2025-10-24 10:00:00")
    ask.put("2025-11-13 10:00:00")
    assert {"before": None, "after": None} == ask.run()["data"]["nearest"]


@pytest.mark.parametrize("limits", [{"files": 7}, {"bytes": 7 * len(wav()) + 1}], ids=["files", "bytes"])
def test_too_much(ask, limits):
    """Too much is refused before anything is read, and what would fit fits."""
    for minute in range(20):
        ask.put(f"2025-11-03 10:{minute:02}:30")
    ask.arguments["limits"] = limits
    refused = ask.check()
    (what,) = limits
    assert "audio.too_much" == refused["code"]
    assert (what, limits[what]) == (refused["data"]["what"], refused["data"]["limit"])
    assert refused["data"]["count"] == (20 if what == "files" else 20 * len(wav()))
    assert "2025-11-01 00:00 – 2025-11-03 10:06" == refused["data"]["fits"]
    ask.arguments["start"], ask.arguments["end"] = refused["data"]["fits"].split(" – ")
    assert 7 == ask.run()["data"]["files"]


def test_one_minute_that_is_too_much(ask):
    """Where the first minute is too much, nothing would fit."""
    for second in range(3):
        ask.put(f"2025-11-01 00:00:{second:02}")
    ask.arguments["limits"] = {"files": 2}
    assert ask.run()["data"]["fits"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "data"),
    [
        ({"audios_from": ""}, "no_source", {"missing": ["audios_from"]}),
        ({"publish": {}}, "no_source", {"missing": ["audio_collection_publish.type"]}),
        ({"publish": {"type": "s3"}}, "no_source", {"missing": ["audio_collection_publish.bucket"]}),
        (
            {"publish": {"type": "file", "url": "x"}}, "no_source",
            {"missing": ["audio_collection_publish.folder"]},
        ),
        (
            {"layout": {"timezone": "Mars/X"}}, "no_source",
            {"missing": ["audio_collection_layout.timezone"]},
        ),
        ({"layout": {"pattern": "("}}, "no_source", {"missing": ["audio_collection_layout.pattern"]}),
        ({"layout": {"root": "/nowhere/"}}, "source_refused", {"error": "/nowhere/: no such folder"}),
        ({"extensions": "112a"}, "error", {}),
        ({"extensions": []}, "error", {}),
        ({"extensions": "{{ 7 * 7 }}"}, "error", {}),
        ({"start": "2025-11-06 00:00"}, "bad_window", {"reason": "order", "field": "end"}),
        ({"end": "2025-12-31 00:00"}, "too_much", {"what": "days", "count": 61, "limit": 31}),
        ({"frobnicate": 1}, "error", {"error": "unknown argument frobnicate"}),
    ],
)  # fmt: skip
def test_bad_requests(request_of, arguments, code, data):
    """A request that cannot be is refused with its code and what to correct, and nothing is written."""
    ask = request_of(**arguments)
    ask.put("2025-11-03 10:00:00")
    result = ask.check()
    assert (f"audio.{code}", "failed") == (result["code"], result["outcome"])
    assert data.items() <= result["data"].items()
    assert "Traceback" not in result["msg"]


def test_extensions_in_any_way(request_of):
    """A list, doubled and unsorted, is the same request as a text with commas."""
    one = request_of("one", extensions=["1122", "1121", "1122"])
    assert ["1121", "1122"] == one.check()["data"]["extensions"]
    assert ["1121", "1122"] == request_of("two", extensions="1122, 1121;1121").check()["data"]["extensions"]


# ------------------------------------------------------------------------------- what changes on the way


@as_root
@old_and_new
def test_unreadable(request_of, python):
    """What may not be read is named in the result and in the manifest; the rest is delivered."""
    ask = request_of(python=python)
    ask.command = lambda path: [*WITHOUT_PRIVILEGE, path]
    kept, small, large = (
        twenty(ask)[0],
        ask.put("2025-11-04 10:00:00"),
        ask.put("2025-11-04 10:00:01", bytes(BIG)),
    )
    for path in (small, large):
        path.chmod(0)
    done = ask.run()
    assert ("audio.collected", 20) == (done["code"], done["data"]["files"])
    lost = [{"name": path.name, "why": "unreadable"} for path in (small, large)]
    assert lost == done["data"]["missing"]
    assert {"code": "audio.missing", "data": {"count": 2}} in done["notices"]
    rows = manifest(ask.archives()[0].read_bytes())
    assert [small.name, large.name] == [row["arquivo"] for row in rows if row["situacao"] == "ilegível"]
    assert kept.name in ask.contents()
    assert {"extension": "1121", "files": 20, "seconds": 40} == {
        name: done["data"]["per_extension"][0][name] for name in ("extension", "files", "seconds")
    }


@as_root
@old_and_new
def test_links_that_lead_out(request_of, python):
    """Who can write where recordings are gets nothing else collected: no file, no folder, no FIFO's wait, not
    what was put in a recording's place after the plan. What root has linked, such as another disk, is found.
    """
    ask = request_of("links", python=python)
    secret, disk = ask.folder / "secret", ask.folder / "disk"
    secret.mkdir()
    for folder in (secret, disk / "11" / "03"):
        folder.mkdir(parents=True, exist_ok=True)
    kept = disk / "11" / "03" / name_of("2025-11-03 10:00:00")
    kept.write_bytes(wav())
    os.utime(kept, (time.time() - 86400,) * 2)
    (ask.root / "2025").symlink_to(disk)
    linked = ask.put("2025-11-03 10:00:01")
    linked.unlink()
    (secret / "file").write_bytes(wav() * 2)
    linked.symlink_to(secret / "file")
    stolen = secret / name_of("2025-11-04 10:00:00")
    stolen.write_bytes(wav())
    (ask.root / "2025/11/04").symlink_to(secret)
    os.chown(ask.root / "2025/11/04", 12345, -1, follow_symlinks=False)
    pipe, swapped = ask.put("2025-11-03 10:00:02"), ask.put("2025-11-03 10:00:03")
    moved = ask.put("2025-11-02 10:00:00")
    planned = ask.planned()
    assert {"files": 4, "folders_missing": 3} == {
        key: planned["found"][key] for key in ("files", "folders_missing")
    }
    pipe.unlink()
    os.mkfifo(pipe)
    swapped.unlink()
    swapped.symlink_to(secret / "file")
    moved.parent.rename(ask.folder / "away")
    (ask.folder / "away").joinpath(moved.name).write_bytes(wav())
    moved.parent.symlink_to(ask.folder / "away")
    os.chown(moved.parent, 12345, -1, follow_symlinks=False)
    started = ask.begin(planned)
    done = ask.close(started, ask.wait(started))
    assert {kept.name: wav()} == ask.contents()
    assert {linked.name, pipe.name, swapped.name, moved.name} == {
        one["name"] for one in done["data"]["missing"]
    }
    assert {"unreadable"} == {one["why"] for one in done["data"]["missing"]}


@old_and_new
def test_between_plan_and_build(request_of, python):
    """A recording that vanished is missing; one that grew or shrank is delivered as far as planned, and
    said.
    """
    ask = request_of(python=python)
    whole, gone, grown, shrunk = twenty(ask)[:4]
    large = ask.put("2025-11-04 10:00:00", bytes(BIG))
    planned = ask.planned()
    gone.unlink()
    grown.write_bytes(wav(60))
    shrunk.write_bytes(wav(1))
    large.write_bytes(b"x" * (BIG + (3 << 20)))
    built = ask.wait(ask.begin(planned))
    assert {gone.name: "missing", grown.name: "changed", shrunk.name: "changed", large.name: "changed"} == {
        lost["name"]: lost["why"] for lost in built["archive"]["missing"]
    }
    contents = ask.contents()
    assert {gone.name} == {path.name for path in ask.root.rglob("*.wav")} - set(contents) | {gone.name}
    assert wav() == contents[whole.name]
    assert wav(60)[: len(wav()) + 1] == contents[grown.name]
    assert wav(1) == contents[shrunk.name]
    assert b"x" * (BIG + 1) == contents[large.name]


def test_all_of_it_vanished(ask):
    """When none of the recordings can be had there is no archive, and the answer says so."""
    call = ask.put("2025-11-03 10:00:00")
    planned = ask.planned()
    call.unlink()
    built = ask.wait(ask.begin(planned))
    assert ("audio.all_missing", 1) == (built["code"], built["data"]["missing_count"])
    assert [] == list(ask.shelf.iterdir())


def test_nothing_but_broken_links(ask):
    """When what was found can be seen to be unreadable, that is said before anything is started."""
    link = ask.put("2025-11-03 10:00:00")
    link.unlink()
    link.symlink_to("/mnt/old-disk/x")
    assert ("audio.all_missing", [{"name": link.name, "why": "unreadable"}]) == (
        (result := ask.check())["code"], result["data"]["missing"],
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- the archive


def test_the_same_request_again(ask):
    """An unchanged request gives the archive that is there, with what is known of it; a changed tree a new
    one.
    """
    twenty(ask)
    done = ask.run()
    before = ask.archives()[0].stat().st_ino
    again = ask.run()
    assert ("audio.reused", False) == (again["code"], again["changed"])
    assert done["data"] | {"expires": 0} == again["data"] | {"expires": 0}
    assert [before] == [path.stat().st_ino for path in ask.archives()]
    ask.put("2025-11-04 10:00:00")
    newer = ask.run()
    assert ("audio.collected", 21) == (newer["code"], newer["data"]["files"])
    assert newer["data"]["name"] != done["data"]["name"]


def test_nobody_guesses_the_name(request_of):
    """The same request with another controller's secret has another name: 128 bits that are not in the
    request.
    """
    names = []
    for name in ("one", "two"):
        ask = request_of(name, layout=None)
        ask.arguments["layout"] = {"root": str(ask.folder.parent / "shared")}
        (ask.folder.parent / "shared").mkdir(exist_ok=True)
        if name == "one":
            ask.root = ask.folder.parent / "shared"
            ask.put("2025-11-03 10:00:00")
        names.append(ask.run()["data"]["name"])
    stems = [name.rpartition("_") for name in names]
    assert stems[0][0] == stems[1][0] == "audios_gv1p_202511010000_202511052359"
    assert stems[0][2] != stems[1][2]
    assert 32 + len(".zip") == len(stems[0][2])


def test_old_archives_go(ask):
    """Archives beyond their days and what was left half-written long ago go; other people's files stay."""
    ask.put("2025-11-03 10:00:00")
    days = {
        "audios_old.zip": 8, "audios_new.zip": 6, ".audios_old.zip.part": 2, ".audios_new.zip.part": 0,
        "holiday.zip": 99, "index.html": 99,
    }  # fmt: skip
    for name, age in days.items():
        (ask.shelf / name).write_bytes(b"x")
        os.utime(ask.shelf / name, (time.time() - age * DAY,) * 2)
    name = ask.run()["data"]["name"]
    expected = {"audios_new.zip", ".audios_new.zip.part", "holiday.zip", "index.html", name}
    assert expected == {path.name for path in ask.shelf.iterdir()}


def test_old_requests_are_forgotten(ask):
    """What is known of a request goes when nobody has made it for as long as archives are kept."""
    call = ask.put("2025-11-03 10:00:00")
    ask.run()
    (old,) = [path for path in ask.state.iterdir() if path.is_dir()]
    os.utime(old / "plan", (time.time() - 8 * DAY,) * 2)
    ask.arguments["extensions"] = ["1121"]
    assert "audio.collected" == ask.run()["code"]
    assert not old.exists()
    assert call.exists()


def test_the_same_request_after_a_long_time(ask):
    """The same request, made again when what is known of it is old enough to go, works as the first time."""
    ask.put("2025-11-03 10:00:00")
    ask.run()
    for path in ask.state.rglob("*"):
        os.utime(path, (time.time() - 9 * DAY,) * 2)
    assert "audio.reused" == ask.run()["code"]
    ask.archives()[0].unlink()
    assert "audio.collected" == ask.run()["code"]


@oldest
def test_low_priority(request_of, python):
    """The builder yields to everything else, for processor and disk, and tells how far it is."""
    ask = request_of(python=python)
    twenty(ask)
    slow(ask, 0.15)
    started = ask.begin()
    wait_for(ask.builder)
    wait_for(lambda: os.getpriority(os.PRIO_PROCESS, ask.builder()) == 10)
    look = ["ionice", "-p", str(ask.builder())]
    wait_for(
        lambda: subprocess.run(look, capture_output=True, text=True, check=True).stdout.strip() == "idle"
    )
    assert os.getsid(ask.builder()) != os.getsid(0)
    built = ask.wait(started)
    assert 20 == built["archive"]["files"]
    told = [(one["files"], one["bytes"]) for one in ask.progress]
    assert sorted(told) == told
    assert any(0 < files < 20 for files, _bytes in told)  # once is enough: a busy machine asks seldom
    assert {(20, 20 * len(wav()))} >= {(one["of"], one["of_bytes"]) for one in ask.progress if one["of"]}


# ---------------------------------------------------------------------------------------- two at a time


def test_a_newer_run_takes_over(ask):
    """The same request while an older builder runs: the newer one gets the archive, the older one is told."""
    twenty(ask)
    older, newer = ask, copy.copy(ask)
    slow(ask, 0.5)
    first = older.begin()
    wait_for(older.builder)
    pid = older.builder()
    newer.changes = {}
    second = newer.begin()
    assert not os.path.exists(f"/proc/{pid}") or newer.builder() != pid  # noqa: PTH110
    built = newer.wait(second)
    assert 20 == built["archive"]["files"]
    assert older.wait(first)["code"] in ("audio.busy", "audio.stopped")
    assert "audio.collected" == newer.close(second, built)["code"]
    assert 20 == len(ask.contents())
    assert [] == ask.debris()


def test_two_at_once(ask):
    """Two runs of one request at the same moment end, at least one with the archive; it is whole."""
    twenty(ask)
    results = []
    threads = [threading.Thread(target=lambda: results.append(copy.copy(ask).run())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends = {result["code"] for result in results}
    assert len(results) == 2
    assert ends & {"audio.collected", "audio.reused"}
    assert ends <= {"audio.collected", "audio.reused", "audio.busy", "audio.stopped"}
    assert 20 == len(ask.contents())
    assert [] == ask.debris()


# ------------------------------------------------------------------------------------------- a full disk


@as_root
@pytest.mark.parametrize("reserve", [None, 4 << 20])
def test_too_little_space(ask, reserve):
    """An archive that would not leave the reserve free is refused with both figures, and nothing is
    written.
    """
    twenty(ask)
    ask.arguments["publish"]["reserve"] = reserve
    with disk(ask.shelf, "4m"):
        result = ask.wait(ask.begin())
        assert "audio.no_space" == result["code"]
        assert 4 << 20 >= result["data"]["free"] > 3 << 20
        assert result["data"]["needed"] >= (reserve or 1 << 30) + 20 * len(wav())
        assert [] == list(ask.shelf.iterdir())


@as_root
@oldest
def test_the_disk_fills_up_in_the_middle(request_of, python):
    """A disk that others fill while the archive is written is a clear answer, and no debris; then it
    works.
    """
    ask = request_of(python=python)
    twenty(ask)
    slow(ask, 0.05)
    with disk(ask.shelf, "2m"):
        started = ask.begin()
        wait_for(lambda: list(ask.shelf.glob(".*.part")))
        with pytest.raises(OSError, match="No space left"), (ask.shelf / "filler").open("wb") as file:
            file.write(bytes(4 << 20))
        result = ask.wait(started)
        assert ("audio.no_space", 0) == (result["code"], result["data"]["free"])
        assert result["data"]["needed"] >= 20 * len(wav())
        assert ["filler"] == [path.name for path in ask.shelf.iterdir()]
        (ask.shelf / "filler").unlink()
        assert "audio.collected" == ask.run()["code"]
        assert 20 == len(ask.contents())


@as_root
def test_no_space_for_the_state(ask):
    """A full disk below the state is said as such."""
    twenty(ask)
    with disk(ask.state, "64k"):
        with pytest.raises(OSError, match="No space left"), (ask.state / "filler").open("wb") as file:
            file.write(bytes(1 << 20))
        assert "audio.no_space" == ask.planned()["code"]


@pytest.mark.parametrize("what", ["shelf", "root"])
def test_a_folder_that_is_gone(ask, what):
    """A folder that vanished before the archive is built is named, whichever it is."""
    twenty(ask)
    planned = ask.planned()
    folder = {"shelf": ask.shelf, "root": ask.root}[what]
    folder.rename(folder.with_name("elsewhere"))
    started = ask.begin(planned)
    result = started if started["failed"] else ask.wait(started)
    assert ("audio.publish_failed" if what == "shelf" else "audio.source_refused") == result["code"]
    assert str(folder) in result["data"]["error"]


# ------------------------------------------------------------------------------------------------ killed


def killed(ask, kill, seconds):
    """Build, kill the builder after some time, look; then build again."""
    started = ask.begin()
    time.sleep(seconds)
    pid = ask.builder()
    if pid:
        kill(pid)
    built = ask.wait(started)
    assert built.get("code") in (None, "audio.stopped")
    for archive in ask.archives():
        assert 20 == len(unpacked(archive.read_bytes()))
    assert [] == ask.debris()
    assert ask.run()["code"] in ("audio.collected", "audio.reused")
    assert 20 == len(ask.contents())
    assert [] == ask.debris()
    return built


@oldest
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_builder_is_killed(request_of, python, number):
    """A builder that is killed in the middle leaves nothing half-published, and the next run finishes."""
    ask = request_of(python=python)
    twenty(ask)
    slow(ask, 0.03)

    def kill(pid):
        wait_for(lambda: list(ask.shelf.glob(".*.part")))
        os.kill(pid, number)

    assert "audio.stopped" == killed(ask, kill, 0.1)["code"]


def test_patience_ends(ask):
    """An archive that takes longer than it may is given up with its own code, and leaves nothing."""
    twenty(ask)
    slow(ask, 0.3)
    ask.arguments["patience"] = 1
    result = ask.run()
    assert ("audio.too_slow", 20) == (result["code"], result["data"]["of"])
    assert 0 < result["data"]["files"] < 20
    assert ([], []) == (ask.archives(), ask.debris())


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 25))])
def test_the_builder_is_killed_at_any_moment(ask, seed):
    """Whenever the builder is killed, an archive is there as a whole or not at all, and the next run
    finishes.
    """
    twenty(ask)
    slow(ask, 0.005)
    killed(ask, lambda pid: os.kill(pid, signal.SIGKILL), random.Random(seed).uniform(0, 0.3))  # noqa: S311 - no secret


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 25))])
def test_a_step_is_killed_at_any_moment(ask, seed):
    """Whenever a step on the collector is killed, the next run finishes, and no builder stays for ever."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    twenty(ask)
    planned = ask.planned()
    ask.begin(planned)
    ask.wait({"reused": False})
    ask.archives()[0].unlink()
    for state in ("planned", "started"):
        process = ask.popen(state, **ask.shared)
        time.sleep(chance.uniform(0, 0.25))
        process.kill()
        process.communicate()
    assert ask.run()["code"] in ("audio.collected", "audio.reused")
    assert 20 == len(ask.contents())
    assert [] == ask.debris()


def test_nobody_asks(ask):
    """A builder that nobody asks how far it is ends by itself, and leaves nothing."""
    twenty(ask)
    slow(ask, 0.5)
    ask.changes["PATIENCE = 90 "] = "PATIENCE = 1 "
    ask.begin()
    wait_for(ask.builder)
    wait_for(lambda: not ask.builder())
    (result,) = ask.state.glob("*/result")
    assert "audio.stopped" == json.loads(result.read_bytes())["code"]
    assert [] == list(ask.shelf.iterdir())


def test_an_end_in_the_future(ask):
    """A window that ends later today has what there is until now, and what is still being recorded is
    said.
    """
    local = datetime.now(ZONE) - timedelta(hours=1)
    ask.arguments.update(start=f"{local:%Y-%m-%d} 00:00", end=f"{local:%Y-%m-%d} 23:59")
    ended = ask.put(f"{local:%Y-%m-%d %H:%M:%S}", number=1)
    going_on = ask.put(f"{local:%Y-%m-%d %H:%M:%S}", number=2)
    os.utime(going_on)
    done = ask.run()
    assert [ended.name] == list(ask.contents())
    assert ["recording_now"] == codes(done)
