"""A step's rows cut into pieces that one program of a kernel takes. Values only."""

from collections.abc import Callable, Sequence

from serving.lora.plan import LoraPlan
from serving.lora.slot import Slot

SMALL, LARGE = 16, 64
"""Tokens of a tile: the fewest that matrix units take, or so many that a long prompt re-reads its adapter rarely."""

LoraTile = tuple[int, int, int]
"""Row of the slot table, first token, tokens."""
PrefillTile = tuple[int, int, int, int]
"""First token, tokens, position of the first token in its sequence, where the sequence's pages begin."""


def lora_tile_tokens(plan: LoraPlan) -> int:
    return LARGE if any(segment.end - segment.start >= LARGE for segment in plan.segments) else SMALL


def lora_tiles(plan: LoraPlan, row_of: Callable[[Slot], int], tile_tokens: int) -> list[LoraTile]:
    """Every token of a segment in exactly one tile, none of two segments in one. At most as many as tokens."""
    return [
        (row_of(segment.slot), start, min(tile_tokens, segment.end - start))
        for segment in plan.segments
        for start in range(segment.start, segment.end, tile_tokens)
    ]


def prefill_tiles(rows: Sequence[tuple[int, int, int, int]], tile_tokens: int) -> list[PrefillTile]:
    """rows: (first token in the step, start, end, where its pages begin); tokens start to end of a sequence."""
    return [
        (first + at, min(tile_tokens, end - start - at), start + at, pages_at)
        for first, start, end, pages_at in rows
        for at in range(0, end - start, tile_tokens)
    ]
