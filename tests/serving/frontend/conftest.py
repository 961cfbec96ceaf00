"""Fixtures of the tests of the frontend: stores of adapters, and versions that differ in their weights only."""

from pathlib import Path

import pytest

from tests.serving.adapters.conftest import open_store, srv
from tests.serving.conftest import Folders
from tests.serving.frontend.mutable_source import versions_of

__all__ = ["open_store", "srv"]


@pytest.fixture
def versions(folders: Folders, tmp_path: Path) -> list[Path]:
    """Eight versions of one adapter, all of the same size."""
    return versions_of(folders.adapters["a0"], tmp_path, 8)
