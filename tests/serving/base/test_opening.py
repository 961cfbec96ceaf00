"""What has to be there before a service starts."""

from pathlib import Path

import pytest

from serving.base.opening import open_base
from serving.config import ServingConfig
from serving.errors import BaseModelUnusable, ServingError
from tests.serving.conftest import Folders


def test_the_base_and_an_empty_store_are_opened_with_progress(folders: Folders, config: ServingConfig) -> None:
    progress: list[tuple[str, float]] = []

    base, store = open_base(config, lambda what, fraction: progress.append((what, fraction)))

    assert base.name == folders.base.name
    assert store.count() == 0
    assert progress[-1] == ("Loading the base model", 1.0)
    assert all(0 <= fraction <= 1 for _, fraction in progress)


def test_a_base_that_is_not_there_is_refused(tmp_path: Path) -> None:
    config = ServingConfig(tmp_path / "nothing", adapters_home=tmp_path)

    with pytest.raises(ServingError):
        open_base(config, lambda what, fraction: None)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(BaseModelUnusable, match=r"config\.json"):
        open_base(ServingConfig(tmp_path / "empty", adapters_home=tmp_path), lambda what, fraction: None)
