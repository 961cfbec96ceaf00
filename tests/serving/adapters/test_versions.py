"""The files of versions: published whole, deleted whole, and not while somebody holds them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from serving.adapters.blob import in_memory
from serving.adapters.digests import TEMPLATE_FILE, adapter_digest
from serving.adapters.load_stages import LoadStages
from serving.adapters.versions import VersionFiles
from serving.errors import AdapterCorrupt, AdapterIncompatible, StorageFailed
from serving.types import AdapterDigest
from tests.serving.adapters.tiny import BASE_DIGEST, base_shape, write_adapter
from tests.serving.exhausted import no_descriptors


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def files(home: Path) -> VersionFiles:
    made = VersionFiles(home, base_shape(), BASE_DIGEST, torch.float32)
    made.prepare({})
    return made


def published(files: VersionFiles, staged: Path, seed: int = 0) -> AdapterDigest:
    digest = adapter_digest(write_adapter(staged, seed=seed))
    files.publish(staged, digest, "x")
    return digest


def stored(home: Path) -> list[str]:
    return sorted(path.name for folder in ("versions", "blobs") for path in (home / folder).iterdir())


def test_a_published_version_is_read_back_and_deleted_whole(files: VersionFiles, home: Path, tmp_path: Path) -> None:
    digest = published(files, tmp_path / "staged")
    size = files.size(digest)
    blob = files.open(digest, in_memory, LoadStages(0.0))

    assert size is not None
    assert blob.nbytes == size.nbytes
    assert stored(home) == sorted([digest, size.blob])
    files.delete(digest)
    assert (files.size(digest), stored(home), files.disk_bytes()) == (None, [], 0)


def test_a_version_is_deleted_only_when_nobody_holds_it(files: VersionFiles, home: Path, tmp_path: Path) -> None:
    digest = published(files, tmp_path / "staged")
    for _ in range(2):
        files.hold(digest)

    for _ in range(2):
        files.delete(digest)
        assert files.size(digest) is not None
        files.release(digest)
    files.delete(digest)

    assert stored(home) == []


def test_a_refused_adapter_leaves_nothing(files: VersionFiles, home: Path, tmp_path: Path) -> None:
    staged = write_adapter(tmp_path / "staged", use_dora=True)

    with pytest.raises(AdapterIncompatible):
        files.publish(staged, adapter_digest(staged), "x")

    assert stored(home) == []


def test_the_chat_template_must_be_text(files: VersionFiles, home: Path, tmp_path: Path) -> None:
    digest = published(files, tmp_path / "staged")

    assert files.chat_template(digest) is None
    (home / "versions" / digest / TEMPLATE_FILE).write_bytes(b"\xff")
    with pytest.raises(AdapterCorrupt, match="UTF-8"):
        files.chat_template(digest)


def test_a_start_serves_what_fits_and_says_why_not(files: VersionFiles, home: Path, tmp_path: Path) -> None:
    good, gone = (published(files, tmp_path / f"{i}", seed=i) for i in range(2))
    size, lost = files.size(good), files.size(gone)
    assert size
    assert lost
    (home / "blobs" / lost.blob).unlink()
    (home / "versions" / gone / "adapter_config.json").unlink()

    again = VersionFiles(home, base_shape(), BASE_DIGEST, torch.float32)
    fresh = again.prepare({good: size, gone: lost})

    assert (fresh, again.size(good), again.size(gone)) == ({}, size, None)
    assert "remove the adapter and add it again" in str(again.problems[gone])


def test_too_many_open_files_are_the_node_s_fault_and_not_the_adapter_s(
    files: VersionFiles, home: Path, tmp_path: Path
) -> None:
    digest = published(files, tmp_path / "staged")
    restarted = VersionFiles(home, base_shape(), BASE_DIGEST, torch.float32)
    other = write_adapter(tmp_path / "other", seed=1)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: files.chat_template(digest),
        lambda: files.open(digest, in_memory, LoadStages(0.0)),
        lambda: files.publish(other, digest, "x"),
        lambda: restarted.prepare({digest: None}),
    )

    for attempt in attempts:
        with no_descriptors(), pytest.raises(StorageFailed, match=r"Too many open files.*raise its limit"):
            attempt()

    assert files.chat_template(digest) is None
    assert files.open(digest, in_memory, LoadStages(0.0)).adapter == digest


def test_a_version_whose_folder_cannot_be_read_is_not_called_damaged(
    files: VersionFiles, home: Path, tmp_path: Path
) -> None:
    digest = published(files, tmp_path / "staged")
    (home / "versions" / digest / TEMPLATE_FILE).symlink_to(home / "versions" / digest / TEMPLATE_FILE)

    with pytest.raises(StorageFailed, match="symbolic links"):
        files.chat_template(digest)
