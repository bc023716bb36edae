"""The module's pure parts: window, layouts, the plan, the ZIP, durations, the manifest."""

import csv
import datetime as dt
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import time
import wave
import zipfile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tests.roles.audio_collection.request import MANIFEST, MODULE, PYTHONS, VERSIONS, name_of, wav

HOUR, DAY = 3600, 86400
ZONE = "America/Sao_Paulo"  # daylight saving until 2019, at midnight
NOW = 1762700000  # 2025-11-09
FIRST, LAST = "2025-11-01 00:00", "2025-11-05 23:59"

# ----------------------------------------------------------------------------------------------- window


def refused(module, start, end, **more):
    with pytest.raises(module.Stop) as stop:
        module.window(start, end, more.get("zone", ZONE), more.get("days", 31), more.get("now", NOW))
    return stop.value.code.removeprefix("audio."), stop.value.data


def test_window_is_inclusive(module):
    """The first minute's first second and the last minute's last second belong to the window."""
    span = module.window(FIRST, LAST, ZONE, 31, NOW)
    assert (1761966000, 1762398000) == (span["from"], span["to"])
    assert (FIRST, LAST) == (span["start"], span["end"])


@given(
    st.datetimes(dt.datetime(2017, 10, 1), dt.datetime(2019, 3, 1)),  # noqa: DTZ001 - local
    st.integers(0, 20 * 24 * 60),
    st.sampled_from([ZONE, "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "America/New_York"]),
    st.lists(st.integers(-7 * DAY, 27 * DAY), min_size=20, max_size=20),
)
@example(dt.datetime(2018, 11, 3, 0, 30), 1440, ZONE, [84660])  # noqa: DTZ001 - local
def test_offsets_are_those_of_the_zone(module, start, minutes, zone, seconds):
    """For any window, every moment around it has the wall clock of its zone, whenever clocks were changed."""
    end = start + dt.timedelta(minutes=minutes)
    try:
        span = module.window(start.strftime(module.MINUTE), end.strftime(module.MINUTE), zone, 31, NOW)
    except module.Stop as stop:
        assume(stop.data.get("reason") != "nonexistent")
        raise
    for second in seconds:
        epoch = min(span["from"] + second, span["to"] + 7 * DAY)
        local = dt.datetime.fromtimestamp(epoch, ZoneInfo(zone))
        assert f"{local:%Y-%m-%d %H:%M:%S}" == module.clock(module.local_seconds(epoch, span["offsets"]))


def test_an_hour_that_comes_twice_is_in_it_twice(module):
    """23:30 to 23:30 on the night of 2018-02-17 has both minutes of that name, and what lies between."""
    span = module.window("2018-02-17 23:30", "2018-02-17 23:30", ZONE, 31, NOW)
    assert HOUR + 60 == span["to"] - span["from"]


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [("2018-11-04 00:00", "2018-11-05 00:00", "start"), ("2018-11-03 00:00", "2018-11-04 00:59", "end")],
)
def test_a_skipped_hour_does_not_exist(module, start, end, field):
    """An hour that daylight saving skipped is refused, and the minutes beside it are not."""
    assert ("bad_window", {"reason": "nonexistent", "field": field}) == refused(module, start, end)
    span = module.window("2018-11-03 23:59", "2018-11-04 01:00", ZONE, 31, NOW)
    assert 120 == span["to"] - span["from"]


@pytest.mark.parametrize(
    "text",
    [
        "2025-02-31 00:00",
        "2025-02-29 00:00",
        "2025-11-01 24:00",
        "2025-13-01 00:00",
        "2025-11-01 00:60",
        "2025-11-01",
        "2025-11-01T00:00",
        "01/11/2025 00:00",
        "",
        "{{ 7 * 7 }}",
        "0001-01-01 00:00",
        "9999-12-31 23:59",
        20251101,
    ],
)
@pytest.mark.parametrize("field", ["start", "end"])
def test_what_is_no_minute_is_refused(module, text, field):
    """A date that does not exist, or is none, is refused with the name of its field."""
    window = {"start": FIRST, "end": LAST, field: text}
    assert ("bad_window", {"reason": "invalid", "field": field}) == refused(
        module, window["start"], window["end"]
    )


def test_leap_day(module):
    """29 February is a day in 2024."""
    span = module.window("2024-02-29 00:00", "2024-02-29 23:59", ZONE, 31, NOW)
    assert DAY == span["to"] - span["from"]


def test_order_and_future(module):
    """An end before the start, and a start in the future, are told apart; today's window may end tonight."""
    assert ("bad_window", {"reason": "order", "field": "end"}) == refused(module, LAST, FIRST)
    assert ("bad_window", {"reason": "future", "field": "start"}) == refused(
        module, "2025-11-10 00:00", "2025-11-10 01:00"
    )
    assert "2025-11-09 23:59" == module.window("2025-11-09 00:00", "2025-11-09 23:59", ZONE, 31, NOW)["end"]


@given(st.integers(1, 40), st.integers(0, 60))
def test_too_many_days(module, limit, more):
    """More days than the limit are refused with a window that fits, and that is the longest from its
    start.
    """
    end = dt.datetime(2025, 8, 1, 23, 59) + dt.timedelta(more)  # noqa: DTZ001 - local
    assume(more >= limit)
    code, data = refused(module, "2025-08-01 10:30", end.strftime(module.MINUTE), days=limit)
    assert ("too_much", "days", more + 1, limit) == (code, data["what"], data["count"], data["limit"])
    start, end = data["fits"].split(" – ")
    module.window(start, end, ZONE, limit, NOW)
    longer = dt.datetime.strptime(end, module.MINUTE) + dt.timedelta(minutes=1)  # noqa: DTZ007 - local
    assert "too_much" == refused(module, start, longer.strftime(module.MINUTE), days=limit)[0]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "america/sao paulo", "", "."])
def test_unknown_time_zone(module, zone):
    """A time zone that does not exist is a variable to fill in."""
    assert ("no_source", {"missing": ["audio_collection_layout.timezone"]}) == refused(
        module, FIRST, LAST, zone=zone
    )


# ----------------------------------------------------------------------------------------------- layout


def layout_of(module, given=None, extensions=("1121", "1122"), start=FIRST, end=LAST):
    return module.Layout(given, list(extensions), module.window(start, end, ZONE, 31, NOW))


def found(module, root, given=None, **more):
    """The plan for a tree, as the step makes it."""
    layout = layout_of(module, {**(given or {}), "root": f"{root}/"}, **more)
    return module.look_through(layout, module.Local(layout.root), layout.from_wall, layout.to_wall, NOW)


def lay(root, path, content=None, mtime=NOW - DAY):
    whole = root / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(wav() if content is None else content)
    os.utime(whole, (mtime, mtime))


EPOCH = 1762174800  # 2025-11-03 10:00:00
MAGNUS = {
    "prefix": "{tenant}/",
    "pattern": r"(?P<src>[^-/]+)-(?P<dst>[^.]*)\.(?P<uid>\d{9,10}\.\d+)\.(?P<fmt>\w+)",
    "ext_fields": {"default": ["src"]},
}
MIKO = {
    "prefix": "{Y}/{m}/{d}/{H}/",
    "pattern": r"mikopbx-(?P<uid>\d+\.\d+)_(?P<extension>\d+)\.(?P<fmt>\w+)",
}
QUEUES = {
    "prefix": "{tenant}/",
    "pattern": r"q(?P<dst>\d+)-(?P<date>\d{8})-(?P<time>\d{6})-(?P<uid>\d+\.\d+)\.(?P<fmt>\w+)",
}
BY_EXTENSION = {
    "prefix": "{ext}/{Y}{m}{d}-",
    "pattern": r"(?P<date>\d{8})-(?P<time>\d{6})-(?P<extension>\d+)\.wav",
}
BY_TYPE = {"prefix": "{type}/x-{Y}-{m}/"}
TWO = {"pattern": r"a(?P<src>\d+)|b(?P<dst>\d+)\.wav", "time_from": "mtime"}
FLAGS = {"pattern": r"(?i)A-(?P<extension>\d+)\.WAV", "time_from": "mtime"}


@pytest.mark.parametrize(
    ("given", "path", "expected"),
    [
        ({}, "2025/11/03/out-5511-1121-20251103-100000-1762174800.1.wav", ["1121"]),
        ({}, "2025/11/03/out-1121-5511-20251103-100000-1762174800.1.wav", None),
        ({}, "2025/11/03/external-1121-5511-20251103-100000-1762174800.1.wav", ["1121"]),
        ({}, "2025/11/03/external-5511-1121-20251103-100000-1762174800.1.wav", None),
        ({}, "2025/11/03/internal-1121-1122-20251103-100000-1762174800.1.wav", ["1121", "1122"]),
        ({}, "2025/11/03/internal-1121-1121-20251103-100000-1762174800.1.wav", ["1121"]),
        ({}, "2025/11/03/q-500-5511-20251103-100000-1762174800.1.wav", None),
        ({}, "2025/11/03/exten-1122-5511-20251103-100000-pbx.lab-1762174800.1.WAV", ["1122"]),
        ({}, "2025/11/03/external-1121-anonymous-20251103-100000-1762174800.1.gsm", ["1121"]),
        (MAGNUS, "acct1/1121-551140041121.1762174800.9.gsm", ["1121"]),
        (MAGNUS, "acct1/5511-1121.1762174800.9.gsm", None),
        (MIKO, "2025/11/03/10/mikopbx-1762174800.9_1122.mp3", ["1122"]),
        (QUEUES, "pbx.lab.example/q1121-20251103-100000-1762174800.9.wav", ["1121"]),
        (BY_EXTENSION, "1121/20251103-100000-1121.wav", ["1121"]),
        (BY_EXTENSION, "1123/20251103-100000-1121.wav", None),
        (BY_TYPE, "out/x-2025-11/out-5511-1121-20251103-100000-1762174800.1.wav", ["1121"]),
        (BY_TYPE, "out/x-2025-09/out-5511-1121-20251103-100000-1762174800.1.wav", None),
        (TWO, "2025/11/03/a1121", ["1121"]),
        (TWO, "2025/11/03/a1121.wav", None),
        (TWO, "2025/11/03/b1122.wav", ["1122"]),
        (FLAGS, "2025/11/03/a-1121.wav", ["1121"]),
    ],
)
def test_layouts(module, tmp_path, given, path, expected):
    """A recording of each known layout is found by the fields that hold the extension, at its time."""
    lay(tmp_path, path, mtime=EPOCH)
    plan = found(module, tmp_path, given)
    assert ([expected] if expected else []) == [recording.extensions for recording in plan.recordings]
    assert {"2025-11-03 10:00:00"} >= {module.clock(recording.at) for recording in plan.recordings}


@given(st.text("0123456789", min_size=1, max_size=14), st.text("0123456789+*# ", max_size=14))
def test_whole_fields_alone(module, extension, other):
    """An extension is in a name when a field is it, and never when a field only has it inside."""
    layout = layout_of(module, extensions=[extension])
    expected = [extension] if extension == other else []
    assert expected == layout.read(name_of("2025-11-03 10:00:00", "external", other, "99").encode())[0]
    assert expected == layout.read(name_of("2025-11-03 10:00:00", "out", "99", other).encode())[0]
    assert (
        [] == layout.read(name_of("2025-11-03 10:00:00", "in", f"55{extension}", f"{extension}0").encode())[0]
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80))
def test_no_name_breaks_the_reading(module, name):
    """Any bytes can be a file's name: they are read, or counted as no name of ours."""
    assert (None, []) != layout_of(module).read(name)


def test_the_edges_of_the_window(module, tmp_path):
    """The first second and the last one are in; one second before and one after are out."""
    for stamp in ("2025-11-01 00:00:00", "2025-11-05 23:59:59", "2025-10-31 23:59:59", "2025-11-06 00:00:00"):
        lay(tmp_path, f"{stamp[:10].replace('-', '/')}/{name_of(stamp)}")
    plan = found(module, tmp_path)
    assert ["2025-11-01 00:00:00", "2025-11-05 23:59:59"] == [module.clock(one.at) for one in plan.recordings]


def test_partitions_by_the_hour(module, tmp_path):
    """With folders for hours those of the window are looked at, with one beside for a clock that was off."""
    layout = layout_of(
        module, {"prefix": "{Y}/{m}/{d}/{H}/"}, start="2025-11-01 22:30", end="2025-11-02 01:10"
    )
    folders = list(layout.folders(module.Local(str(tmp_path)), layout.from_wall, layout.to_wall))
    own = ["2025/11/01/22/", "2025/11/01/23/", "2025/11/02/00/", "2025/11/02/01/"]
    assert [(path, True) for path in own] == folders[:4]
    assert {("2025/11/01/21/", False), ("2025/11/02/02/", False)} == set(folders[4:])


def test_slack_days(module, tmp_path):
    """A tree that is partitioned by the day of the upload is looked through with its slack, and found by
    the name.
    """
    lay(tmp_path, "2025/11/07/" + name_of("2025-11-05 12:00:00"))
    assert 0 == len(found(module, tmp_path, {"slack_days": 1}).recordings)
    assert 1 == len(found(module, tmp_path, {"slack_days": 2}).recordings)


@pytest.mark.parametrize(
    ("shown", "expected"), [(HOUR, 1), (-HOUR, 1), (HOUR + 200, 1), (2 * HOUR, 0), (HOUR + 400, 0)]
)
def test_a_clock_that_is_an_hour_off(module, tmp_path, shown, expected):
    """Where stamp and epoch disagree by an hour the epoch counts, and it is counted; otherwise the stamp
    does.
    """
    stamp = module.clock(EPOCH - 3 * HOUR + shown)
    name = name_of(stamp).replace(f"-{EPOCH + shown}.", f"-{EPOCH}.")
    assert f"-{EPOCH}." in name
    lay(tmp_path, f"2025/11/03/{name}")
    plan = found(module, tmp_path)
    assert expected == plan.clock
    assert ["2025-11-03 10:00:00" if expected else stamp] == [module.clock(one.at) for one in plan.recordings]


@pytest.mark.parametrize(
    ("true", "shown", "expected"),
    [
        ("2025-11-05 23:40:00", "2025-11-06 00:40:00", 1),
        ("2025-11-01 00:20:00", "2025-10-31 23:20:00", 1),
        ("2025-10-31 23:40:00", "2025-11-01 00:40:00", 0),
        ("2025-11-06 00:20:00", "2025-11-05 23:20:00", 0),
    ],
)
def test_a_clock_that_is_off_at_the_window_s_edge(module, tmp_path, true, shown, expected):
    """A call of the window's first or last hour is found in the folder of the day beside, and one of
    outside is not.
    """
    epoch = name_of(true).rsplit("-", 1)[1]
    lay(tmp_path, f"{shown[:10].replace('-', '/')}/{name_of(shown).rsplit('-', 1)[0]}-{epoch}")
    plan = found(module, tmp_path)
    assert [true] * expected == [module.clock(one.at) for one in plan.recordings]


def test_the_neighbours_are_not_counted(module, tmp_path):
    """Folders beside the window's are looked at for clocks that were off, but stand in no count."""
    for day in ("2025/10/31", "2025/11/03", "2025/11/06"):
        lay(tmp_path, f"{day}/Thumbs.db")
    plan = found(module, tmp_path)
    assert (1, 1, 4) == (plan.scanned, plan.unparsed, len(plan.no_folder))


def test_headers_without_sound_and_calls_that_go_on(module, tmp_path):
    """What is under the smallest size, and what was written to in the last minute, is left out and
    counted.
    """
    lay(tmp_path, "2025/11/03/" + name_of("2025-11-03 10:00:00"), wav(0))
    lay(tmp_path, "2025/11/03/" + name_of("2025-11-03 10:00:01"), b"")
    lay(tmp_path, "2025/11/03/" + name_of("2025-11-03 10:00:02"), mtime=NOW - 59)
    lay(tmp_path, "2025/11/03/" + name_of("2025-11-03 10:00:03"), mtime=NOW - 61)
    plan = found(module, tmp_path)
    assert (2, 1, 1) == (plan.short, plan.recording_now, len(plan.recordings))


@pytest.mark.parametrize(
    ("given", "missing"),
    [({"pattern": "("}, "pattern"), ({"rot": "/"}, "rot"), ({"prefixes": "{Y}"}, "prefixes")],
)
def test_a_layout_that_is_none(module, given, missing):
    """A layout with an unknown key or a broken pattern names what to correct."""
    with pytest.raises(module.Stop) as stop:
        layout_of(module, given)
    assert ("audio.no_source", [f"audio_collection_layout.{missing}"]) == (
        stop.value.code,
        stop.value.data["missing"],
    )


# ------------------------------------------------------------------------------------------------- plan


def recording(module, at, size=10, name="a.wav", *, tag="1", extensions=("1121",)):
    return module.Recording(f"/r/{name}", name, size, at, list(extensions), tag)


@given(
    st.lists(
        st.tuples(st.integers(0, 6 * 60), st.integers(0, 59), st.integers(1, 50)), min_size=1, max_size=30
    ),
    st.integers(1, 20),
    st.integers(1, 400),
)
def test_what_fits(module, calls, files, size):
    """Too much is refused with the longest window from its start, in minutes, that keeps the limits."""
    begin = module.wall("2025-11-01 09:00")
    span = {"start": "2025-11-01 09:00"}
    plan = module.Plan()
    plan.recordings = [
        recording(module, begin + minute * 60 + second, of) for minute, second, of in sorted(calls)
    ]
    limits = {"files": files, "bytes": size}

    def keeps(end):
        taken = [one.size for one in plan.recordings if one.at < end]
        return len(taken) <= files and sum(taken) <= size

    ends = [begin + 60 * minute for minute in range(1, 6 * 60 + 2)]
    fitting = [end for end in ends if keeps(end)]
    try:
        module.too_much(plan, limits, span)
    except module.Stop as stop:
        assert fitting != ends
        longest = module.clock(fitting[-1] - 60)[:16] if fitting else None
        assert (f"2025-11-01 09:00 – {longest}" if longest else None) == stop.data["fits"]
        assert stop.data["count"] > stop.data["limit"]
    else:
        assert fitting == ends


def test_digest_is_that_of_the_content(module):
    """The digest changes with any path, size, content's mark and loss, and with nothing else."""

    def digest(*recordings, gone=()):
        plan = module.Plan()
        plan.recordings, plan.gone = list(recordings), list(gone)
        return plan.digest()

    one = recording(module, 5)
    lost = {"name": "b.wav", "why": "archived"}
    others = [
        digest(), digest(recording(module, 5, size=11)), digest(recording(module, 5, tag="2")),
        digest(recording(module, 5, name="b.wav")), digest(one, gone=[lost]),
        digest(one, gone=[{**lost, "why": "unreadable"}]),
    ]  # fmt: skip
    assert digest(one) == digest(recording(module, 5))
    assert len({digest(one), *others}) == len(others) + 1


def test_per_extension(module):
    """Each extension that was asked for has a row with its days, found or not; an unknown duration makes
    the sum so.
    """
    day = module.wall("2025-11-01 10:00")
    calls = [
        recording(module, day, 10, "a.wav", extensions=("1121", "1122")),
        recording(module, day + DAY, 20, "b.wav"),
        recording(module, day + DAY, 30, "c.mp3"),
    ]
    rows = module.per_extension(calls, {"/r/a.wav": 1.4, "/r/b.wav": 2.0}, ["1121", "1122", "1123"])
    days = [{"day": "2025-11-01", "files": 1}, {"day": "2025-11-02", "files": 2}]
    assert [
        {"extension": "1121", "files": 3, "bytes": 60, "seconds": None, "days": days},
        {"extension": "1122", "files": 1, "bytes": 10, "seconds": 1, "days": days[:1]},
        {"extension": "1123", "files": 0, "bytes": 0, "seconds": None, "days": []},
    ] == rows


# -------------------------------------------------------------------------------------------------- ZIP


def zipped(module, entries):
    """-> (the archive's bytes, the names that entries got)"""
    out = io.BytesIO()
    archive = module.Zip(out.write)
    names = []
    for name, at, content in entries:
        names.append(archive.free_name(name))
        whole = content if isinstance(content, bytes) else b"".join(content)
        told = archive.add(names[-1], at, content if isinstance(content, bytes) else iter(content))
        assert (len(whole), hashlib.sha256(whole).hexdigest()) == told
    archive.close()
    return out.getvalue(), names


HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\x.wav",
    "C:\\x.wav",
    "..",
    ".",
    "",
    " ",
    "...",
    "a\nb.wav",
    'a";b.wav',
    "João.wav",
    "CON.wav",
    "a\x00b.wav",
    "A.WAV",
    "a.wav",
    "a.wav",
    "a__2.wav",
    "x" * 300 + ".wav",
    "\u202egnp.wav",
    ".wav",
    MANIFEST,
    "日本.wav",
]
NAMES = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
CONTENTS = st.one_of(st.binary(max_size=50), st.lists(st.binary(max_size=20), max_size=4))


@given(st.lists(st.tuples(NAMES, st.integers(0, 4102444799), CONTENTS), max_size=12))
def test_zip_is_one_for_zipfile(module, entries):
    """What is written, whole or piece by piece, under any names, zipfile reads back with its sums and
    times.
    """
    data, names = zipped(module, entries)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert names == archive.namelist()
        for info, (_name, at, content) in zip(archive.infolist(), entries, strict=True):
            assert (content if isinstance(content, bytes) else b"".join(content)) == archive.read(info)
            moment = time.gmtime(max(at, 315532800))
            assert (*moment[:5], moment.tm_sec // 2 * 2) == info.date_time


@given(st.lists(NAMES, max_size=20))
def test_names_unpack_where_they_should(module, names):
    """No name leaves the folder, is empty, or is another's on a system that takes no notice of case."""
    archive = module.Zip(lambda _data: None)
    taken = [archive.free_name(name) for name in names]
    assert len(taken) == len({name.lower() for name in taken})
    for name in taken:
        assert name not in ("", ".", "..")
        assert not set(name) & set('/\\:*?"<>|\0\r\n\x7f')
        assert name == name.strip(" .")


@pytest.mark.parametrize("program", [["unzip", "-t"], ["7z", "t"]], ids=lambda program: program[0])
def test_zip_is_one_for_other_programs(module, tmp_path, program):
    """unzip and 7z find no fault in an archive with hostile names, empty entries and entries in pieces."""
    if not shutil.which(program[0]):
        pytest.skip(f"no {program[0]} on this machine")
    entries = [(name, EPOCH, wav(0.1)) for name in HOSTILE]
    entries += [
        ("pieces.wav", EPOCH, [wav(0.1), b"", b"x" * 70000]),
        ("none.wav", EPOCH, []),
        ("empty.wav", 0, b""),
    ]
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(module, entries)[0])
    done = subprocess.run([*program, path], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


def test_beyond_four_gigabytes(module, tmp_path):
    """Entries that begin beyond 4 GiB are found there: the format's 64-bit fields say where."""
    path = tmp_path / "a.zip"
    with path.open("wb") as file:
        archive = module.Zip(file.write)
        archive.add("first.wav", EPOCH, b"first")
        file.seek(5 << 30)  # a hole: the file takes no room
        archive.offset = 5 << 30
        archive.add("whole.wav", EPOCH, b"whole")
        archive.add("pieces.wav", EPOCH, iter([b"pie", b"ces"]))
        archive.close()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert [b"first", b"whole", b"pieces"] == [archive.read(name) for name in archive.namelist()]


def test_more_entries_than_sixteen_bits_count(module):
    """70,000 entries are 70,000 entries."""
    out = io.BytesIO()
    archive = module.Zip(out.write)
    for number in range(70000):
        archive.add(f"{number}.wav", EPOCH, b"x")
    archive.close()
    with zipfile.ZipFile(out) as opened:
        assert 70000 == len(opened.namelist())
        assert b"x" == opened.read("69999.wav")


@pytest.mark.long
def test_an_entry_of_more_than_four_gigabytes(module, tmp_path):
    """A recording of more than 4 GiB is read back with its size and sum."""
    piece, count = b"\0" * (64 << 20), 65
    path = tmp_path / "a.zip"
    with path.open("wb") as file:

        def write(data):
            if data is piece:
                file.seek(len(data), os.SEEK_CUR)
            else:
                file.write(data)

        archive = module.Zip(write)
        archive.add("big.wav", EPOCH, (piece for _ in range(count)))
        archive.add("after.wav", EPOCH, b"after")
        archive.close()
    with zipfile.ZipFile(path) as opened:
        assert [count * len(piece), 5] == [info.file_size for info in opened.infolist()]
        assert opened.testzip() is None
        assert b"after" == opened.read("after.wav")


PROGRAM = """
import json, sys
names = {"__name__": "audio_collection"}
with open(sys.argv[1], "rb") as file:
    exec(compile(file.read(), sys.argv[1], "exec"), names)
out = []
archive = names["Zip"](out.append)
for name in json.loads(sys.argv[2]):
    archive.add(archive.free_name(name), 1762174800, b"RIFF\\0\\xff" * 99)
    archive.add(archive.free_name(name), 1762174801, iter([b"a", b"\\xff" * 9]))
archive.add(u"m.csv", 1762174801, names["manifest"]([[u"1121", name] for name in json.loads(sys.argv[2])]))
archive.close()
print(names["hashlib"].sha256(b"".join(out)).hexdigest())
"""


def test_the_same_bytes_on_every_python(tmp_path):
    """The same entries give the same archive, byte by byte, on Python 2.7 and on each newer one."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    names = json.dumps([name for name in HOSTILE if "\0" not in name])
    pythons = [PYTHONS[version] for version in VERSIONS if PYTHONS[version]]
    assert len(pythons) > 1, "there is one Python alone on this machine"
    sums = {
        subprocess.run(
            [python, "-B", program, MODULE, names], capture_output=True, text=True, check=True
        ).stdout
        for python in pythons
    }
    assert 1 == len(sums)


# ---------------------------------------------------------------------------------- duration, manifest


def riff(*chunks):
    body = b"".join(name + struct.pack("<L", told) + data for name, told, data in chunks)
    return b"RIFF" + struct.pack("<L", 4 + len(body)) + b"WAVE" + body


FMT = (b"fmt ", 16, struct.pack("<HHLLHH", 1, 1, 8000, 16000, 2, 16))
WAV49 = (b"fmt ", 20, struct.pack("<HHLLHHHH", 49, 1, 8000, 1625, 65, 0, 2, 320))
SOUND = bytes(32000)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.wav", wav(2), 2.0),
        ("a.WAV", riff(WAV49, (b"fact", 4, bytes(4)), (b"data", 16250, bytes(16250))), 10.0),
        ("a.wav", riff(FMT, (b"data", 0, SOUND)), 2.0),  # the writer was killed
        ("a.wav", riff(FMT, (b"data", 0xFFFFFFFF, SOUND)), 2.0),
        ("a.wav", riff((b"LIST", 3, b"abc\0"), FMT, (b"data", 32000, SOUND)), 2.0),
        ("a.wav", riff((b"data", 32000, SOUND)), None),
        ("a.wav", b"RIFF", None),
        ("a.wav", b"", None),
        (
            "a.wav",
            riff((b"fmt ", 16, struct.pack("<HHLLHH", 1, 1, 0, 0, 2, 16)), (b"data", 9, bytes(9))),
            None,
        ),
        ("a.gsm", bytes(1650), 1.0),
        ("a.ulaw", bytes(8000), 1.0),
        ("a.mp3", bytes(8000), None),
        ("noform", bytes(8000), None),
    ],
)
def test_duration(module, name, data, expected):
    """Seconds come from a WAV's header or a telephone codec's rate, and are unknown rather than wrong."""
    assert expected == module.duration(name, data[:256], len(data))


@given(st.integers(1, 4), st.sampled_from([8000, 16000, 44100]), st.integers(1, 2), st.integers(0, 3000))
def test_duration_is_that_of_wave(module, width, rate, channels, frames):
    """Any WAV that Python's own library writes has the duration that it says."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setparams((channels, width, rate, 0, "NONE", ""))
        sound.writeframes(bytes(frames * width * channels))
    data = out.getvalue()
    if frames:
        assert frames / rate == pytest.approx(module.duration("a.wav", data[:256], len(data)))


CELLS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.sampled_from(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", 'a";b', "a\nb", "'", '"']),
)


@given(st.lists(st.lists(CELLS, min_size=8, max_size=8), max_size=5))
def test_manifest(module, rows):
    """A reader of CSV gets every cell back, and no cell is a formula to a spreadsheet."""
    text = module.manifest(rows).decode("utf-8-sig")
    read = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))
    assert list(module.COLUMNS) == read[0]
    for row, cells in zip(rows, read[1:], strict=True):
        for told, cell in zip(row, cells, strict=True):
            assert cell in (told, f"'{told}")
            assert not cell.startswith(tuple("=+-@\t\r\n"))


def test_a_signed_address_is_in_no_message(module):
    """What follows the question mark of an address is not repeated."""
    said = module.brief(
        OSError("PUT http://s3.lab.example/a/b?X-Amz-Signature=7E57C0DE failed\nmore 7E57C0DE")
    )
    assert "7E57C0DE" not in said
    assert "http://s3.lab.example/a/b" in said
