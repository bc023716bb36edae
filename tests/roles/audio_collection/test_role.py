"""Role and playbook in the lab, as an operator runs them: with Ansible alone."""

import json
import urllib.request
from pathlib import Path

import pytest

from lab import recordings, s3
from lab.calls import content
from tests import fleet
from tests.roles.audio_collection.request import codes, unpacked
from tests.roles.played import played

pytestmark = pytest.mark.lab
FIRST, LAST = (f"{moment:%Y-%m-%d %H:%M}" for moment in recordings.window())
REQUEST = {"ramais_extensions": ["1121", "1122"], "ramais_start": FIRST, "ramais_end": LAST}
TOUCHED = Path("/tmp/athome-injected-by-ramais")
TEMPLATE = f"{{{{ lookup('pipe', 'touch {TOUCHED}') }}}}"


def play(server, *arguments, inventory=(), **values):
    """Run ramais.yml -> (the results that stand for a host, return code, everything that was said)."""
    tasks, code, said = played("ramais.yml", values, *arguments, inventory=inventory, limit=server)
    return [task["result"] for task in tasks if task["result"].get("outcome")], code, said


@pytest.fixture(scope="module")
def laid(lab):
    """A small tree of one server of each route and no archives -> what the request is to find of each."""
    found = {}
    no_archives()
    for server in ("voip3", "gv1p"):
        planned = recordings.planned(server, files=80)
        recordings.lay(server, planned, lambda _said: None)
        found[server] = sorted(
            content(one)
            for one in planned
            if {"1121", "1122"} & set(one.extensions)
            and one.start
            and FIRST <= f"{one.start:%Y-%m-%d %H:%M}" <= LAST
            and one.size >= 1024
            and one.oddity != "archived"
        )
    yield found
    no_archives()


def no_archives():
    with s3.Client() as client:
        client.make_bucket(recordings.ARCHIVES)
        client.remove(recordings.ARCHIVES, "audios_")


def get(link):
    with urllib.request.urlopen(link, timeout=60) as answer:  # noqa: S310 - the lab's own link
        return answer.read()


@pytest.fixture
def nowhere(tmp_path):
    """An inventory in which the servers themselves cannot be reached."""
    path = tmp_path / "nowhere.yml"
    gone = {"ansible_host": "192.0.2.99"}
    path.write_text(
        json.dumps({"all": {"children": {"sip_servers": {"hosts": {"voip3": gone, "gv1p": gone}}}}})
    )
    return path


@pytest.mark.parametrize("server", ["voip3", "gv1p"])
def test_cycle(laid, nowhere, server):
    """By either route: check foretells, a run delivers every byte, a second one the same; no server is
    asked.
    """
    (foretold,), status, said = play(server, "--check", inventory=[nowhere], **REQUEST)
    assert ("audio.would_collect", 0) == (foretold["code"], status), said
    assert "X-Amz" not in said

    results, status, said = play(server, "-vvv", inventory=[nowhere], **REQUEST)
    assert ("audio.collected", 0, 1) == (results[-1]["code"], status, len(results)), said
    data = results[-1]["data"]
    assert laid[server] == sorted(unpacked(get(data["link"])).values())
    assert (len(laid[server]), sum(map(len, laid[server]))) == (data["files"], data["bytes"])
    assert (data["files"], data["bytes"]) == (foretold["data"]["files"], foretold["data"]["bytes"])
    assert {"missing", "unparsed", "clock"} == set(codes(results[-1]))
    assert "uploadId" not in said, "an address that may be written to is in the output"
    assert "partNumber" not in said

    results, status, said = play(server, inventory=[nowhere], **REQUEST)
    assert ("audio.reused", False, 0) == (results[-1]["code"], results[-1]["changed"], status)
    links = [line for line in said.splitlines() if "X-Amz-Signature=" in line]
    assert 1 == len(links), said
    assert results[-1]["data"]["link"] in links[0]
    assert "PLAY RECAP" in said.split(links[0])[1]
    assert "TASK" not in said.split(links[0])[1]


def test_into_a_folder(laid, lab):
    """With publish type file the archive lies on the file server under its name, and nothing else does."""
    folder = "/var/www/audios"
    fleet.on("audio", f"rm -rf {folder}; mkdir -p {folder}")
    publish = {"type": "file", "folder": folder, "url": "https://audio.lab.example/audios/"}
    results, status, said = play("gv1p", **REQUEST, audio_collection_publish=publish)
    try:
        assert ("audio.collected", 0) == (results[-1]["code"], status), said
        name = results[-1]["data"]["name"]
        assert f"https://audio.lab.example/audios/{name}" == results[-1]["data"]["link"]
        assert [name] == fleet.on("audio", f"ls -A {folder}").split()
        archive = Path(f"/run/lab/hosts/audio/root{folder}/{name}").read_bytes()
        assert laid["gv1p"] == sorted(unpacked(archive).values())
        assert "644" == fleet.on("audio", f"stat -c %a {folder}/{name}").strip()
    finally:
        fleet.on("audio", f"rm -rf {folder}")


@pytest.mark.long
def test_a_bucket_that_is_not_there(laid):
    """A bucket of the archives that does not exist fails the run with its code, in words."""
    publish = {"type": "s3", "bucket": "no-such-bucket", "endpoint": "http://s3.lab.example:8333",
               "credentials_file": "/run/athome-lab/secrets/aws-credentials"}  # fmt: skip
    results, status, said = play("voip3", **REQUEST, audio_collection_publish=publish)
    assert "audio.publish_failed" == results[-1]["code"]
    assert status != 0
    assert "the bucket of the archives" in said


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"ramais_start": "2025-02-31 00:00", "ramais_end": "2025-03-01 00:00"}, "bad_window"),
        pytest.param({"ramais_start": LAST, "ramais_end": FIRST}, "bad_window", marks=pytest.mark.long),
        pytest.param({"audios_from": ""}, "no_source", marks=pytest.mark.long),
    ],
)
def test_refused_in_words(lab, values, code):
    """A window that cannot be, or an inventory that lacks something, fails with its code and one sentence."""
    results, status, said = play("voip3", **{**REQUEST, **values})
    assert f"audio.{code}" == results[-1]["code"]
    assert status != 0
    assert results[-1]["msg"] in said.replace("\n", " ").replace("''", "'")  # YAML doubles them


@pytest.mark.parametrize(
    ("server", "values"),
    [
        ("gv1p,voip3", REQUEST),
        pytest.param("", REQUEST, marks=pytest.mark.long),
        pytest.param("voip3", {}, marks=pytest.mark.long),
        pytest.param("voip3", {**REQUEST, "ramais_extensions": "112a"}, marks=pytest.mark.long),
        pytest.param("voip3", {**REQUEST, "ramais_extensions": []}, marks=pytest.mark.long),
        pytest.param("voip3", {**REQUEST, "ramais_extensions": {"a": 1}}, marks=pytest.mark.long),
        pytest.param("voip3", {**REQUEST, "ramais_start": "01/11/2025"}, marks=pytest.mark.long),
        ("voip3", {**REQUEST, "ramais_extensions": TEMPLATE}),
        pytest.param("voip3", {**REQUEST, "ramais_extensions": [TEMPLATE]}, marks=pytest.mark.long),
        pytest.param("voip3", {**REQUEST, "ramais_start": TEMPLATE}, marks=pytest.mark.long),
        ("voip3", {**REQUEST, "ramais_end": {"__ansible_unsafe": TEMPLATE}}),
    ],
)
def test_bad_arguments(lab, server, values):
    """Bad or forgotten arguments get words with an example; no template is executed, nothing is started."""
    TOUCHED.unlink(missing_ok=True)
    results, status, said = play(server, **values)
    assert [] == results
    assert status != 0
    assert "-e ramais_extensions=1121,1122" in said.replace("\n", " ")
    assert not TOUCHED.exists()
