"""A packed matrix computes what torch computes, whatever its shape."""

import pytest
import torch

from serving.native.library import Library
from serving.native.packed import PackedMatrix


@pytest.mark.parametrize("tokens", [0, 1, 2, 3, 5, 8, 13, 32, 133])
@pytest.mark.parametrize(("d_in", "d_out"), [(16, 1), (34, 15), (64, 48), (70, 100), (192, 33)])
@pytest.mark.parametrize("threads", [1, 2])
def test_products_equal_torchs(kernels: Library, tokens: int, d_in: int, d_out: int, threads: int) -> None:
    rng = torch.Generator().manual_seed(tokens + d_out)
    x = torch.randn(tokens, d_in, generator=rng).to(kernels.dtype)
    weight = torch.randn(d_out, d_in, generator=rng).to(kernels.dtype)
    bias = torch.randn(d_out, generator=rng).to(kernels.dtype) if d_out % 2 else None
    packed = PackedMatrix(kernels, weight, bias, threads=1)

    exact = packed(x, threads=threads, dtype=torch.float32)
    rounded = packed(x, threads=threads)

    expected = torch.nn.functional.linear(x.double(), weight.double(), None if bias is None else bias.double())
    assert torch.allclose(exact.double(), expected, rtol=1e-5, atol=1e-4)
    assert torch.equal(rounded, exact.to(kernels.dtype))


def test_rows_come_back_as_they_were(kernels: Library) -> None:
    weight = torch.randn(50, 24).to(kernels.dtype)
    packed = PackedMatrix(kernels, weight, None, threads=1)
    numbers = torch.tensor([49, 0, 16, 15, 16])

    assert torch.equal(packed.rows(numbers), weight[numbers])


def test_what_is_not_finite_stays_so_in_its_own_row(kernels: Library) -> None:
    x = torch.ones(9, 32, dtype=kernels.dtype)
    x[4, 7], x[6, 1] = float("nan"), float("inf")
    packed = PackedMatrix(kernels, torch.ones(20, 32, dtype=kernels.dtype), None, threads=1)

    y = packed(x, threads=1)

    assert y[4].isnan().all()
    assert y[6].isinf().all()
    assert torch.equal(y[[0, 1, 2, 3, 5, 7, 8]], torch.full((7, 20), 32.0, dtype=kernels.dtype))
