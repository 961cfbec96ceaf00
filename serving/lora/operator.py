"""y += x A B for one module and one step, as the step's plan says."""

import torch

from serving.lora.layout import LoraPlan, Stacked


def add_lora(y: torch.Tensor, x: torch.Tensor, module: str, plan: LoraPlan) -> None:
    """y[t] += x[t] @ A[s(t)] @ B[s(t)] for every token t that has an adapter with this module.

    y: [tokens, d_out], contiguous, changed in place.   x: [tokens, d_in].
    """
    for segment in plan.segments:
        pair = segment.slot.modules.get(module)
        if pair is not None:
            y[segment.start : segment.end].addmm_(x[segment.start : segment.end] @ pair.a, pair.b)
    for part in plan.stacked:
        _add_stacked(y, x, module, part)


def _add_stacked(y: torch.Tensor, x: torch.Tensor, module: str, part: Stacked) -> None:
    """One bmm over the lanes [lanes, length, d_in] @ [lanes, d_in, rank] @ [lanes, rank, d_out]."""
    pair = part.stack.pair(module)
    if pair is None:
        return
    rows, out = x[part.start : part.end], y[part.start : part.end]
    if part.gather is None or part.scatter is None:
        hidden = torch.bmm(rows.reshape(part.lanes, part.length, -1), pair.a)
        out.view(part.lanes, part.length, -1).baddbmm_(hidden, pair.b)
        return
    padded = rows.index_select(0, part.gather).view(part.lanes, part.length, -1)
    delta = torch.bmm(torch.bmm(padded, pair.a), pair.b)
    out += delta.view(part.lanes * part.length, -1).index_select(0, part.scatter)
