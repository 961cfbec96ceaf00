"""How strongly an adapter changes a layer: what would overflow is refused, what no training gives is reported.

All figures are for an input whose elements have an RMS of 1, as after a norm layer.
"""

import math

import torch

from serving.errors import AdapterIncompatible
from serving.lora.slot import EMBEDDING, LoraModule

USUAL_OUTPUT_RMS = 100.0
"""Far above what training gives: the linear layers of a base model themselves stay below about 10."""

_LARGEST_OUTPUT = 1e12
"""Between two norm layers at most three of an adapter's outputs are multiplied (gate, up, down): 1e36 fits in float32,
whose largest number is 3.4e38. bfloat16 has the same range."""

_PROBES = 8


def check_magnitude(name: str, module: LoraModule, adapter: str) -> None:
    """Raises AdapterIncompatible if requests could overflow float32 at the module `name`; adapter is for the error.

    The bound on an element of the output is rank · d_in · max|A| · max|B|, or rank · max|A| · max|B| at the embedding,
    whose input is one-hot; times the largest gain, plus the largest offset, or the same of a whole weight.
    """
    d_in = 1 if name == EMBEDDING else module.a.shape[1]
    largest = module.rank * d_in * _largest(module.a) * _largest(module.b)
    if module.gain is not None:
        largest = max(largest, 1.0) * _largest(module.gain)
    if module.offset is not None:
        largest += _largest(module.offset)
    if module.weight is not None:
        largest += d_in * _largest(module.weight)
    if not largest <= _LARGEST_OUTPUT:
        raise AdapterIncompatible(
            adapter,
            name,
            f"its outputs can reach {largest:.1e} (the largest A is {_largest(module.a):.1e}, the largest scaled B "
            f"{_largest(module.b):.1e}), which overflows float32 within one decoder layer; check lora_alpha and how it "
            "was trained",
        )


def output_rms(name: str, module: LoraModule) -> float:
    """The RMS of x Aᵀ B over random inputs x of elements 1 and −1: ‖B A‖ / √d_out up to about 10 %, Hutchinson's way.

    At the embedding, over random tokens. A gain, an offset and a whole weight are not counted.
    """
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (_PROBES, module.a.shape[1]), generator=generator, dtype=torch.int8)
    inputs = signs.to(torch.float32) * 2 - 1
    if name == EMBEDDING:
        inputs /= math.sqrt(module.a.shape[1])
    outputs = inputs @ module.a.float().T @ module.b.float()
    return float(torch.linalg.vector_norm(outputs, dtype=torch.float64)) / math.sqrt(outputs.numel())


def _largest(part: torch.Tensor) -> float:
    """max |part|; 0 for no elements."""
    if not part.numel():
        return 0.0
    low, high = torch.aminmax(part)
    return max(-float(low), float(high))
