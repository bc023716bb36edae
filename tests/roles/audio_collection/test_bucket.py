"""From a real S3 store into another bucket of it, and back by the link as the receiver has it."""

import copy
import hashlib
import os
import signal
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import boto3
import pytest
from botocore.client import Config

from tests.roles.audio_collection.request import codes, manifest, name_of, unpacked, wait_for, wav
from tests.roles.audio_collection.storm import Storm

pytestmark = pytest.mark.lab
STORE, SOURCE, SHELF = "s3.lab.example:8333", "collect-rec", "collect-audios"
BIG = 9 << 20  # bytes: three ranges


class Stock:
    """The recordings of one server in the bucket, and the archives in the other one."""

    def __init__(self, lab):
        self.credentials = str(lab / "secrets/aws-credentials")
        os.environ["AWS_SHARED_CREDENTIALS_FILE"] = self.credentials
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://{STORE}",
            region_name="us-east-1",
            config=Config(signature_version="s3v4"),
        )
        there = {bucket["Name"] for bucket in self.client.list_buckets()["Buckets"]}
        for bucket in {SOURCE, SHELF} - there:
            self.client.create_bucket(Bucket=bucket)
        self.root = f"{uuid.uuid4().hex[:8]}/"
        self.laid = {}

    def put(self, stamp, content=None, storage="STANDARD", **call):
        name = name_of(stamp, **call)
        key = f"{self.root}{stamp[:10].replace('-', '/')}/{name}"
        content = wav() if content is None else content
        self.client.put_object(Bucket=SOURCE, Key=key, Body=content, StorageClass=storage)
        self.laid[name] = content
        return key

    def archives(self):
        found = self.client.list_objects_v2(Bucket=SHELF, Prefix=self.root).get("Contents", [])
        return [entry["Key"] for entry in found]

    def rules(self):
        return self.client.get_bucket_lifecycle_configuration(Bucket=SHELF)["Rules"]

    def uploads(self):
        found = self.client.list_multipart_uploads(Bucket=SHELF).get("Uploads", [])
        return [upload["Key"] for upload in found if upload["Key"].startswith(self.root)]

    def sweep(self):
        self.client.delete_bucket_lifecycle(Bucket=SHELF)
        for bucket in (SOURCE, SHELF):
            for page in self.client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=self.root
            ):
                for entry in page.get("Contents", []):
                    self.client.delete_object(Bucket=bucket, Key=entry["Key"])


@pytest.fixture
def stock(lab):
    """A server's recordings, none yet."""
    made = Stock(lab)
    yield made
    made.sweep()


@pytest.fixture
def ask(request_of, stock):
    """A request for them."""
    access = {"endpoint": f"http://{STORE}", "credentials_file": stock.credentials}
    return request_of(
        server="voip3", audios_from="s3", layout={"root": f"s3://{SOURCE}/{stock.root}"}, source=access,
        publish={"type": "s3", "bucket": SHELF, "prefix": stock.root, **access},
    )  # fmt: skip


@pytest.fixture
def storm(lab, ask):
    """A proxy through which the recordings and the archives go."""
    with Storm(STORE) as proxy:
        ask.arguments["source"] = {**ask.arguments["source"], "endpoint": proxy.url}
        ask.arguments["publish"] = {**ask.arguments["publish"], "endpoint": proxy.url}
        yield proxy


def get(link):
    with urllib.request.urlopen(link, timeout=60) as answer:  # noqa: S310 - the store's own link
        return answer.read()


def status(link):
    try:
        get(link)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def twenty(stock):
    for second in range(20):
        stock.put(f"2025-11-03 10:00:{second:02}")


# ------------------------------------------------------------------------------------------- there and back


def test_every_byte(stock, ask):
    """What comes by the link is what is in the bucket: odd keys, big recordings, an archive of several
    parts.
    """
    twenty(stock)
    stock.put("2025-11-04 10:00:00", os.urandom(BIG))
    stock.put("2025-11-04 10:00:01", os.urandom(BIG), src="big +odd é")
    for number, src in enumerate(
        ("São João", "a b+c", "100%", "a'b", "..%2F..%2Ftmp", "x&y=z", "a#b", "日本")
    ):
        stock.put(f"2025-11-05 10:00:{number:02}", src=src)
    stock.put("2025-11-05 23:59:59", dst="1199")
    expected = {name: content for name, content in stock.laid.items() if "-1199-" not in name}
    foretold = ask.check()
    done = ask.run()
    data = done["data"]
    assert "audio.collected" == done["code"], done
    assert [] == codes(done)
    archive = get(data["link"])
    assert expected == unpacked(archive)
    assert (len(archive), hashlib.sha256(archive).hexdigest()) == (data["size"], data["sha256"])
    assert (len(expected), sum(map(len, expected.values()))) == (data["files"], data["bytes"])
    assert (data["files"], data["bytes"]) == (foretold["data"]["files"], foretold["data"]["bytes"])
    assert {"ok"} == {row["situacao"] for row in manifest(archive)}
    assert {hashlib.sha256(content).hexdigest() for content in expected.values()} == {
        row["sha256"] for row in manifest(archive)
    }
    assert "s3" == data["source"]
    (rule,) = [rule for rule in stock.rules() if rule["Filter"]["Prefix"] == f"{stock.root}audios_"]
    assert ("Enabled", 7) == (rule["Status"], rule["Expiration"]["Days"])
    assert [stock.root + data["name"]] == stock.archives()
    assert [] == stock.uploads()
    assert [] == [path.name for path in ask.state.iterdir() if "addresses" in path.name]


def test_the_link(stock, ask, module):
    """The link works for its hours, a tampered one and one beyond its time are refused, another archive's
    too.
    """
    stock.put("2025-11-03 10:00:00")
    data = ask.run()["data"]
    assert 71 * 3600 < data["expires"] - time.time() <= 72 * 3600
    assert 200 == status(data["link"])
    signature = data["link"].rindex("X-Amz-Signature=") + len("X-Amz-Signature=")
    other = "0" if data["link"][signature] != "0" else "1"
    assert 403 == status(data["link"][:signature] + other + data["link"][signature + 1 :])
    assert 403 == status(data["link"].replace("X-Amz-Expires=259200", "X-Amz-Expires=604800"))
    assert 403 == status(data["link"].replace("_202511010000_", "_202511020000_"))
    assert 403 == status(data["link"].partition("?")[0])
    short = module.Shelf(ask.arguments["publish"], data["name"]).link(1)
    time.sleep(2.1)
    assert 403 == status(short)


def test_the_same_request_again(stock, ask):
    """An unchanged request has a new link to the same object; a changed tree has another archive."""
    twenty(stock)
    done = ask.run()
    (key,) = stock.archives()
    first = stock.client.head_object(Bucket=SHELF, Key=key)
    again = ask.run()
    assert ("audio.reused", False) == (again["code"], again["changed"])
    same = ("files", "bytes", "size", "sha256", "name", "per_extension", "missing", "missing_count", "source")
    assert [done["data"][name] for name in same] == [again["data"][name] for name in same]
    assert first["LastModified"] == stock.client.head_object(Bucket=SHELF, Key=key)["LastModified"]
    assert 200 == status(again["data"]["link"])
    stock.put("2025-11-04 10:00:00")
    assert "audio.collected" == ask.run()["code"]
    assert 2 == len(stock.archives())


@pytest.mark.long
def test_an_archive_on_its_last_day_is_built_again(stock, ask):
    """When the rule is about to remove an archive, the same request builds it again, byte by byte the
    same.
    """
    stock.put("2025-11-03 10:00:00")
    done = ask.run()
    later = int(time.time()) + 6 * 86400 + 3600
    ask.arguments["now"] = later
    again = ask.run()
    assert ("audio.collected", done["data"]["sha256"]) == (again["code"], again["data"]["sha256"])
    ask.arguments["now"] = int(time.time()) + 5 * 86400
    again = ask.run()
    assert "audio.reused" == again["code"]
    assert again["data"]["expires"] - time.time() < 7 * 86400


@pytest.mark.long
def test_the_rules_of_others_stay(stock, ask):
    """The bucket's rule for the removal of archives is added to the ones that are there, for each prefix
    one.
    """
    other = {"ID": "other", "Status": "Enabled", "Filter": {"Prefix": "other/"}, "Expiration": {"Days": 99}}
    stock.client.put_bucket_lifecycle_configuration(Bucket=SHELF, LifecycleConfiguration={"Rules": [other]})
    stock.put("2025-11-03 10:00:00")
    ask.run()
    ask.arguments["publish"]["keep_days"] = 5
    ask.run()
    prefix = ask.arguments["publish"]["prefix"]
    ask.arguments["publish"]["prefix"] = f"{prefix}deeper/"
    ask.run()
    expected = {("other/", 99), (f"{prefix}audios_", 5), (f"{prefix}deeper/audios_", 5)}
    assert expected == {(rule["Filter"]["Prefix"], rule["Expiration"]["Days"]) for rule in stock.rules()}


@pytest.mark.long
def test_old_archives_go(stock, ask):
    """Archives beyond their days are removed, and other objects beside them are not."""
    for name in ("audios_old.zip", "holiday.zip"):
        stock.client.put_object(Bucket=SHELF, Key=stock.root + name, Body=b"x")
    stock.put("2025-11-03 10:00:00")
    ask.arguments["now"] = int(time.time()) + 8 * 86400
    done = ask.run()
    assert ("audio.collected", []) == (done["code"], codes(done)), done
    assert [stock.root + "holiday.zip"] == stock.archives()


@pytest.mark.long
def test_nothing_found(stock, ask):
    """Nothing in the window is an answer with the nearest recordings, and starts no upload."""
    stock.put("2025-10-31 18:22:10")
    stock.put("2025-11-09 08:01:59")
    result = ask.run()
    assert "audio.nothing_found" == result["code"]
    assert {"before": "2025-10-31 18:22", "after": "2025-11-09 08:01"} == result["data"]["nearest"]
    assert [] == stock.uploads()


# --------------------------------------------------------------------------------------- what goes wrong


def test_a_store_that_misbehaves(stock, ask, storm):
    """Errors and broken answers are tried again; what is archived, refused or gone is named, the rest
    delivered.
    """
    twenty(stock)
    ask.arguments["source"]["archived"] = True
    cold = stock.put("2025-11-04 10:00:00", storage="GLACIER")
    frozen, refused, gone = (stock.put(f"2025-11-04 10:00:{second:02}") for second in (1, 2, 3))
    odd = stock.put("2025-11-04 10:00:04", src="São")
    big = stock.put("2025-11-04 10:00:05", os.urandom(BIG))
    names = sorted(stock.laid)
    storm.for_ever = {frozen: "InvalidObjectState", refused: "AccessDenied", odd: "InvalidObjectState"}
    storm.faults = {
        names[0]: ["InternalError", "InternalError"], names[1]: ["reset"], names[2]: ["SlowDown", "cut"],
        big: ["", "cut", "reset", "InternalError"],
    }  # fmt: skip
    planned = ask.planned()
    stock.client.delete_object(Bucket=SOURCE, Key=gone)
    started = ask.begin(planned)
    built = ask.wait(started)
    done = ask.close(started, built)
    lost = {cold: "archived", frozen: "archived", refused: "unreadable", gone: "missing", odd: "archived"}
    expected = {key.rpartition("/")[2]: why for key, why in lost.items()}
    assert expected == {one["name"]: one["why"] for one in done["data"]["missing"]}
    assert {"code": "audio.missing", "data": {"count": 5}} in done["notices"]
    delivered = {name: content for name, content in stock.laid.items() if name not in expected}
    assert delivered == unpacked(get(done["data"]["link"]))
    assert not any(key.endswith(cold) for method, key in storm.seen if method == "GET"), (
        "a cold object was asked for"
    )


def test_either_way_of_listing(stock, ask):
    """obstore and boto3 list the same plan, of odd keys too; what only boto3 can list is found."""
    twenty(stock)
    for number, src in enumerate(("São João", "+5511", "100%", "a'b", "x&y=z", "a#b", "日本", 'a";b,c')):
        stock.put(f"2025-11-05 10:00:{number:02}", src=src)
    ask.arguments["layout"]["prefix"] = "{tenant}/{m}/{d}/"
    plans = []
    for archived in (False, True):
        ask.arguments["source"]["archived"] = archived
        plans.append(ask.planned())
    assert plans[0]["plan"] == plans[1]["plan"]
    assert 28 == plans[0]["found"]["files"]
    ask.arguments["source"]["archived"] = False
    stock.put("2025-11-05 11:00:00", src="line\nfeed")  # obstore refuses its whole folder
    assert 29 == ask.planned()["found"]["files"]


def test_a_small_collection_does_without_boto3(stock, ask):
    """With written keys nothing imports boto3, which takes longer than planning and building."""
    twenty(stock)
    ask.arguments["publish"] = {"type": "file", "folder": str(ask.shelf), "url": "https://lab.example/audios"}
    ask.changes = {
        "import zlib": "import zlib\nsys.modules.update(boto3=None, botocore=None)  # an import fails"
    }
    assert "audio.collected" == ask.run()["code"]
    assert stock.laid == ask.contents()


def test_a_big_one_that_breaks_off(stock, ask, storm):
    """A big recording whose end cannot be had is in the archive as far as it came, and named; the rest is
    whole.
    """
    twenty(stock)
    name = stock.put("2025-11-04 10:00:00", os.urandom(BIG)).rpartition("/")[2]
    storm.beyond[name] = "AccessDenied"
    started = ask.begin()
    built = ask.wait(started)
    done = ask.close(started, built)
    assert [{"name": name, "why": "unreadable"}] == done["data"]["missing"]
    contents = unpacked(get(done["data"]["link"]))
    part = contents.pop(name)
    whole = stock.laid.pop(name)
    assert stock.laid == contents
    assert 0 < len(part) < len(whole)
    assert whole.startswith(part)


@pytest.mark.long
def test_a_recording_that_was_replaced(stock, ask):
    """A big object that is another one since it was listed is not mixed with the first: it is said."""
    twenty(stock)
    key = stock.put("2025-11-04 10:00:00", os.urandom(BIG))
    planned = ask.planned()
    stock.client.put_object(Bucket=SOURCE, Key=key, Body=os.urandom(BIG))
    built = ask.wait(ask.begin(planned))
    assert [{"name": key.rpartition("/")[2], "why": "changed"}] == built["archive"]["missing"]
    assert 20 == built["archive"]["files"]


@pytest.mark.parametrize(
    ("part", "change", "code"),
    [
        ("source", {"endpoint": "http://s3.lab.example:1"}, "source_refused"),
        pytest.param(
            "publish", {"endpoint": "http://s3.lab.example:1"}, "publish_failed", marks=pytest.mark.long
        ),
        ("publish", {"bucket": "no-such-bucket"}, "publish_failed"),
        pytest.param("layout", {"root": "s3://no-such-bucket/"}, "source_refused", marks=pytest.mark.long),
        pytest.param("source", {"profile": "nobody"}, "source_refused", marks=pytest.mark.long),
        pytest.param("publish", {"profile": "nobody"}, "publish_failed", marks=pytest.mark.long),
        ("source", {"credentials_file": "wrong"}, "source_refused"),
        pytest.param("publish", {"credentials_file": "wrong"}, "publish_failed", marks=pytest.mark.long),
    ],
    ids=lambda value: next(iter(value.items()))[1] if isinstance(value, dict) else None,
)
def test_refused(stock, ask, tmp_path, *, part, change, code):
    """A store that is not there, a bucket that does not exist and credentials that are wrong have their
    own words.
    """
    stock.put("2025-11-03 10:00:00")
    if change.get("credentials_file"):
        path = tmp_path / "credentials"
        path.write_text("[default]\naws_access_key_id = WRONG\naws_secret_access_key = invented\n")
        change = {"credentials_file": str(path)}
    ask.arguments[part] = {**ask.arguments[part], **change}
    result = ask.run()
    assert (f"audio.{code}", "failed") == (result["code"], result["outcome"])
    assert result["data"]["error"]
    assert [] == stock.archives() + stock.uploads()


# ------------------------------------------------------------------------------------- killed, two at once


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_the_builder_is_killed(stock, ask, storm, number):
    """A builder that is killed while parts are under way leaves no object and no upload; the next run
    finishes.
    """
    twenty(stock)
    stock.put("2025-11-04 10:00:00", os.urandom(2 * BIG))
    started = ask.begin()
    storm.hold.clear()
    wait_for(lambda: [path for method, path in storm.seen if method == "PUT"])
    os.kill(ask.builder(), number)
    storm.hold.set()
    result = ask.fail(ask.wait(started))
    assert "audio.stopped" == result["code"]
    assert [] == stock.archives() + stock.uploads()
    done = ask.run()
    assert "audio.collected" == done["code"]
    assert stock.laid == unpacked(get(done["data"]["link"]))


def test_a_newer_run_takes_over(stock, ask, storm):
    """The same request while an older builder runs: the older one's clean-up leaves the newer one's upload
    alone.
    """
    twenty(stock)
    stock.put("2025-11-04 10:00:00", os.urandom(2 * BIG))
    older, newer = ask, copy.copy(ask)
    first = older.begin()
    storm.hold.clear()
    wait_for(lambda: [path for method, path in storm.seen if method == "PUT"])
    storm.hold.set()
    second = newer.begin()
    assert older.fail(older.wait(first))["code"] in ("audio.busy", "audio.stopped", "audio.publish_failed")
    built = newer.wait(second)
    done = newer.close(second, built)
    assert "audio.collected" == done["code"], done
    assert stock.laid == unpacked(get(done["data"]["link"]))
    assert [] == stock.uploads()


@pytest.mark.parametrize("megabytes", [40, pytest.param(300, marks=pytest.mark.long)])
def test_memory(stock, ask, storm, megabytes):
    """The builder keeps under 100 MB, however much there is to collect."""
    for number in range(megabytes // 4):
        stock.put(f"2025-11-04 10:{number // 60:02}:{number % 60:02}", os.urandom(4 << 20))
    started = ask.begin()
    peak = 0
    end = time.monotonic() + 120
    while (pid := ask.builder()) or not list(ask.state.glob("*/result")):
        assert time.monotonic() < end
        try:
            told = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        peak = max([peak, *(int(line.split()[1]) for line in told.splitlines() if line.startswith("VmHWM"))])
        time.sleep(0.02)
    built = ask.wait(started)
    assert megabytes // 4 == built["archive"]["files"]
    assert 0 < peak < 100_000
