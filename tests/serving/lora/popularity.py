"""Slots of mixed ranks, and batches that ask for them differently often."""

import random
from collections.abc import Sequence

import torch

from serving.lora.plan import LoraPlan, Segment
from serving.lora.slot import LoraModule, Slot
from serving.types import AdapterDigest

MIXES = ("distinct", "uniform", "zipf", "identical", "skewed")
BATCHES = (1, 3, 7, 32, 133)
RANKS = (1, 3, 8, 9, 16, 40, 64)


def make_slot(
    number: int,
    rank: int,
    widths: dict[str, int],
    *,
    d_in: int,
    dtype: torch.dtype = torch.float32,
    scaled: bool = False,
) -> Slot:
    """An adapter with the modules that `widths` names.   scaled: with gains and offsets too."""
    rng = torch.Generator().manual_seed(number)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=rng) / 5

    modules = {
        name: LoraModule(
            drawn(rank, d_in).to(dtype),
            drawn(rank, d_out).to(dtype),
            1 + drawn(d_out) if scaled else None,
            drawn(d_out) if scaled else None,
        )
        for name, d_out in widths.items()
    }
    return Slot(AdapterDigest(f"{number:064x}"), modules, sum(m.a.nbytes + m.b.nbytes for m in modules.values()))


def chosen(mix: str, rows: int, slots: Sequence[Slot], rng: random.Random) -> list[Slot | None]:
    """Which adapter each row has; None is the base."""
    everything: list[Slot | None] = [None, *slots]
    match mix:
        case "distinct":
            return [slots[i % len(slots)] for i in range(rows)]
        case "identical":
            return [slots[0]] * rows
        case "zipf":
            return rng.choices(everything, weights=[1 / rank for rank in range(1, len(everything) + 1)], k=rows)
        case "skewed":
            return [rng.choice(slots[:2])] * (rows - rows // 4) + [None] * (rows // 4)
    return rng.choices(everything, k=rows)


def planned(rows: Sequence[tuple[Slot | None, int]]) -> tuple[list[Slot | None], LoraPlan | None]:
    """(slot, tokens) of every row, in row order, to each token's slot and the plan."""
    owners: list[Slot | None] = []
    segments = []
    for slot, tokens in rows:
        if slot is not None:
            segments.append(Segment(slot, len(owners), len(owners) + tokens))
        owners += [slot] * tokens
    return owners, LoraPlan.of(segments)
