"""Chooses the device and the dtype: what is not configured is measured once at start."""

import time

import torch

from serving.config import DeviceChoice, DtypeChoice
from serving.errors import BaseModelUnusable

_DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
_WORTH_IT = 1.2
"""bf16 rounds more coarsely, so it must be at least this many times as fast."""


def choose_device(choice: DeviceChoice) -> torch.device:
    """The configured device; with `auto` a GPU if torch sees one. Raises BaseModelUnusable for an absent GPU."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise BaseModelUnusable("The configured device is cuda, but this torch sees no CUDA device. Use --device cpu.")
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")


def choose_dtype(choice: DtypeChoice, device: torch.device, d_in: int, d_out: int) -> torch.dtype:
    """The configured dtype; with `auto` bf16 if it is clearly faster for linears of this size on this device."""
    if choice != "auto":
        return _DTYPES[choice]
    if device.type == "cuda":
        return torch.bfloat16
    bf16_s = sum(linear_s(torch.bfloat16, rows, d_in, d_out) for rows in (1, 32))
    fp32_s = sum(linear_s(torch.float32, rows, d_in, d_out) for rows in (1, 32))
    return torch.bfloat16 if bf16_s * _WORTH_IT < fp32_s else torch.float32


def linear_s(dtype: torch.dtype, rows: int, d_in: int, d_out: int) -> float:
    """The best of several timings of one linear layer, in seconds."""
    x, weight = torch.ones(rows, d_in, dtype=dtype), torch.ones(d_out, d_in, dtype=dtype)
    best = float("inf")
    for _ in range(12):
        started = time.perf_counter()
        torch.nn.functional.linear(x, weight)
        best = min(best, time.perf_counter() - started)
    return best
