"""y += x A B for one group of modules and one step, as the step's plan says."""

import torch

from serving.lora.layout import LoraPlan, Stacked
from serving.lora.stack import Lanes


def add_lora(y: torch.Tensor, x: torch.Tensor, group: str, plan: LoraPlan) -> None:
    """y[t] += x[t] @ A[s(t)] @ B[s(t)] for every token t that has an adapter with a module of this group.

    y: [tokens, d_out], contiguous, changed in place.   x: [tokens, d_in].
    """
    for part in plan.stacked:
        lanes = part.stack.batched(group)
        if lanes is not None:
            _add_stacked(y[part.start : part.end], x[part.start : part.end], lanes, part)
    for one in plan.alone:
        lanes = one.stack.every(group)
        if lanes is not None:
            _add_lane(y[one.start : one.end], x[one.start : one.end], lanes, one.lane)


def _add_stacked(y: torch.Tensor, x: torch.Tensor, lanes: Lanes, part: Stacked) -> None:
    """One bmm over the lanes [lanes, length, d_in] @ [lanes, d_in, rank], then one per member."""
    x = x.to(lanes.a.dtype)
    rows = x if part.gather is None else x.index_select(0, part.gather)
    hidden = torch.bmm(rows.view(part.lanes, part.length, -1), lanes.a)
    for i, (b, columns) in enumerate(zip(lanes.b, lanes.columns, strict=True)):
        delta = torch.bmm(hidden[..., i * lanes.rank : (i + 1) * lanes.rank], b).flatten(0, 1)
        y[:, columns].add_(delta if part.scatter is None else delta.index_select(0, part.scatter))


def _add_lane(y: torch.Tensor, x: torch.Tensor, lanes: Lanes, lane: int) -> None:
    """Two matrix products on one adapter's weights."""
    hidden = x.to(lanes.a.dtype) @ lanes.a[lane]
    for i, (b, columns) in enumerate(zip(lanes.b, lanes.columns, strict=True)):
        y[:, columns].add_(hidden[:, i * lanes.rank : (i + 1) * lanes.rank] @ b[lane])
