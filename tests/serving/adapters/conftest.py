"""Stores and hubs for the tests of adapters. The hub client must not call home, so it is told before it is imported."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from serving.adapters.sources.source import SourceSettings
from serving.adapters.store import AdapterStore
from tests.serving.adapters.tiny import BASE_DIGEST, base_shape
from tests.serving.hub_server import Hub, running_hub

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

OpenStore = Callable[..., AdapterStore]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        yield hub


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
