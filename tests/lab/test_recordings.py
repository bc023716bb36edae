"""The recordings that `python3 -m lab recordings` lays are those that the lab says, where it says."""

import hashlib
import io
import os
import re
import subprocess
import sys
import wave

import boto3
import botocore.client
import pytest

from lab import host, recordings, s3, state, topology
from lab.calls import content

FIRST, LAST = recordings.window()
NAME = re.compile(
    r"(?P<type>[a-z]+)-(?P<dst>[^-/]*)-(?P<src>[^-/]*)-(?P<stamp>\d{8}-\d{6})-(?:[\w.]+-)?(?P<epoch>\d+)\.\d+\.\w+",
    re.DOTALL,
)  # fmt: skip
FILES = 40


def odd(server, oddity):
    return [recording for recording in recordings.planned(server, files=1) if recording.oddity == oddity]


def etag(data):
    return f'"{hashlib.md5(data).hexdigest()}"'  # noqa: S324  as S3 has it


@pytest.fixture(scope="module")
def laid():
    """Lay a small tree of every server, and give what is in it by server."""
    command = [sys.executable, "-m", "lab", "recordings", "--files", str(FILES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    yield {server: recordings.planned(server, files=FILES) for server in recordings.SERVERS}
    again = [*command[:4], "--files", str(recordings.FILES)]
    subprocess.run(again, capture_output=True, check=True)


@pytest.mark.parametrize("server", recordings.SERVERS)
def test_the_same_arguments_plan_the_same_tree(server):
    """A tree is known from its arguments: names, sizes and bytes; another seed is another tree."""
    once, again = (recordings.planned(server, files=50) for _ in range(2))
    assert once == again
    assert [content(recording) for recording in once] == [content(recording) for recording in again]
    assert once != recordings.planned(server, files=50, seed=2)


@pytest.mark.parametrize("server", recordings.SERVERS)
def test_every_path_is_there_once(server):
    """No recording takes the place of another one."""
    paths = [recording.path for recording in recordings.planned(server)]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("server", recordings.SERVERS)
def test_name_and_facts_agree(server):
    """What a recording's name says is what the plan says of it, but for the clock that is an hour ahead."""
    for recording in recordings.planned(server):
        found = NAME.fullmatch(recording.name)
        if recording.oddity == "unparsed":
            assert recording.start is None
            continue
        assert recording.epoch == int(found["epoch"])
        stamp = f"{recording.start:%Y%m%d-%H%M%S}"
        assert (recording.oddity != "clock") == (stamp == found["stamp"])
        assert set(recording.extensions) <= {found["dst"], found["src"]}
        if recording.oddity not in {"same-name", "clock"}:
            assert f"{recording.start:%Y/%m/%d}/" == recording.folder


@pytest.mark.parametrize("server", recordings.SERVERS)
def test_content_is_as_long_as_planned_and_as_its_header_says(server):
    """A WAV opens as 8 kHz, mono, 16 bit and has the frames that its header promises."""
    for recording in recordings.planned(server, files=60):
        data = content(recording)
        assert recording.size == len(data)
        if recording.form == "wav" and data:
            with wave.open(io.BytesIO(data)) as sound:
                assert (1, 2, 8000) == sound.getparams()[:3]
                assert len(sound.readframes(sound.getnframes())) == recording.size - 44


def test_the_window_of_the_examples_has_recordings_of_both_extensions():
    """By default 1121 and 1122 have calls on each of the five days, on every server."""
    assert ("2025-11-01 00:00:00", "2025-11-05 23:59:59") == (str(FIRST), str(LAST))
    for server in recordings.SERVERS:
        for extension in ("1121", "1122"):
            days = {
                recording.start.date()
                for recording in recordings.planned(server)
                if extension in recording.extensions and FIRST <= recording.start <= LAST
            }
            assert len(days) >= 4


def test_odd_ones_are_what_their_names_promise():
    """Edges lie on the window's edges, midnight in its own day, an inside number is no extension."""
    assert [FIRST, LAST] == [recording.start for recording in odd("gv1p", "edge-in")]
    assert all(not FIRST <= recording.start <= LAST for recording in odd("gv1p", "edge-out"))
    one, other = odd("gv1p", "same-second")
    assert one.start == other.start
    one, other = odd("gv1p", "same-name")
    assert one.name == other.name
    assert content(one) != content(other)
    assert all("1121" not in recording.extensions for recording in odd("gv1p", "inside"))
    with pytest.raises(UnicodeDecodeError):
        os.fsencode(odd("gv1p", "latin-1")[0].name).decode("utf-8")


@pytest.mark.lab
@pytest.mark.parametrize("server", recordings.ON_AUDIO)
def test_audio_has_every_recording(laid, server):
    """On host `audio` lies what was planned, nothing else, byte by byte."""
    monitor = host.root_of(topology.find_host("audio")) / recordings.MONITOR
    expected = {
        recording.path: hashlib.sha256(content(recording)).hexdigest()
        for recording in laid[server]
        if recording.form != "link"
    }
    found = {
        str(path.relative_to(monitor)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (monitor / server).rglob("*")
        if path.is_file()
    }
    assert expected == found
    (dangling,) = (recording for recording in laid[server] if recording.oddity == "dangling")
    assert (monitor / dangling.path).is_symlink()
    (unreadable,) = (recording for recording in laid[server] if recording.oddity == "unreadable")
    assert (monitor / unreadable.path).stat().st_mode & 0o777 == 0


@pytest.mark.lab
@pytest.mark.parametrize("server", recordings.IN_S3)
def test_s3_has_every_recording(laid, server, monkeypatch):
    """In S3 lies what was planned, nothing else; read with AWS's own library and the file of credentials."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(state.INSIDE / "secrets/aws-credentials"))
    client = boto3.client(
        "s3", endpoint_url=s3.ENDPOINT, region_name=s3.REGION,
        config=botocore.client.Config(signature_version="s3v4"),
    )  # fmt: skip
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=recordings.BUCKET, Prefix=f"{server}/")
    found = {item["Key"]: (item["Size"], item["ETag"]) for page in pages for item in page["Contents"]}
    expected = {recording.path: (recording.size, etag(content(recording))) for recording in laid[server]}
    assert expected == found
    client.head_bucket(Bucket=recordings.ARCHIVES)
