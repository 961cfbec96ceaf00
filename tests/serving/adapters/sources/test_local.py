"""`file:` sources: below the allowed folders once every link is followed, safetensors only, within size caps."""

import os
from pathlib import Path

import pytest
import torch

from serving.adapters.sources.source import SourceSettings
from serving.errors import AdapterCorrupt, SourceRefused, SourceUnavailable
from tests.serving.adapters.conftest import OpenStore
from tests.serving.adapters.tiny import weights, write_adapter

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def srv(tmp_path: Path) -> Path:
    return tmp_path / "srv"


@pytest.mark.parametrize("uri", ["file:{}", "file://{}"])
async def test_a_folder_below_an_allowed_one_is_taken(uri: str, open_store: OpenStore, srv: Path) -> None:
    folder = write_adapter(srv / "team" / "x")

    added = await open_store().add("x", uri.format(folder))

    assert added.pinned_source == f"file:{folder}"


async def test_changing_the_folder_later_changes_nothing_that_is_served(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    added = await store.add("x", f"file:{write_adapter(srv / 'x', seed=1)}")
    payload = store.open_blob(added.digest).payload.clone()

    write_adapter(srv / "x", seed=2)
    store.close()

    assert torch.equal(open_store().open_blob(added.digest).payload, payload)


@pytest.mark.parametrize("where", ["outside", "missing", "srv/../outside", "srv-not", "/etc", "/"])
async def test_a_path_outside_is_refused_the_same_whether_it_exists_or_not(
    where: str, open_store: OpenStore, tmp_path: Path
) -> None:
    write_adapter(tmp_path / "outside")

    with pytest.raises(SourceRefused, match=r"outside the folders|without '\.\.'"):
        await open_store().add("x", f"file:{tmp_path}/{where}")


async def test_a_link_that_leads_outside_is_refused(open_store: OpenStore, srv: Path, tmp_path: Path) -> None:
    (srv / "link").symlink_to(write_adapter(tmp_path / "outside"))

    with pytest.raises(SourceRefused, match="outside the folders"):
        await open_store().add("x", f"file:{srv / 'link'}")


async def test_a_file_that_links_outside_is_refused(open_store: OpenStore, srv: Path, tmp_path: Path) -> None:
    outside = write_adapter(tmp_path / "outside") / "adapter_model.safetensors"
    linked = write_adapter(srv / "x") / "adapter_model.safetensors"
    linked.unlink()
    linked.symlink_to(outside)

    with pytest.raises(SourceRefused, match="outside the folders"):
        await open_store().add("x", f"file:{srv / 'x'}")


def hub_cache(root: Path, *, relative: bool) -> Path:
    """An adapter as the cache of `huggingface_hub` keeps it: the snapshot's files are links to blobs."""
    repository = root / "hub" / "models--acme--x"
    snapshot = repository / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for index, file in enumerate(write_adapter(root / "plain").iterdir()):
        blob = repository / "blobs" / f"{index:040x}"
        file.rename(blob)
        (snapshot / file.name).symlink_to(Path("..", "..", "blobs", blob.name) if relative else blob)
    return snapshot


@pytest.mark.parametrize("relative", [True, False])
async def test_the_links_of_a_hugging_face_cache_are_followed(relative: bool, open_store: OpenStore, srv: Path) -> None:
    snapshot = hub_cache(srv, relative=relative)

    assert (await open_store().add("x", f"file:{snapshot}")).rank == 2


async def test_a_folder_inside_a_snapshot_may_link_to_the_blobs_as_well(open_store: OpenStore, srv: Path) -> None:
    snapshot = hub_cache(srv, relative=False)
    (snapshot / "checkpoint").mkdir()
    for file in [path for path in snapshot.iterdir() if path.is_symlink()]:
        file.rename(snapshot / "checkpoint" / file.name)

    assert (await open_store().add("x", f"file:{snapshot / 'checkpoint'}")).rank == 2


async def test_links_inside_the_adapter_s_folder_are_followed(open_store: OpenStore, srv: Path) -> None:
    folder = write_adapter(srv / "x")
    (folder / "last").mkdir()
    (folder / WEIGHTS).rename(folder / "last" / WEIGHTS)
    (folder / "link").symlink_to("last")
    (folder / WEIGHTS).symlink_to(Path("link", WEIGHTS))

    assert (await open_store().add("x", f"file:{folder}")).rank == 2


async def test_a_missing_folder_is_unavailable(open_store: OpenStore, srv: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no such folder"):
        await open_store().add("x", f"file:{srv / 'missing'}")


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
async def test_a_missing_file_is_named(name: str, open_store: OpenStore, srv: Path) -> None:
    (write_adapter(srv / "x") / name).unlink()

    with pytest.raises(AdapterCorrupt, match=f"{name}: it is missing"):
        await open_store().add("x", f"file:{srv / 'x'}")


@pytest.mark.parametrize("name", ["adapter_model.bin", "adapter_model.pt", "checkpoint.pth", "weights.pkl"])
async def test_pickled_weights_are_refused_with_advice(name: str, open_store: OpenStore, srv: Path) -> None:
    folder = write_adapter(srv / "x")
    (folder / "adapter_model.safetensors").unlink()
    torch.save(weights(), folder / name)

    with pytest.raises(SourceRefused, match=r"pickle.*save_pretrained"):
        await open_store().add("x", f"file:{folder}")


async def test_a_pickle_next_to_safetensors_is_never_read(open_store: OpenStore, srv: Path, tmp_path: Path) -> None:
    folder = write_adapter(srv / "x")
    (folder / "adapter_model.bin").write_bytes(b"\x80\x04not even a pickle")

    added = await open_store().add("x", f"file:{folder}")

    kept = tmp_path / "home" / "versions" / added.digest
    assert {path.name for path in kept.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("adapter_model.safetensors", SourceSettings(weights_bytes=100)),
        ("adapter_config.json", SourceSettings(small_file_bytes=10)),
    ],
)
async def test_an_oversized_file_is_refused_before_it_is_read(
    name: str, settings: SourceSettings, open_store: OpenStore, srv: Path
) -> None:
    with pytest.raises(SourceRefused, match=f"{name} is larger than"):
        await open_store(settings=settings).add("x", f"file:{write_adapter(srv / 'x')}")


async def test_a_named_pipe_does_not_hang_the_node(open_store: OpenStore, srv: Path) -> None:
    folder = write_adapter(srv / "x")
    (folder / "adapter_config.json").unlink()
    os.mkfifo(folder / "adapter_config.json")

    with pytest.raises(AdapterCorrupt, match="not a regular file"):
        await open_store().add("x", f"file:{folder}")


async def test_without_an_allowed_folder_every_file_source_is_refused(open_store: OpenStore, srv: Path) -> None:
    with pytest.raises(SourceRefused):
        await open_store(allowed_sources=["hf:"]).add("x", f"file:{write_adapter(srv / 'x')}")


async def test_the_prefix_file_allows_every_folder(open_store: OpenStore, tmp_path: Path) -> None:
    added = await open_store(allowed_sources=["file:"]).add("x", f"file:{write_adapter(tmp_path / 'anywhere')}")

    assert added.rank == 2
