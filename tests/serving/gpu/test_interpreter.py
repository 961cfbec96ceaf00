"""Triton's interpreter runs kernels on the CPU's tensors, in the process that runs everything else."""

import subprocess
import sys
from pathlib import Path

import torch
import triton
import triton.language as tl

from tests.serving.gpu.machine import DEVICE


@triton.jit
def _add_from(y, addresses, n, BLOCK: tl.constexpr):
    """y += x, where x is known by its address alone."""
    at = tl.arange(0, BLOCK)
    x = tl.load(addresses).to(tl.pointer_type(y.dtype.element_ty))
    total = tl.load(x + at, mask=at < n, other=0.0) + tl.load(y + at, mask=at < n, other=0.0)
    tl.store(y + at, total, mask=at < n)


def test_a_kernel_reads_and_writes_torchs_memory() -> None:
    x, y = torch.arange(10.0, device=DEVICE), torch.ones(10, device=DEVICE)

    _add_from[(1,)](y, torch.tensor([x.data_ptr()], device=DEVICE), 10, BLOCK=16)

    assert torch.equal(y, x + 1)


def test_serving_on_a_cpu_needs_no_triton() -> None:
    without = "import sys; sys.modules['triton'] = None; import serving.service, serving.base.prepare"

    subprocess.run([sys.executable, "-c", without], cwd=Path(__file__).parents[3], check=True)
