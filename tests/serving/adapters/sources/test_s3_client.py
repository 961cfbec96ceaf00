"""Errors of the S3 client become errors that say what an operator can do."""

import pytest

from serving.adapters.sources.s3_client import S3Client
from serving.adapters.sources.source import ListedFile, SourceSettings
from serving.errors import SourceRefused, SourceUnavailable

NOWHERE = SourceSettings(s3_endpoint="http://127.0.0.1:9", timeout_s=2.0)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")


@pytest.mark.usefixtures("credentials")
def test_a_store_that_cannot_be_reached_may_be_tried_again() -> None:
    client = S3Client("s3://bucket/x", "bucket", NOWHERE)

    with pytest.raises(SourceUnavailable, match="the store cannot be reached") as looking:
        client.look("x", "x")
    with pytest.raises(SourceUnavailable, match="the store cannot be reached"):
        next(client.read(ListedFile("x", 1, etag='"e"'), "x", 0))

    assert looking.value.retry_after_s


@pytest.mark.usefixtures("credentials")
def test_a_file_that_has_arrived_whole_is_not_requested_again() -> None:
    assert list(S3Client("s3://bucket/x", "bucket", NOWHERE).read(ListedFile("x", 5), "x", 5)) == []


def test_without_credentials_the_variables_to_set_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")

    with pytest.raises(SourceRefused, match="AWS_ACCESS_KEY_ID"):
        S3Client("s3://bucket/x", "bucket", NOWHERE).look("x", "x")
