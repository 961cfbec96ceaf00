"""The base model: a folder, or fetched once from a hub and pinned."""

import os
import subprocess
import sys
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


@pytest.mark.parametrize("spelling", ["hf:acme/base", "hf:acme/base@main", "acme/base"])
def test_a_repository_is_fetched_without_pickles_and_doubles(spelling: str, hub: Hub, tmp_path: Path) -> None:
    commit = hub.commit("acme/base", FILES)

    folder = resolve_base(spelling, tmp_path, settings=settings(hub))

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


def test_hub_errors_are_told(hub: Hub, tmp_path: Path) -> None:
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
