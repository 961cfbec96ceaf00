"""`s3:` sources against moto's S3 server on loopback, with the real s3fs."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from serving.adapters.sources import s3_client
from serving.adapters.sources.source import SourceSettings
from serving.adapters.store import AdapterStore
from serving.errors import AdapterCorrupt, SourceRefused, SourceUnavailable
from tests.serving.adapters.conftest import OpenStore

S3Store = Callable[..., AdapterStore]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket, and credentials for it in the environment."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = boto3.resource("s3", endpoint_url=endpoint).create_bucket(Bucket=f"b{time.time_ns()}")
    yield bucket
    bucket.object_versions.delete()
    bucket.delete()


@pytest.fixture
def s3_store(open_store: OpenStore, endpoint: str) -> S3Store:
    def open_one(allowed: str = "s3:", **changes: Any) -> AdapterStore:
        more = {key: changes.pop(key) for key in ("clock", "on_progress") if key in changes}
        settings = {"s3_endpoint": endpoint, "pause_s": 0.01, "timeout_s": 5.0, "attempts": 2, **changes}
        return open_store(allowed_sources=[allowed], settings=SourceSettings(**settings), **more)

    return open_one


def put(bucket: Any, prefix: str, files: dict[str, bytes]) -> str:
    for name, body in files.items():
        bucket.put_object(Key=f"{prefix}/{name}", Body=body)
    return f"s3://{bucket.name}/{prefix}"


async def test_a_prefix_is_fetched_and_pinned(bucket: Any, s3_store: S3Store, files: dict[str, bytes]) -> None:
    source = put(bucket, "team/x", files)
    store = s3_store()

    added = await store.add("x", f"{source}/")

    assert added.rank == 2
    assert added.pinned_source.startswith(f"{source}#")
    assert (await store.add("y", added.pinned_source)).digest == added.digest


async def test_the_endpoint_may_come_from_the_environment(
    bucket: Any, s3_store: S3Store, endpoint: str, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = put(bucket, "x", files)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)

    assert (await s3_store(s3_endpoint=None).add("x", source)).rank == 2


@pytest.mark.parametrize("versioned", [True, False])
async def test_objects_replaced_while_they_are_fetched_are_not_mixed(
    versioned: bool, bucket: Any, s3_store: S3Store, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket that keeps versions still gives the one that was resolved; another one says that it has gone."""
    if versioned:
        bucket.Versioning().enable()
    monkeypatch.setattr(s3_client, "_CHUNK_BYTES", 400)
    source = put(bucket, "x", files)
    arrived: list[float] = []

    def replace(name: str, fraction: float) -> None:
        if not arrived:
            put(bucket, "x", {name: body + b" " for name, body in files.items()})
        arrived.append(fraction)

    store = s3_store(on_progress=replace)
    if versioned:
        assert (await store.add("x", source)).rank == 2
    else:
        with pytest.raises(SourceUnavailable, match="changed while it was fetched"):
            await store.add("x", source)


@pytest.mark.parametrize("start", [0, 1, 400, 1000])
async def test_an_object_is_read_on_from_any_byte(
    start: int, bucket: Any, endpoint: str, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "_CHUNK_BYTES", 400)
    name = "adapter_model.safetensors"
    put(bucket, "x", files)
    client = s3_client.S3Client("s3://", bucket.name, SourceSettings(s3_endpoint=endpoint))
    file = await asyncio.to_thread(client.look, name, f"x/{name}")

    assert file is not None
    assert b"".join(client.read(file, f"x/{name}", start)) == files[name][start:]


async def test_what_is_not_there_or_not_an_adapter_is_said(
    bucket: Any, s3_store: S3Store, files: dict[str, bytes]
) -> None:
    config = {"adapter_config.json": files["adapter_config.json"]}
    pickled = put(bucket, "p", {**config, "adapter_model.bin": b"\x80\x04"})

    with pytest.raises(AdapterCorrupt, match="it is missing"):
        await s3_store().add("x", f"s3://{bucket.name}/nothing")
    with pytest.raises(AdapterCorrupt, match="it is missing"):
        await s3_store().add("x", "s3://no-such-bucket/x")
    with pytest.raises(SourceRefused, match="pickle"):
        await s3_store().add("x", pickled)
    with pytest.raises(SourceRefused, match="is larger than the 100 bytes"):
        await s3_store(weights_bytes=100).add("x", put(bucket, "x", files))


async def test_a_pinned_version_that_was_replaced_is_refused(
    bucket: Any, s3_store: S3Store, files: dict[str, bytes]
) -> None:
    store = s3_store()
    pinned = (await store.add("x", put(bucket, "x", files))).pinned_source
    put(bucket, "x", {"adapter_config.json": files["adapter_config.json"] + b" "})

    with pytest.raises(SourceRefused, match="it has another version now"):
        await store.add("y", pinned)


async def test_a_store_that_does_not_answer_is_left_alone_for_a_while(bucket: Any, s3_store: S3Store) -> None:
    store = s3_store(s3_endpoint="http://127.0.0.1:9", clock=lambda: 0.0)

    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        await store.add("x", "s3://bucket/x")
    with pytest.raises(SourceUnavailable, match="failed 1 times"):
        await store.add("x", "s3://bucket/x")


async def test_without_credentials_the_fix_is_named(
    bucket: Any, s3_store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(SourceRefused, match="AWS_ACCESS_KEY_ID"):
        await s3_store().add("x", f"s3://{bucket.name}/x")


@pytest.mark.parametrize(
    "source",
    [
        "s3:",
        "s3://",
        "s3://bucket",
        "s3://bucket/",
        "s3://Bucket/x",
        "s3://bucket//x",
        "s3://bucket/x/../y",
        "s3://bucket/x?versionId=1",
        "s3://bucket/x#v1",
        "s3://user@bucket/x",
        "s3://arn:aws:s3:::bucket/x",
    ],
)
async def test_a_uri_that_is_no_prefix_is_refused(source: str, s3_store: S3Store) -> None:
    with pytest.raises(SourceRefused, match="write s3://bucket/prefix"):
        await s3_store().add("x", source)


@pytest.mark.parametrize("place", ["bucket-evil/team/x", "bucket/other", "bucket/team-evil/x"])
async def test_only_objects_below_the_allowed_prefix_are_requested(place: str, s3_store: S3Store) -> None:
    with pytest.raises(SourceRefused, match="does not allow"):
        await s3_store(allowed="s3://bucket/team").add("x", f"s3://{place}")
