"""The CPU kernels are tested before they are used; without them a node runs in torch and says why."""

from pathlib import Path

import pytest
import torch

from serving.base import cpu_kernels
from serving.base.cpu_kernels import kernels_for
from serving.config import KERNELS_HOME
from serving.native import compiler
from serving.native.packed import PackedMatrix

CPU = torch.device("cpu")
HOME = KERNELS_HOME.expanduser()
"""Where other tests keep the kernels too: compiling takes seconds."""


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kernels_are_made_for_the_dtype(dtype: torch.dtype) -> None:
    kernels = kernels_for(dtype, CPU, HOME)

    assert kernels is not None
    assert kernels.dtype == dtype


def test_a_machine_without_a_compiler_goes_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compiler, "COMPILERS", ("no-such-compiler",))

    assert kernels_for(torch.float32, CPU, tmp_path) is None
    assert "apt-get install gcc" in caplog.text


def test_kernels_that_compute_wrongly_are_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Wrong(PackedMatrix):
        def __call__(self, x: torch.Tensor, *, threads: int, dtype: torch.dtype | None = None) -> torch.Tensor:
            return super().__call__(x, threads=threads, dtype=dtype) * 1.001

    monkeypatch.setattr(cpu_kernels, "PackedMatrix", Wrong)

    assert kernels_for(torch.float32, CPU, HOME) is None
    assert "kernels_wrong" in caplog.text


def test_kernels_can_be_turned_off_and_are_for_the_cpu_only(tmp_path: Path) -> None:
    assert kernels_for(torch.float32, CPU, None) is None
    assert kernels_for(torch.float32, torch.device("cuda"), tmp_path) is None
    assert list(tmp_path.iterdir()) == []
