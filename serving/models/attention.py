"""Attention over the paged cache in torch. What each token attends to is planned once per step, for all layers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch.nn.functional import scaled_dot_product_attention

from serving.kv.cache import KvCache, LayerShape
from serving.kv.pages import PAGE_TOKENS, cache_rows, pages_for


@dataclass(frozen=True, slots=True)
class DecodeGroup:
    """Rows with one new token each.

    rows: [rows] numbers in the step; None if the group is all rows of the step, in order.
    pages: [rows, n], padded with each row's own first page.   lengths: [rows, 1], the tokens each row attends to.
    masks: made so far, by window and dtype.
    """

    rows: torch.Tensor | None
    pages: torch.Tensor
    lengths: torch.Tensor
    masks: dict[tuple[int | None, torch.dtype], torch.Tensor] = field(default_factory=dict)

    def mask(self, window: int | None, dtype: torch.dtype) -> torch.Tensor:
        """[rows, 1, 1, n * PAGE_TOKENS]: zero where a row may attend, else -inf."""
        if (window, dtype) not in self.masks:
            places = torch.arange(self.pages.shape[1] * PAGE_TOKENS, device=self.pages.device)
            hidden = places >= self.lengths
            if window is not None:
                hidden |= places < self.lengths - window
            mask = torch.zeros(hidden.shape, dtype=dtype, device=self.pages.device)
            self.masks[window, dtype] = mask.masked_fill_(hidden, float("-inf"))[:, None, None, :]
        return self.masks[window, dtype]


@dataclass(frozen=True, slots=True)
class PrefillSegment:
    """Tokens start to end of the step are the last of the `length` tokens of one sequence. pages: [1, n]."""

    start: int
    end: int
    length: int
    pages: torch.Tensor

    @property
    def is_whole(self) -> bool:
        """Whether the sequence has no tokens from earlier steps."""
        return self.end - self.start == self.length

    def mask(self, window: int | None) -> torch.Tensor | None:
        """[tokens, length]: True where a token may attend. None: plain causal from position 0."""
        if self.is_whole and (window is None or self.length <= window):
            return None
        queries = torch.arange(self.length - (self.end - self.start), self.length, device=self.pages.device)[:, None]
        keys = torch.arange(self.length, device=self.pages.device)
        allowed = keys <= queries
        return allowed if window is None else allowed & (keys > queries - window)


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """Where a step's keys and values are written, and what its tokens attend to.

    write: [tokens], rows of the cache.   decode: groups of the first rows.   prefill: the other rows.
    fresh: pages that this step begins but does not fill; None if there are none.
    """

    write: torch.Tensor
    fresh: torch.Tensor | None
    decode: tuple[DecodeGroup, ...]
    prefill: tuple[PrefillSegment, ...]


def attend(
    query: torch.Tensor,
    rows: torch.Tensor,
    cache: KvCache,
    layer: int,
    plan: AttentionPlan,
    *,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    """softmax(scaling * Q K^T) V for every token over its own sequence: [tokens, heads * value_dim].

    query: [tokens, heads, dim].   rows: [tokens, elements], the step's keys and values as the cache lays them out.
    """
    if plan.fresh is not None:
        cache.clear(layer, plan.fresh)
    cache.write(layer, plan.write, rows)
    shape = cache.shapes[layer]
    if len(plan.decode) == 1 and plan.decode[0].rows is None:
        return _decode(query, plan.decode[0], cache, layer, scaling=scaling, window=window)
    out = query.new_empty(query.shape[0], query.shape[1] * shape.value_dim)
    for group in plan.decode:
        assert group.rows is not None, "a group of all rows is the only part of its step"
        attended = _decode(query.index_select(0, group.rows), group, cache, layer, scaling=scaling, window=window)
        out.index_copy_(0, group.rows, attended)
    for segment in plan.prefill:
        own = slice(segment.start, segment.end)
        if segment.is_whole:
            keys, values = shape.split(rows[own])
        else:
            keys, values = (each[0, : segment.length] for each in cache.read(layer, segment.pages))
        out[own] = causal(query[own], keys, values, segment.mask(window), scaling)
    return out


def _decode(
    query: torch.Tensor, group: DecodeGroup, cache: KvCache, layer: int, *, scaling: float | None, window: int | None
) -> torch.Tensor:
    """query: [rows, heads, dim] → [rows, heads * value_dim].

    The query heads that share a key head are passed as its "sequence", so that keys need not be repeated per head.
    """
    keys, values = cache.read(layer, group.pages)
    rows, kv_heads = query.shape[0], keys.shape[2]
    attended = scaled_dot_product_attention(
        query.reshape(rows, kv_heads, -1, query.shape[2]),
        keys.transpose(1, 2),
        values.transpose(1, 2),
        attn_mask=group.mask(window, query.dtype),
        scale=scaling,
    )
    return attended.reshape(rows, -1)


def causal(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None, scaling: float | None
) -> torch.Tensor:
    """query: [tokens, heads, dim]; keys, values: [length, kv_heads, dim] → [tokens, heads * value_dim]."""
    attended = scaled_dot_product_attention(
        query.transpose(0, 1)[None],
        keys.transpose(0, 1)[None],
        values.transpose(0, 1)[None],
        attn_mask=mask,
        is_causal=mask is None,
        scale=scaling,
        enable_gqa=query.shape[1] != keys.shape[1],
    )
    return attended[0].transpose(0, 1).flatten(1)


def decode_groups(
    page_tables: Sequence[Sequence[int]], lengths: Sequence[int], *, all_rows: bool, device: torch.device
) -> tuple[DecodeGroup, ...]:
    """Rows 0, 1, … with their pages and lengths, grouped by length so that padding at most doubles what is read.

    all_rows: whether the step has no other rows.
    """
    buckets: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        buckets.setdefault(max(6, (length - 1).bit_length()), []).append(row)
    groups = []
    for rows in buckets.values():
        longest = pages_for(max(lengths[row] for row in rows))
        tables = [page_tables[row][: pages_for(lengths[row])] for row in rows]
        # padding reads the row's own pages: an infinity of another sequence would turn the sum into NaN, even masked
        pages = [[*table, *[table[0]] * (longest - len(table))] for table in tables]
        groups.append(
            DecodeGroup(
                None if all_rows and len(buckets) == 1 else torch.tensor(rows, device=device),
                torch.tensor(pages, device=device),
                torch.tensor([lengths[row] for row in rows], device=device)[:, None],
            )
        )
    return tuple(groups)


def plan_attention(
    page_tables: Sequence[Sequence[int]], spans: Sequence[tuple[int, int]], decode_rows: int, device: torch.device
) -> AttentionPlan:
    """The plan of a step that computes tokens start to end (`spans`) of each sequence, decode rows first."""
    decode = decode_groups(
        page_tables[:decode_rows],
        [end for _, end in spans[:decode_rows]],
        all_rows=decode_rows == len(spans),
        device=device,
    )
    write: list[int] = []
    fresh: list[int] = []
    prefill = []
    for i, (table, (start, end)) in enumerate(zip(page_tables, spans, strict=True)):
        if i >= decode_rows:
            pages = torch.tensor([table[: pages_for(end)]], device=device)
            prefill.append(PrefillSegment(len(write), len(write) + end - start, end, pages))
        write += cache_rows(table, start, end)
        if end % PAGE_TOKENS and pages_for(end) > pages_for(start):
            fresh.append(table[pages_for(end) - 1])
    return AttentionPlan(
        torch.tensor(write, device=device),
        torch.tensor(fresh, device=device) if fresh else None,
        decode,
        tuple(prefill),
    )


def row_of(shape: LayerShape, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """keys, values: [tokens, heads, dim] as rows of the cache: [tokens, elements]."""
    assert keys.shape[1:] == (shape.heads, shape.key_dim)
    return torch.cat((keys.flatten(1), values.flatten(1)), dim=1)
