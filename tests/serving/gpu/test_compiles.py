"""The kernels compile for real GPUs, fit them, and load and multiply as their hardware wants. Needs no GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SHARED_BYTES = {80: 163 << 10, 90: 227 << 10}
"""What one program may have of an A100's and an H100's multiprocessor."""


def compiled(tmp_path: Path, capability: int, dtype: str, dims: list[int]) -> list[dict[str, Any]]:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.serving.gpu.compiled", str(capability), dtype, *map(str, dims)],
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def check(built: list[dict[str, Any]], capability: int, dtype: str) -> None:
    products = {"shrink", "expand", "decode", "prefill"}
    assert {kernel["kernel"] for kernel in built} == products | {"combine", "store"}
    for kernel in built:
        assert kernel["shared_bytes"] <= SHARED_BYTES[capability], kernel
        if kernel["kernel"] in products:
            assert kernel["copies_16_bytes"], kernel
            assert kernel["matrix_units"] == (dtype == "bf16"), kernel


def test_kernels_for_an_h100(tmp_path: Path) -> None:
    check(compiled(tmp_path, 90, "bf16", [128]), 90, "bf16")


@pytest.mark.full
@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
@pytest.mark.parametrize("capability", [80, 90])
def test_kernels_for_every_width_of_a_head(tmp_path: Path, capability: int, dtype: str) -> None:
    check(compiled(tmp_path, capability, dtype, [64, 80, 96, 128, 256]), capability, dtype)
