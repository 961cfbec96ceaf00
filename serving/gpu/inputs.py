"""The integers that describe a step to the kernels, and the tensor on the device that holds them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import torch

from serving.gpu.tiles import SMALL, LoraTile, PrefillTile, lora_tile_tokens, lora_tiles, prefill_tiles
from serving.kv.pages import cache_rows, pages_for
from serving.lora.plan import LoraPlan
from serving.lora.slot import Slot

NOWHERE = -1
_ALIGN = 16
"""Every part starts at a multiple of this many numbers. So its alignment is always the same, and Triton does not
compile the kernels again for each one."""
UNUSED: LoraTile = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class StepNumbers:
    """The description of a step.

    positions, places: of every token, in its sequence and in the cache (see `cache_rows`, or NOWHERE).
    lengths, pages_at: of every decode row; a length of 0 marks padding.   prefill, lora: tiles.
    lora_tile_tokens: the most tokens of a LoRA tile.   pages: all page tables, concatenated.
    """

    positions: Sequence[int]
    places: Sequence[int]
    lengths: Sequence[int]
    pages_at: Sequence[int]
    prefill: Sequence[PrefillTile]
    lora: Sequence[LoraTile]
    lora_tile_tokens: int
    pages: Sequence[int]

    @classmethod
    def of(
        cls,
        page_tables: Sequence[Sequence[int]],
        spans: Sequence[tuple[int, int]],
        decode_rows: int,
        lora: LoraPlan | None,
        *,
        row_of: Callable[[Slot], int],
        prefill_tokens: int,
    ) -> "StepNumbers":
        """Describes a step that computes tokens start to end (`spans`) of each sequence, decode rows first."""
        positions: list[int] = []
        places: list[int] = []
        pages: list[int] = []
        pages_at = []
        prefill = []
        for i, (table, (start, end)) in enumerate(zip(page_tables, spans, strict=True)):
            pages_at.append(len(pages))
            if i >= decode_rows:
                prefill.append((len(positions), start, end, len(pages)))
            pages += table[: pages_for(end)]
            positions += range(start, end)
            places += cache_rows(table, start, end)
        tile_tokens = SMALL if lora is None or decode_rows == len(spans) else lora_tile_tokens(lora)
        return cls(
            positions=positions,
            places=places,
            lengths=[end for _, end in spans[:decode_rows]],
            pages_at=pages_at[:decode_rows],
            prefill=prefill_tiles(prefill, prefill_tokens),
            lora=[] if lora is None else lora_tiles(lora, row_of, tile_tokens),
            lora_tile_tokens=tile_tokens,
            pages=pages,
        )

    def padded(self, rows: int) -> "StepNumbers":
        """A step of decode rows, padded to `rows` with rows that attend to nothing and are not stored."""
        missing = rows - len(self.lengths)
        assert len(self.positions) == len(self.lengths) <= rows, "only decode steps are padded"
        return replace(
            self,
            positions=[*self.positions, *[0] * missing],
            places=[*self.places, *[NOWHERE] * missing],
            lengths=[*self.lengths, *[0] * missing],
            pages_at=[*self.pages_at, *[0] * missing],
            lora=[*self.lora, *[UNUSED] * (rows - len(self.lora))],
        )

    def parts(self) -> list[list[int]]:
        """The numbers in the order in which the tensor holds them, pages last."""
        tables = (list(chain.from_iterable(self.prefill)), list(chain.from_iterable(self.lora)))
        return [
            list(self.positions),
            list(self.places),
            list(self.lengths),
            list(self.pages_at),
            *tables,
            [*self.pages],
        ]


@dataclass(frozen=True, slots=True)
class StepInputs:
    """StepNumbers on the device, as views of one tensor.   prefill: [n, 4].   lora: [n, 3]."""

    positions: torch.Tensor
    places: torch.Tensor
    lengths: torch.Tensor
    pages_at: torch.Tensor
    prefill: torch.Tensor
    lora: torch.Tensor
    pages: torch.Tensor
    lora_tile_tokens: int

    @classmethod
    def upload(cls, numbers: StepNumbers, device: torch.device) -> "StepInputs":
        """Copies the numbers to the device."""
        return cls.views(torch.tensor(flat(numbers), device=device), numbers)

    @classmethod
    def views(cls, buffer: torch.Tensor, numbers: StepNumbers) -> "StepInputs":
        """Views of `buffer`, int64 and at least as long as `flat(numbers)`; its rest is `pages`."""
        at, views = 0, []
        for part in numbers.parts()[:-1]:
            views.append(buffer[at : at + len(part)])
            at += _aligned(len(part))
        positions, places, lengths, pages_at, prefill, lora = views
        return cls(
            positions,
            places,
            lengths,
            pages_at,
            prefill.view(-1, 4),
            lora.view(-1, 3),
            buffer[at:],
            numbers.lora_tile_tokens,
        )


def flat(numbers: StepNumbers) -> list[int]:
    """All parts, concatenated; each but the last is padded to a multiple of _ALIGN."""
    *parts, pages = numbers.parts()
    return [*chain.from_iterable([*part, *[0] * (_aligned(len(part)) - len(part))] for part in parts), *pages]


class StaticInputs:
    """The numbers of padded decode steps at addresses that never change: one copy to the device per step.

    token_ids: [rows].   inputs: views that a captured graph reads.
    """

    def __init__(self, rows: int, table_pages: int, device: torch.device) -> None:
        """table_pages: the pages of the longest sequence."""
        empty = StepNumbers([], [], [], [], [], [], SMALL, []).padded(rows)
        size = len(flat(empty)) + rows * table_pages
        is_cuda = device.type == "cuda"
        self.rows = rows
        self.token_ids = torch.zeros(rows, dtype=torch.int64, device=device)
        self._staged = torch.zeros(size, dtype=torch.int64, pin_memory=is_cuda)
        self._buffer = torch.zeros(size, dtype=torch.int64, device=device)
        self._copied = torch.cuda.Event() if is_cuda else None  # type: ignore[no-untyped-call]
        self.inputs = StepInputs.views(self._buffer, empty)

    def fill(self, token_ids: torch.Tensor, numbers: StepNumbers) -> None:
        """Copies a step to its place.   token_ids: on the device, at most `rows`; padding rows keep old ids."""
        values = torch.tensor(flat(numbers.padded(self.rows)))
        if self._copied is not None:
            self._copied.synchronize()  # the previous step's copy may still read the staging buffer
        self._staged[: len(values)] = values
        self._buffer[: len(values)].copy_(self._staged[: len(values)], non_blocking=True)
        if self._copied is not None:
            self._copied.record()
        self.token_ids[: len(token_ids)] = token_ids


def _aligned(count: int) -> int:
    return -(-count // _ALIGN) * _ALIGN
