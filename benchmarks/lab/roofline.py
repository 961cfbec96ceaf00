"""What a decode step costs at least: the ceiling that measured figures are printed against.

Every weight is read once per step, every adapter in the batch once, and of every row its keys and values:

    t = max( (W + B ctx kv + K a) / bandwidth,  flops / rate )

Real steps are slower. A figure above the ceiling is a mistake in the figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.lab.profiles import Shape

Popularity = Literal["uniform", "zipf"]


@dataclass(frozen=True, slots=True)
class Machine:
    """bytes_per_s: of its memory, as a long copy reaches it.   flops_per_s: of dense products in the model's dtype.

    host_bytes_per_s: from page-locked host memory to the device.
    """

    name: str
    bytes_per_s: float
    flops_per_s: float
    host_bytes_per_s: float


H200 = Machine("H200", bytes_per_s=4.3e12, flops_per_s=790e12, host_bytes_per_s=50e9)
"""As an NVIDIA H200 does bf16; the host's rate is that of PCIe 5 with 16 lanes, assumed."""


@dataclass(frozen=True, slots=True)
class Decode:
    """One decode step: rows sequences with context_tokens each."""

    shape: Shape
    rows: int
    context_tokens: int
    dtype_bytes: int = 2

    def seconds(self, machine: Machine, adapters: float = 0.0, rank: int = 0) -> float:
        """The floor with so many distinct adapters of this rank in the batch; every row has one unless it is 0."""
        read = weight_bytes(self.shape, self.dtype_bytes) + adapters * adapter_bytes(self.shape, rank, self.dtype_bytes)
        read += self.rows * self.context_tokens * kv_token_bytes(self.shape, self.dtype_bytes)
        return max(read / machine.bytes_per_s, self.flops(rank if adapters else 0) / machine.flops_per_s)

    def flops(self, rank: int) -> float:
        """Of products with weights, of attention (Q Kᵀ and P V), and of adapters."""
        shape = self.shape
        attention = 4 * self.context_tokens * shape.layers * shape.heads * shape.head_size
        weights = 2 * (_linear_parameters(shape) + shape.vocab * shape.hidden)
        return float(self.rows * (weights + attention + 2 * adapter_parameters(shape, rank)))

    def ceiling(self, machine: Machine, adapters: float, rank: int) -> float:
        """Tokens per second with these adapters over those without any: no implementation can exceed it."""
        return self.seconds(machine) / self.seconds(machine, adapters, rank)


def weight_bytes(shape: Shape, dtype_bytes: int = 2) -> int:
    """Read per step: linears and head. Of the embedding only the rows of the step's tokens are, which is nothing."""
    return dtype_bytes * (_linear_parameters(shape) + shape.vocab * shape.hidden)


def adapter_parameters(shape: Shape, rank: int) -> int:
    """Of an adapter of all linears."""
    return shape.layers * rank * sum(d_in + d_out for d_in, d_out in shape.linears().values())


def adapter_bytes(shape: Shape, rank: int, dtype_bytes: int = 2) -> int:
    return dtype_bytes * adapter_parameters(shape, rank)


def kv_token_bytes(shape: Shape, dtype_bytes: int = 2) -> int:
    """Of one token in all layers."""
    return 2 * dtype_bytes * shape.layers * shape.kv_heads * shape.head_size


def distinct(rows: int, registered: int, popularity: Popularity) -> float:
    """How many distinct adapters a batch has on average if every row draws one of `registered`: Σ 1 - (1 - p)^rows.

    zipf: adapter number i is drawn 1 / i as often as the first.
    """
    return sum(1 - (1 - p) ** rows for p in shares(registered, popularity))


def shares(registered: int, popularity: Popularity) -> Sequence[float]:
    """How likely each adapter is to be drawn, the most popular first; they add up to 1."""
    weights = [1.0 if popularity == "uniform" else 1 / number for number in range(1, registered + 1)]
    total = sum(weights)
    return [weight / total for weight in weights]


def hit_rate(resident: int, registered: int) -> float:
    """The part of Zipf-distributed requests whose adapter is among the `resident` most popular."""
    return sum(shares(registered, "zipf")[:resident])


def swap_seconds(machine: Machine, shape: Shape, rank: int, dtype_bytes: int = 2) -> float:
    """From page-locked host memory to the device, at least."""
    return adapter_bytes(shape, rank, dtype_bytes) / machine.host_bytes_per_s


def resident_adapters(
    memory_bytes: float, shape: Shape, rank: int, *, rows: int, context_tokens: int, workspace_bytes: float
) -> int:
    """So many adapters fit beside the weights, the embedding, the keys and values of the rows, and the workspace."""
    weights = weight_bytes(shape) + (0 if shape.tied else 2 * shape.vocab * shape.hidden)
    left = memory_bytes - weights - workspace_bytes - rows * context_tokens * kv_token_bytes(shape)
    return max(0, int(left // adapter_bytes(shape, rank)))


def _linear_parameters(shape: Shape) -> int:
    return shape.layers * sum(d_in * d_out for d_in, d_out in shape.linears().values())
