"""The least time that a decode step can take: the ceiling that measured figures are printed against.

A step reads every weight once, every distinct adapter of the batch once, and the keys and values of every row:

    t = max( (W + B · ctx · kv + K · a) / bandwidth,  flops / rate )

    W: bytes of the weights.   B: rows.   ctx: tokens of context.   kv: bytes of one token's keys and values.
    K: distinct adapters.   a: bytes of one adapter.

Real steps are slower. A measured figure above the ceiling is a mistake in the measurement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.lab.profiles import Shape

Distribution = Literal["uniform", "zipf"]


@dataclass(frozen=True, slots=True)
class Machine:
    """The rates of a GPU.

    bytes_per_s: memory bandwidth that a long copy reaches.   flops_per_s: dense matrix products in the model's dtype.
    host_bytes_per_s: copies from page-locked host memory to the device.
    """

    name: str
    bytes_per_s: float
    flops_per_s: float
    host_bytes_per_s: float


H200 = Machine("H200", bytes_per_s=4.3e12, flops_per_s=790e12, host_bytes_per_s=50e9)
"""An NVIDIA H200 in bf16. The host rate assumes PCIe 5 with 16 lanes."""


@dataclass(frozen=True, slots=True)
class Decode:
    """One decode step of `rows` sequences with `context_tokens` tokens each."""

    shape: Shape
    rows: int
    context_tokens: int
    dtype_bytes: int = 2

    def seconds(self, machine: Machine, adapters: float = 0.0, rank: int = 0) -> float:
        """Least seconds of a step with `adapters` distinct adapters of this rank; with 0 no row has an adapter."""
        read = weight_bytes(self.shape, self.dtype_bytes) + adapters * adapter_bytes(self.shape, rank, self.dtype_bytes)
        read += self.rows * self.context_tokens * kv_token_bytes(self.shape, self.dtype_bytes)
        return max(read / machine.bytes_per_s, self.flops(rank if adapters else 0) / machine.flops_per_s)

    def flops(self, rank: int) -> float:
        """Operations of a step: products with weights, attention (Q Kᵀ and P V), and adapters of this rank."""
        shape = self.shape
        attention = 4 * self.context_tokens * shape.layers * shape.heads * shape.head_size
        weights = 2 * (_linear_parameters(shape) + shape.vocab * shape.hidden)
        return float(self.rows * (weights + attention + 2 * adapter_parameters(shape, rank)))

    def ceiling(self, machine: Machine, adapters: float, rank: int) -> float:
        """Most tokens per second with these adapters, as a share of the most without adapters."""
        return self.seconds(machine) / self.seconds(machine, adapters, rank)


def weight_bytes(shape: Shape, dtype_bytes: int = 2) -> int:
    """Weight bytes read per step: linears and head. The few embedding rows that a step reads do not count."""
    return dtype_bytes * (_linear_parameters(shape) + shape.vocab * shape.hidden)


def adapter_parameters(shape: Shape, rank: int) -> int:
    """Parameters of an all-linear adapter."""
    return shape.layers * rank * sum(d_in + d_out for d_in, d_out in shape.linears().values())


def adapter_bytes(shape: Shape, rank: int, dtype_bytes: int = 2) -> int:
    """Bytes of an all-linear adapter."""
    return dtype_bytes * adapter_parameters(shape, rank)


def kv_token_bytes(shape: Shape, dtype_bytes: int = 2) -> int:
    """Bytes of one token's keys and values in all layers."""
    return 2 * dtype_bytes * shape.layers * shape.kv_heads * shape.head_size


def distinct(rows: int, registered: int, popularity: Distribution) -> float:
    """Expected number of distinct adapters in a batch whose rows each draw one of `registered`: Σ 1 - (1 - p)^rows.

    zipf: the i-th adapter is drawn 1 / i as often as the first.
    """
    return sum(1 - (1 - p) ** rows for p in shares(registered, popularity))


def shares(registered: int, popularity: Distribution) -> Sequence[float]:
    """Probability of each adapter to be drawn, the most popular first. They add up to 1."""
    weights = [1.0 if popularity == "uniform" else 1 / number for number in range(1, registered + 1)]
    total = sum(weights)
    return [weight / total for weight in weights]


def hit_rate(resident: int, registered: int) -> float:
    """Share of Zipf-distributed requests whose adapter is among the `resident` most popular."""
    return sum(shares(registered, "zipf")[:resident])


def swap_seconds(machine: Machine, shape: Shape, rank: int, dtype_bytes: int = 2) -> float:
    """Least seconds to copy an adapter from page-locked host memory to the device."""
    return adapter_bytes(shape, rank, dtype_bytes) / machine.host_bytes_per_s


def resident_adapters(
    memory_bytes: float, shape: Shape, rank: int, *, rows: int, context_tokens: int, workspace_bytes: float
) -> int:
    """How many adapters fit after the weights, the embedding, the rows' keys and values, and the workspace."""
    weights = weight_bytes(shape) + (0 if shape.tied else 2 * shape.vocab * shape.hidden)
    left = memory_bytes - weights - workspace_bytes - rows * context_tokens * kv_token_bytes(shape)
    return max(0, int(left // adapter_bytes(shape, rank)))


def _linear_parameters(shape: Shape) -> int:
    return shape.layers * sum(d_in * d_out for d_in, d_out in shape.linears().values())
