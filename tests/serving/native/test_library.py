"""The functions of the compiled kernels, called with tensors."""

from pathlib import Path

import pytest
import torch

from serving.native.library import Library
from serving.native.packed import PackedMatrix
from tests.serving.native.conftest import TOLERANCE


@pytest.mark.parametrize("tokens", [1, 2, 3, 8, 21])
@pytest.mark.parametrize("biased", [False, True])
def test_a_linear_is_a_matrix_product(kernels: Library, tokens: int, *, biased: bool) -> None:
    generator = torch.Generator().manual_seed(tokens)
    weight = torch.randn(37, 50, generator=generator).to(kernels.dtype)
    bias = torch.randn(37, generator=generator) if biased else None
    x = torch.randn(tokens, 50, generator=generator).to(kernels.dtype)
    packed = PackedMatrix(kernels, weight, bias, threads=1)
    expected = torch.nn.functional.linear(x.float(), weight.float(), bias)

    for dtype in (kernels.dtype, torch.float32):
        y = torch.empty(tokens, 37, dtype=dtype)
        kernels.apply_linear(packed.linear, x, y, threads=2)

        assert (y.float() - expected).abs().max() <= TOLERANCE[kernels.dtype] * expected.abs().max()


def test_packed_rows_come_back_unchanged(kernels: Library) -> None:
    weight = torch.randn(37, 50).to(kernels.dtype)
    packed = torch.empty(48, 50, dtype=kernels.dtype)
    kernels.pack(weight, packed, threads=2)
    rows, out = torch.tensor([36, 0, 17, 17]), torch.empty(4, 50, dtype=kernels.dtype)

    kernels.unpack(packed, rows, out)

    assert torch.equal(out, weight[rows])


def test_a_file_that_is_no_library_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "broken.so").write_bytes(b"not a library")

    with pytest.raises(OSError, match=r"broken\.so"):
        Library(tmp_path / "broken.so", torch.float32)
