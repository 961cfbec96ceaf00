"""Kernels are compiled once, kept privately, and done without where they cannot be had."""

from pathlib import Path

import pytest
import torch

from serving.base import cpu_kernels
from serving.base.cpu_kernels import kernels_for
from serving.native import build, compiler
from serving.native.build import NotBuilt, built

CPU = torch.device("cpu")


def test_the_second_start_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = built(torch.float32, tmp_path / "kept")
    monkeypatch.setattr(build, "_compile", lambda command, library: pytest.fail("compiled again"))

    assert built(torch.float32, tmp_path / "kept") == first
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [first.name]


def test_another_processor_needs_other_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = built(torch.float32, tmp_path)
    monkeypatch.setattr(build, "_processor", lambda: "another")
    monkeypatch.setattr(build, "_compile", lambda command, library: library.touch())

    assert built(torch.float32, tmp_path) != before


def test_a_machine_without_a_compiler_goes_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compiler, "COMPILERS", ("no-such-compiler",))

    assert kernels_for(torch.float32, CPU, tmp_path) is None
    assert "apt-get install gcc" in caplog.text


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(NotBuilt, match="other users may write"):
        built(torch.float32, tmp_path)


def test_a_compiler_that_fails_is_reported_with_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_OPTIONS", ("-no-such-option",))

    with pytest.raises(NotBuilt, match="no-such-option"):
        built(torch.float32, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_kernels_that_compute_wrongly_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cpu_kernels, "_TOLERANCE", {torch.float32: -1.0})

    assert kernels_for(torch.float32, CPU, tmp_path) is None
    assert "kernels_wrong" in caplog.text


def test_plain_torch_can_be_asked_for() -> None:
    assert kernels_for(torch.float32, CPU, None) is None
