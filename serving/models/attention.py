"""Attention of one step over the paged cache, as Hugging Face's attention interface calls it.

Every model that goes through `AttentionInterface` reaches `paged_attention` with the step's tokens as one packed row:
query [1, heads, tokens, dim], key and value [1, kv_heads, tokens, dim]. Who attends to what is in the `AttentionPlan`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from serving.errors import BaseModelUnusable
from serving.kv.cache import KvCache, LayerShape
from serving.kv.pages import PAGE_TOKENS, pages_for

NAME = "openlora_paged"
_STATE = "openlora_attention"
_IGNORED = frozenset(
    {"dropout", "position_ids", "cache_position", "is_causal", "use_cache", "output_attentions", "position_bias"}
)


@dataclass(frozen=True, slots=True)
class DecodeGroup:
    """Rows with one new token each. context: [rows, longest] cache positions, padded with a row's own first position.

    lengths: [rows, 1], the tokens each row attends to, itself included.
    """

    rows: torch.Tensor
    context: torch.Tensor
    lengths: torch.Tensor
    masks: dict[int | None, torch.Tensor] = field(default_factory=dict)

    def mask(self, window: int | None) -> torch.Tensor:
        """[rows, 1, 1, longest]: True where a row may look."""
        if window not in self.masks:
            places = torch.arange(self.context.shape[1], device=self.context.device)
            allowed = places < self.lengths
            if window is not None:
                allowed &= places >= self.lengths - window
            self.masks[window] = allowed[:, None, None, :]
        return self.masks[window]


@dataclass(frozen=True, slots=True)
class PrefillSegment:
    """Tokens start to end of the step are the last of the `context` ([length] cache positions) of one sequence."""

    start: int
    end: int
    context: torch.Tensor

    def mask(self, window: int | None) -> torch.Tensor | None:
        """[tokens, length]: True where a token may look. None: plain causal from position 0."""
        tokens, length = self.end - self.start, self.context.shape[0]
        if tokens == length and (window is None or length <= window):
            return None
        asking = torch.arange(length - tokens, length, device=self.context.device)[:, None]
        asked = torch.arange(length, device=self.context.device)
        allowed = asked <= asking
        return allowed if window is None else allowed & (asked > asking - window)


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """Where the step's tokens are written, and who reads what. decode: the first rows; prefill: the rest."""

    write: torch.Tensor
    decode: tuple[DecodeGroup, ...]
    prefill: tuple[PrefillSegment, ...]


class AttentionState:
    """What the attention layers of one model read: its cache and the running step's plan.

    Before there is a cache, layers attend within the packed row alone and note their shapes.
    """

    def __init__(self) -> None:
        self.cache: KvCache | None = None
        self.plan: AttentionPlan | None = None
        self.shapes: dict[int, LayerShape] = {}


def install(model: nn.Module, state: AttentionState) -> None:
    """Makes the attention layers of `model` use `state`."""
    AttentionInterface.register(NAME, paged_attention)
    for module in model.modules():
        if hasattr(module, "layer_idx"):
            vars(module)[_STATE] = state


def paged_attention(  # noqa: PLR0917  (transformers decides the order)
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: object,
) -> tuple[torch.Tensor, None]:
    """softmax(scaling * Q K^T) V for every token over its own sequence: [1, tokens, heads, value_dim].

    A keyword it does not know would change the result, so it is refused.
    """
    unknown = {name for name, given in kwargs.items() if given is not None and name not in _IGNORED}
    if unknown or attention_mask is not None:
        raise BaseModelUnusable(f"its attention needs {sorted(unknown) or 'a mask'}, which this node does not compute")
    state, layer = vars(module)[_STATE], module.layer_idx
    assert isinstance(state, AttentionState)
    assert isinstance(layer, int)
    if state.cache is None:
        state.shapes[layer] = LayerShape(key.shape[1], key.shape[3], value.shape[3])
        return _within(query, key, value, scaling, sliding_window), None
    assert state.plan is not None
    plan = state.plan
    state.cache.write(layer, plan.write, key[0].transpose(0, 1), value[0].transpose(0, 1))
    out = query.new_empty(1, query.shape[2], query.shape[1], value.shape[3])
    for group in plan.decode:
        keys, values = state.cache.read(layer, group.context)
        out[0].index_copy_(
            0, group.rows, _decode(query[0], keys, values, group, scaling=scaling, window=sliding_window)
        )
    for segment in plan.prefill:
        keys, values = state.cache.read(layer, segment.context)
        tokens = query[:, :, segment.start : segment.end]
        attended = _causal(tokens, keys, values, segment.mask(sliding_window), scaling)
        out[0, segment.start : segment.end] = attended[0].transpose(0, 1)
    return out, None


def _decode(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    group: DecodeGroup,
    *,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    """query: [heads, tokens, dim]; keys, values: [rows, longest, kv_heads, dim] → [rows, heads, value_dim].

    The query heads of one key head form its "sequence", so that grouped heads need no copies of keys.
    """
    rows, kv_heads = group.rows.shape[0], keys.shape[2]
    packed = query.index_select(1, group.rows).transpose(0, 1).reshape(rows, kv_heads, -1, query.shape[2])
    attended = scaled_dot_product_attention(
        packed, keys.transpose(1, 2), values.transpose(1, 2), attn_mask=group.mask(window), scale=scaling
    )
    return attended.reshape(rows, query.shape[0], values.shape[3])


def _causal(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None, scaling: float | None
) -> torch.Tensor:
    """query: [1, heads, tokens, dim]; keys, values: [length, kv_heads, dim] → [1, heads, tokens, value_dim]."""
    return scaled_dot_product_attention(
        query,
        keys.transpose(0, 1)[None],
        values.transpose(0, 1)[None],
        attn_mask=mask,
        is_causal=mask is None,
        scale=scaling,
        enable_gqa=query.shape[1] != keys.shape[1],
    )


def _within(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, window: int | None
) -> torch.Tensor:
    """Causal attention inside the packed row, without a cache."""
    segment = PrefillSegment(0, query.shape[2], torch.arange(query.shape[2], device=query.device))
    attended = _causal(query, key[0].transpose(0, 1), value[0].transpose(0, 1), segment.mask(window), scaling)
    return attended.transpose(1, 2)


def decode_groups(
    page_tables: Sequence[Sequence[int]], lengths: Sequence[int], device: torch.device
) -> tuple[DecodeGroup, ...]:
    """Rows 0, 1, … with their pages and lengths, grouped so that padding at most doubles the reading."""
    buckets: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        buckets.setdefault(max(6, (length - 1).bit_length()), []).append(row)
    return tuple(
        _decode_group(rows, [page_tables[row] for row in rows], [lengths[row] for row in rows], device)
        for rows in buckets.values()
    )


def _decode_group(
    rows: list[int], page_tables: Sequence[Sequence[int]], lengths: list[int], device: torch.device
) -> DecodeGroup:
    longest = max(lengths)
    pages = pages_for(longest)
    padded = [[*table[:pages], *[table[0]] * (pages - len(table))] for table in page_tables]
    ends = torch.tensor(lengths, device=device)[:, None]
    context = positions_of(padded, device)[:, :longest]
    # a page may hold another sequence's leftovers behind this one's end: padding must read the row's own first token,
    # because even a masked infinity would turn the sum into NaN
    own = torch.arange(longest, device=device) < ends
    return DecodeGroup(torch.tensor(rows, device=device), torch.where(own, context, context[:, :1]), ends)


def positions_of(page_tables: Sequence[Sequence[int]], device: torch.device) -> torch.Tensor:
    """[rows, pages * PAGE_TOKENS]: the cache positions of equally long page tables."""
    first = torch.tensor(page_tables, dtype=torch.long, device=device) * PAGE_TOKENS
    return (first[:, :, None] + torch.arange(PAGE_TOKENS, device=device)).flatten(1)
