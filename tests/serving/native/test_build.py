"""Kernels are compiled once and kept privately; what goes wrong is reported with its reason."""

from pathlib import Path

import pytest
import torch

from serving.config import KERNELS_HOME
from serving.native import build
from serving.native.build import NotBuilt, built


def test_the_second_start_compiles_nothing(tmp_path: Path) -> None:
    first = built(torch.float32, tmp_path / "kept")
    before = first.stat()

    assert built(torch.float32, tmp_path / "kept") == first
    assert first.stat() == before
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [first.name]
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700, "other users must not write code into it"


def test_another_processor_needs_other_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = built(torch.float32, tmp_path)
    monkeypatch.setattr(build, "processor_features", lambda: "another")

    assert built(torch.float32, tmp_path) != before


def test_each_dtype_has_its_own_kernels(tmp_path: Path) -> None:
    home = KERNELS_HOME.expanduser()

    assert built(torch.float32, home) != built(torch.bfloat16, home)
    with pytest.raises(NotBuilt, match="float16"):
        built(torch.float16, tmp_path)


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(NotBuilt, match="other users may write"):
        built(torch.float32, tmp_path)


def test_a_compiler_that_fails_is_reported_with_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "bin" / "gcc"
    compiler.parent.mkdir()
    compiler.write_text("#!/bin/sh\necho this disk is full >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(compiler.parent))

    with pytest.raises(NotBuilt, match="this disk is full"):
        built(torch.float32, tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []
