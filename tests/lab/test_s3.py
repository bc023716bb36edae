"""The S3 host keeps objects and refuses whoever has no key."""

import boto3
import botocore.client
import botocore.exceptions
import pytest

from lab import state

pytestmark = pytest.mark.lab


def client(secret=None):
    key, known = ((state.INSIDE / "secrets" / f"s3-{kind}-key").read_text() for kind in ("access", "secret"))
    return boto3.client(
        "s3", endpoint_url="http://s3.lab.example:8333", region_name="us-east-1", aws_access_key_id=key,
        aws_secret_access_key=secret or known,
        config=botocore.client.Config(signature_version="s3v4", retries={"max_attempts": 1}),
    )  # fmt: skip


def test_put_and_get():
    """What was put under a key comes back, byte by byte."""
    s3 = client()
    s3.create_bucket(Bucket="rec")
    s3.put_object(Bucket="rec", Key="voip3/a.wav", Body=b"RIFF\0\xff")
    assert s3.get_object(Bucket="rec", Key="voip3/a.wav")["Body"].read() == b"RIFF\0\xff"
    s3.delete_object(Bucket="rec", Key="voip3/a.wav")
    s3.delete_bucket(Bucket="rec")


def test_wrong_secret_is_refused():
    """A wrong secret key is refused."""
    with pytest.raises(botocore.exceptions.ClientError):
        client(secret="wrong").list_buckets()
