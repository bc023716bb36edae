"""The S3 host keeps objects, refuses whoever has no key, and does with links and parts what AWS does."""

import urllib.error
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone

import boto3
import botocore.auth
import botocore.client
import botocore.exceptions
import pytest

from lab import state

pytestmark = pytest.mark.lab
PART = 5 << 20  # bytes: S3's smallest part, but for the last one


def client(secret=None):
    key, known = ((state.INSIDE / "secrets" / f"s3-{kind}-key").read_text() for kind in ("access", "secret"))
    return boto3.client(
        "s3", endpoint_url="http://s3.lab.example:8333", region_name="us-east-1", aws_access_key_id=key,
        aws_secret_access_key=secret or known,
        config=botocore.client.Config(signature_version="s3v4", retries={"max_attempts": 1}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def s3():
    return client()


@pytest.fixture
def bucket(s3):
    """A bucket of the test's own, gone with it."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    yield name
    for item in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=item["Key"])
    s3.delete_bucket(Bucket=name)


def send(url, body=None, **headers):
    """What somebody gets who has the link and no key: status, headers, content."""
    request = urllib.request.Request(url, body, headers, method="GET" if body is None else "PUT")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310  the lab's own host
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def link(s3, bucket, key, seconds=60, **more):
    return s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key, **more}, seconds)


def part_link(s3, bucket, upload, number):
    parameters = {"Bucket": bucket, "Key": "a.zip", "UploadId": upload, "PartNumber": number}
    return s3.generate_presigned_url("upload_part", parameters, 60)


def uploads(s3, bucket):
    return [upload["UploadId"] for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


def test_put_and_get(s3, bucket):
    """What was put under a key comes back, byte by byte."""
    s3.put_object(Bucket=bucket, Key="voip3/a.wav", Body=b"RIFF\0\xff")
    assert s3.get_object(Bucket=bucket, Key="voip3/a.wav")["Body"].read() == b"RIFF\0\xff"


def test_wrong_secret_is_refused():
    """A wrong secret key is refused."""
    with pytest.raises(botocore.exceptions.ClientError):
        client(secret="wrong").list_buckets()


def test_a_link_gives_the_object_under_the_name_it_says(s3, bucket):
    """Who has a presigned link and no key downloads the object, under the name that the link carries."""
    s3.put_object(Bucket=bucket, Key="a.zip", Body=b"PK")
    shown = 'attachment; filename="audios.zip"'
    status, headers, content = send(link(s3, bucket, "a.zip", ResponseContentDisposition=shown))
    assert (200, shown, b"PK") == (status, headers["Content-Disposition"], content)


def test_a_link_that_was_changed_is_refused(s3, bucket):
    """A link with another time limit, key or signature, or with none, is refused."""
    for key in ("a.zip", "b.zip"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"PK")
    good = link(s3, bucket, "a.zip")
    other = "0" if good[-1] != "0" else "1"
    changed = [
        good[:-1] + other,
        good.replace("=60", "=6000"),
        good.replace("a.zip", "b.zip"),
        good.split("?")[0],
    ]
    assert [403] * 4 == [send(url)[0] for url in changed]


def test_a_link_expires(s3, bucket, monkeypatch):
    """A link is refused once its time is over."""
    s3.put_object(Bucket=bucket, Key="a.zip", Body=b"PK")
    an_hour_ago = datetime.now(timezone.utc) - timedelta(hours=1)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: an_hour_ago.replace(tzinfo=None))
    expired, valid = link(s3, bucket, "a.zip", 3590), link(s3, bucket, "a.zip", 3900)
    monkeypatch.undo()
    assert (403, 200) == (send(expired)[0], send(valid)[0])


def test_parts_are_sent_through_links(s3, bucket):
    """Who has presigned links and no key sends the parts; there is no object until they are completed."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a.zip", Metadata={"digest": "7e57"})["UploadId"]
    assert [upload] == uploads(s3, bucket)
    tags = []
    for number, body in enumerate((b"a" * PART, b"b"), 1):
        status, headers, _content = send(part_link(s3, bucket, upload, number), body)
        assert status == 200
        tags.append({"PartNumber": number, "ETag": headers["ETag"]})
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    s3.complete_multipart_upload(Bucket=bucket, Key="a.zip", UploadId=upload, MultipartUpload={"Parts": tags})
    found = s3.get_object(Bucket=bucket, Key="a.zip")
    assert {"digest": "7e57"} == found["Metadata"]
    assert b"a" * PART + b"b" == found["Body"].read()
    assert not uploads(s3, bucket)


def test_a_part_that_was_changed_on_its_way_is_refused(s3, bucket):
    """A part's link is good for its own upload and number alone."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a.zip")["UploadId"]
    url = part_link(s3, bucket, upload, 1)
    assert send(url.replace("partNumber=1", "partNumber=2"), b"x")[0] == 403
    s3.abort_multipart_upload(Bucket=bucket, Key="a.zip", UploadId=upload)


def test_an_upload_that_was_aborted_is_gone(s3, bucket):
    """After an abort nothing is left, and neither a part nor the completion is taken any more."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a.zip")["UploadId"]
    _status, headers, _content = send(part_link(s3, bucket, upload, 1), b"x")
    s3.abort_multipart_upload(Bucket=bucket, Key="a.zip", UploadId=upload)
    assert not uploads(s3, bucket)
    assert send(part_link(s3, bucket, upload, 2), b"x")[0] == 404
    parts = {"Parts": [{"PartNumber": 1, "ETag": headers["ETag"]}]}
    with pytest.raises(s3.exceptions.NoSuchUpload):
        s3.complete_multipart_upload(Bucket=bucket, Key="a.zip", UploadId=upload, MultipartUpload=parts)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_part_sent_twice_counts_as_the_completion_says(s3, bucket):
    """Of two parts of one number the upload takes that whose ETag is named; AWS keeps the later one only."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a.zip")["UploadId"]
    for body in (b"first", b"second"):
        _status, headers, _content = send(part_link(s3, bucket, upload, 1), body)
    parts = {"Parts": [{"PartNumber": 1, "ETag": headers["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="a.zip", UploadId=upload, MultipartUpload=parts)
    assert s3.get_object(Bucket=bucket, Key="a.zip")["Body"].read() == b"second"


def test_a_bucket_keeps_its_lifecycle(s3, bucket):
    """Rules for old archives and unfinished uploads can be set and read; before there is a named error."""
    with pytest.raises(botocore.exceptions.ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    rule = {"ID": "athome", "Status": "Enabled", "Filter": {"Prefix": "audios/"}, "Expiration": {"Days": 7},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}  # fmt: skip
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert [rule] == s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]


@pytest.mark.parametrize("key", ["a/../b.wav", "../b.wav", "..\\b.wav", "a/./b.wav"])
def test_keys_that_lead_elsewhere_are_refused(s3, bucket, key):
    """SeaweedFS keeps no key with `.` or `..` in it, as AWS would: such a key cannot be tried here."""
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidRequest"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")


def test_a_cold_class_is_listed(s3, bucket):
    """The listing tells an archived object's class; unlike AWS, SeaweedFS gives it all the same."""
    s3.put_object(Bucket=bucket, Key="a.wav", Body=b"x", StorageClass="GLACIER")
    (item,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert item["StorageClass"] == "GLACIER"
