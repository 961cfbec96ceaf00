"""Splits a step's rows into tiles, each of which one kernel program computes. Pure functions of integers."""

from collections.abc import Callable, Sequence

from serving.lora.plan import LoraPlan
from serving.lora.slot import Slot

SMALL, LARGE = 16, 64
"""The most tokens of a tile: as few as matrix units take, or enough that a long prompt re-reads its adapter rarely."""

LoraTile = tuple[int, int, int]
"""Row of the slot table, first token, tokens."""
PrefillTile = tuple[int, int, int, int]
"""First token, tokens, position of the first token in its sequence, start of the sequence's pages."""


def lora_tile_tokens(plan: LoraPlan) -> int:
    """LARGE if a segment fills a large tile, else SMALL."""
    return LARGE if any(segment.end - segment.start >= LARGE for segment in plan.segments) else SMALL


def lora_tiles(plan: LoraPlan, row_of: Callable[[Slot], int], tile_tokens: int) -> list[LoraTile]:
    """Tiles that cover every token of a segment once and never mix segments. There are at most as many as tokens."""
    return [
        (row_of(segment.slot), start, min(tile_tokens, segment.end - start))
        for segment in plan.segments
        for start in range(segment.start, segment.end, tile_tokens)
    ]


def prefill_tiles(rows: Sequence[tuple[int, int, int, int]], tile_tokens: int) -> list[PrefillTile]:
    """rows: per sequence (first token in the step, start, end, start of its pages), for tokens start to end."""
    return [
        (first + at, min(tile_tokens, end - start - at), start + at, pages_at)
        for first, start, end, pages_at in rows
        for at in range(0, end - start, tile_tokens)
    ]
