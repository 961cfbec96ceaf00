"""Stores and hubs for the tests of adapters. The hub client must not call home: set before it is imported."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from serving.adapters.base_shape import BaseShape
from serving.adapters.base_weights import BaseWeights
from serving.adapters.sources.source import SourceSettings
from serving.adapters.store import AdapterStore
from tests.serving.adapters.biased import llama_with_biases, with_ends
from tests.serving.adapters.tiny import BASE_DIGEST, base_shape, write_adapter
from tests.serving.hub_server import Hub, running_hub

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

OpenStore = Callable[..., AdapterStore]
HubStore = Callable[..., AdapterStore]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        yield hub


@pytest.fixture
def srv(tmp_path: Path) -> Path:
    return tmp_path / "srv"


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Opens stores on tmp_path/home that take files below tmp_path/srv and everything from a hub; closes them."""
    opened: list[AdapterStore] = []
    (tmp_path / "srv").mkdir()

    def open_one(**changes: Any) -> AdapterStore:
        arguments: dict[str, Any] = {
            "home": tmp_path / "home",
            "base": base_shape(),
            "base_digest": BASE_DIGEST,
            "dtype": torch.float32,
            "allowed_sources": [f"file:{tmp_path / 'srv'}", "hf:"],
            "settings": SourceSettings(pause_s=0.01),
            **changes,
        }
        opened.append(AdapterStore(**arguments))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def hub_store(open_store: OpenStore, hub: Hub) -> HubStore:
    """Opens stores whose hub is the one on loopback."""

    def open_one(**settings: Any) -> AdapterStore:
        clock = settings.pop("clock", None)
        fast = {"pause_s": 0.01, "timeout_s": 5.0, "attempts": 2, **settings}
        more = {"clock": clock} if clock else {}
        return open_store(settings=SourceSettings(hub_endpoint=hub.endpoint, **fast), **more)

    return open_one


def adapter_files(folder: Path, **config: Any) -> dict[str, bytes]:
    write_adapter(folder, **config)
    (folder / "README.md").write_text("not fetched")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    return adapter_files(tmp_path / "x")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseShape:
    """A base with biases, both ends and its files."""
    folder = tmp_path_factory.mktemp("base")
    llama_with_biases().save_pretrained(folder)
    return with_ends(BaseWeights(folder))
