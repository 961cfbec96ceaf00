"""The base model: a folder, or fetched once from a hub and pinned."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.adapters.digests import base_digest
from serving.adapters.resolve import resolve_base
from serving.adapters.sources.source import SourceSettings
from serving.errors import BaseModelUnusable, SourceRefused, SourceUnavailable
from tests.serving.hub_server import Fault, Hub

FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"tokens",
    "model.safetensors": b"weights" * 1000,
    "consolidated.safetensors": b"the same weights under another name",
    "pytorch_model.bin": b"pickled",
    "onnx/model.onnx": b"another format",
    "README.md": b"words",
}


def settings(hub: Hub) -> SourceSettings:
    return SourceSettings(hub_endpoint=hub.endpoint, pause_s=0.01, attempts=2)


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert resolve_base(tmp_path, tmp_path / "home") == tmp_path
    assert resolve_base(str(tmp_path), tmp_path / "home") == tmp_path


@pytest.mark.parametrize("uri", ["hf:acme/base", "hf:acme/base@main", "acme/base"])
def test_a_repository_is_fetched_without_pickles_and_doubles(uri: str, hub: Hub, tmp_path: Path) -> None:
    commit = hub.commit("acme/base", FILES)

    folder = resolve_base(uri, tmp_path, settings=settings(hub))

    assert folder == tmp_path / "bases" / "acme--base" / commit
    assert {path.name for path in folder.iterdir()} == {"config.json", "tokenizer.json", "model.safetensors"}
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert base_digest(folder)


def test_a_restart_needs_no_hub_and_keeps_the_commit(hub: Hub, tmp_path: Path) -> None:
    hub.commit("acme/base", FILES)
    first = resolve_base("hf:acme/base", tmp_path, settings=settings(hub))
    hub.commit("acme/base", {**FILES, "model.safetensors": b"newer"})
    hub.requests.clear()

    assert resolve_base("hf:acme/base", tmp_path, settings=settings(hub)) == first
    assert hub.requests == []


def test_another_commit_is_another_folder(hub: Hub, tmp_path: Path) -> None:
    one = hub.commit("acme/base", FILES)
    two = hub.commit("acme/base", {**FILES, "model.safetensors": b"newer"})

    folders = [resolve_base(f"hf:acme/base@{commit}", tmp_path, settings=settings(hub)) for commit in (one, two)]

    assert [folder.name for folder in folders] == [one, two]
    assert base_digest(folders[0]) != base_digest(folders[1])


def test_damaged_weights_are_not_pinned(hub: Hub, tmp_path: Path) -> None:
    hub.commit("acme/base", FILES)
    hub.faults.append(Fault("GET /content", times=1, flip=True))

    with pytest.raises(BaseModelUnusable, match=r"model\.safetensors.*fetch it again"):
        resolve_base("hf:acme/base", tmp_path, settings=settings(hub))
    assert resolve_base("hf:acme/base", tmp_path, settings=settings(hub)).is_dir()


def test_progress_reaches_one(hub: Hub, tmp_path: Path) -> None:
    hub.commit("acme/base", FILES)
    seen: list[float] = []

    resolve_base("hf:acme/base", tmp_path, settings=settings(hub), on_progress=seen.append)

    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_repository_without_config_or_safetensors_is_unusable(missing: str, hub: Hub, tmp_path: Path) -> None:
    files = {name: body for name, body in FILES.items() if name not in (missing, "consolidated.safetensors")}
    hub.commit("acme/base", files)

    with pytest.raises(BaseModelUnusable, match="pickled weights are not read"):
        resolve_base("hf:acme/base", tmp_path, settings=settings(hub))


@pytest.mark.parametrize("base", ["/no/such/folder", "./none", "none", "a/b/c"])
def test_a_folder_that_is_not_there_is_named(base: str, tmp_path: Path) -> None:
    with pytest.raises(BaseModelUnusable, match=r"There is no folder.*hf:org/name"):
        resolve_base(base, tmp_path)


def model_folder(folder: Path) -> Path:
    folder.mkdir()
    for name in ("config.json", "tokenizer_config.json", "chat_template.jinja", "model.safetensors"):
        (folder / name).write_bytes(b"{}")
    return folder


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "chat_template.jinja"])
def test_a_small_file_that_links_out_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "base")
    (folder / name).rename(tmp_path / "secret")
    (folder / name).symlink_to("../secret")

    with pytest.raises(BaseModelUnusable, match=f"{name} is a link that leads out of the folder"):
        resolve_base(folder, tmp_path / "home")


def test_weights_may_be_links_to_another_disk(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "base")
    (folder / "model.safetensors").rename(tmp_path / "elsewhere")
    (folder / "model.safetensors").symlink_to(tmp_path / "elsewhere")

    assert resolve_base(folder, tmp_path / "home") == folder


def test_a_snapshot_in_the_cache_of_hugging_face_is_a_base(tmp_path: Path) -> None:
    blobs = tmp_path / "models--acme--base" / "blobs"
    blobs.parent.mkdir()
    model_folder(blobs)
    snapshot = blobs.parent / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    for blob in blobs.iterdir():
        (snapshot / blob.name).symlink_to(Path("../../blobs", blob.name))

    assert resolve_base(snapshot, tmp_path / "home") == snapshot


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize(("make", "called"), [(os.mkfifo, "a named pipe"), (os.mkdir, "a directory")])
def test_what_is_no_file_is_called_what_it_is(
    name: str, make: Callable[[Path], None], called: str, tmp_path: Path
) -> None:
    folder = model_folder(tmp_path / "base")
    (folder / name).unlink()
    make(folder / name)

    with pytest.raises(BaseModelUnusable, match=f"{name} cannot be read: it is {called}, not a regular file"):
        resolve_base(folder, tmp_path / "home")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_git_lfs_pointer_is_called_one(name: str, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "base")
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")

    with pytest.raises(BaseModelUnusable, match=f"{name} is a Git LFS pointer, .*git lfs pull"):
        resolve_base(folder, tmp_path / "home")


def test_hub_errors_are_passed_on(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="no such repository"):
        resolve_base("hf:acme/none", tmp_path, settings=settings(hub))
    with pytest.raises(SourceUnavailable):
        resolve_base("hf:acme/none", tmp_path, settings=SourceSettings(hub_endpoint="http://127.0.0.1:9", attempts=1))


def test_the_hubs_address_comes_from_the_environment_and_its_client_loads_only_when_needed(
    hub: Hub, tmp_path: Path
) -> None:
    commit = hub.commit("acme/base", FILES)
    fetch = f"""
import sys
from pathlib import Path
from serving.adapters.resolve import resolve_base
from serving.adapters.store import AdapterStore
assert not {{"huggingface_hub", "fsspec", "s3fs", "httpx2", "transformers", "peft"}} & set(sys.modules)
print(resolve_base("hf:acme/base", Path({str(tmp_path)!r})).name)
"""
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_TELEMETRY": "1"}
    root = Path(__file__).parents[3]

    child = subprocess.run(
        [sys.executable, "-c", fetch], cwd=root, env=environment, capture_output=True, text=True, check=False
    )

    assert (child.stdout.strip(), child.stderr) == (commit, "")
