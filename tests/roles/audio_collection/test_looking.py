"""Whether recordings could be collected and published, before anybody asks for them."""

import pytest

from lab import s3
from tests.roles.audio_collection.request import DEFAULT, PYTHONS

BUCKET, ENDPOINT = "looking", "http://s3.lab.example:8333"


@pytest.mark.parametrize("python", ["2.7", DEFAULT])
def test_a_folder(request_of, python):
    """It can be read, has something or nothing, and its disk has room; one that is not there is refused."""
    if not PYTHONS[python]:
        pytest.skip(f"no Python {python} on this machine")
    ask = request_of()
    ask.python = python
    empty = ask.step("readable")
    assert ("audio.readable", True) == (empty["code"], empty["data"]["empty"])
    ask.put("2025-11-03 10:00:00")
    found = ask.step("readable")["data"]
    assert not found["empty"]
    assert 0 < found["free"] <= found["size"]
    gone = ask.step("readable", layout={"root": f"{ask.root}/são-gone"})
    assert ("audio.source_refused", "failed") == (gone["code"], gone["outcome"])
    assert "são-gone" in gone["data"]["error"]


def test_a_shelf(request_of):
    """A folder to publish into is there and has room; what is not filled in is named."""
    ask = request_of()
    assert "audio.publishable" == ask.step("publishable")["code"]
    assert [] == list(ask.shelf.iterdir())
    publish = ask.arguments["publish"]
    full = ask.step("publishable", publish={**publish, "reserve": 1 << 60})
    assert ("audio.no_space", 1 << 60) == (full["code"], full["data"]["needed"])
    gone = ask.step("publishable", publish={**publish, "folder": "/nowhere"})
    assert "audio.publish_failed" == gone["code"]
    assert ["audio_collection_publish.type"] == ask.step("publishable", publish={})["data"]["missing"]


@pytest.fixture
def bucket(lab, request_of):
    """A request whose recordings and archives are in a bucket of its own."""
    access = {"endpoint": ENDPOINT, "credentials_file": str(lab / "secrets/aws-credentials")}
    with s3.Client() as client:
        client.make_bucket(BUCKET)
        client.put(BUCKET, "voip3/one.wav", b"RIFF")
    yield request_of(
        audios_from="s3", layout={"root": f"s3://{BUCKET}/voip3/"}, source=access,
        publish={"type": "s3", "bucket": BUCKET, "prefix": "new/", **access},
    )  # fmt: skip
    with s3.Client() as client:
        client.remove_bucket(BUCKET)


def test_a_bucket(bucket):
    """It can be listed, and takes a file whose link opens; nothing of the try stays."""
    assert ("audio.readable", False) == _said(bucket.step("readable"), "empty")
    assert ("audio.readable", True) == _said(
        bucket.step("readable", layout={"root": f"s3://{BUCKET}/no/"}), "empty"
    )
    assert ("audio.publishable", f"s3://{BUCKET}/new/") == _said(bucket.step("publishable"), "where")
    with s3.Client() as client:
        assert ["voip3/one.wav"] == list(client._first_keys(BUCKET, ""))


def test_a_bucket_that_refuses(bucket, tmp_path):
    """No such bucket, keys of somebody else, nobody there: each in the store's own words, and soon."""
    keys = tmp_path / "keys"
    keys.write_text("[default]\naws_access_key_id = nobody\naws_secret_access_key = invented-secret\n")
    for more, word in (
        ({"bucket": "nowhere"}, "NoSuchBucket"),
        ({"credentials_file": str(keys)}, "InvalidAccessKeyId"),
        ({"endpoint": "http://s3.lab.example:1"}, "endpoint"),
    ):
        refused = bucket.step("publishable", publish={**bucket.arguments["publish"], **more})
        code, error = _said(refused, "error")
        assert "audio.publish_failed" == code
        assert word in error
        assert "invented-secret" not in str(refused)


def _said(result, name):
    return result["code"], result["data"][name]
