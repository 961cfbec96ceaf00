"""Adapters on their way from host memory to the GPU: page-locked buffers, and copies beside the running steps."""

import logging
from collections.abc import Callable

import torch

from serving.gpu.arena import Arena

log = logging.getLogger("serving.gpu")
_PIECE_BYTES = 256 << 20
_AT_START_BYTES = 1 << 30

Lock = Callable[[int], torch.Tensor]
"""Page-locked memory of so many bytes: uint8 [nbytes]."""


def page_locked(nbytes: int) -> torch.Tensor:
    """Memory that the GPU reads by itself, not the processor for it. Raises RuntimeError if none is left."""
    return torch.empty(nbytes, dtype=torch.uint8, pin_memory=True)


def ordinary(nbytes: int) -> torch.Tensor:
    return torch.empty(nbytes, dtype=torch.uint8)


class PinnedBuffers:
    """Buffers out of page-locked memory of at most `budget_bytes`. Not thread-safe: its owner calls it under a lock.

    Locking pages is slow and may make the GPU wait, so they are locked in large pieces that are never let go: some at
    the start, more when they are first needed. torch's own cache of such memory rounds every buffer up to a power of
    two, which would waste up to half of it. A buffer for which no piece has room is ordinary memory: slower to copy.
    """

    def __init__(self, budget_bytes: int, lock: Lock = page_locked) -> None:
        self.budget_bytes = budget_bytes
        self._lock = lock
        self._pieces: list[tuple[torch.Tensor, Arena]] = []
        self._homes: dict[int, tuple[Arena, int]] = {}
        while self.locked_bytes < min(budget_bytes, _AT_START_BYTES) and self._lock_piece(1):
            pass

    @property
    def locked_bytes(self) -> int:
        return sum(arena.nbytes for _, arena in self._pieces)

    @property
    def used_bytes(self) -> int:
        return sum(arena.used_bytes for _, arena in self._pieces)

    def take(self, nbytes: int) -> torch.Tensor:
        """uint8 [nbytes], contiguous and aligned to 64 bytes."""
        for piece, arena in self._pieces:
            start = arena.take(nbytes)
            if start is not None:
                buffer = piece[start : start + nbytes]
                self._homes[buffer.data_ptr()] = arena, start
                return buffer
        return self.take(nbytes) if self._lock_piece(nbytes) else ordinary(nbytes)

    def give_back(self, buffer: torch.Tensor) -> None:
        """Nobody uses the buffer any more."""
        home = self._homes.pop(buffer.data_ptr(), None)
        if home is not None:
            arena, start = home
            arena.give_back(start)

    def check_integrity(self) -> None:
        """Every buffer that was taken has its range, within the budget."""
        assert self.locked_bytes <= self.budget_bytes
        for _, arena in self._pieces:
            arena.check_integrity()
        lengths = [len(arena._taken) for _, arena in self._pieces]
        assert sum(lengths) == len(self._homes)

    def _lock_piece(self, nbytes: int) -> bool:
        """One more piece with room for `nbytes`, if the budget and the system have it."""
        left = self.budget_bytes - self.locked_bytes
        size = max(nbytes, min(_PIECE_BYTES, left))
        arena = Arena(size)
        if size > left or arena.nbytes < max(1, nbytes):
            return False
        try:
            piece = self._lock(size)
        except RuntimeError as reason:
            log.warning("host_memory_not_locked bytes=%d locked_bytes=%d reason=%s", size, self.locked_bytes, reason)
            self.budget_bytes = self.locked_bytes
            return False
        self._pieces.append((piece, arena))
        return True


class DeviceCopy:
    """Copies payloads to the GPU on a stream of their own, beside the steps. Called by the loader's threads.

    It returns when the bytes are there, so a slot exists only after its copy and no step ever waits for one: a wait in
    the step's stream would hold up the requests whose adapters are there already.

    The memory comes from torch's caching allocator. Payloads are large blocks, which it does not round to powers of
    two, merges with free neighbours, and gives back to the driver before it would fail; the budget is kept by `Slots`.
    An evicted payload's memory is used again only when all that the steps' stream had to do at that time is done.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._steps = torch.cuda.default_stream(device)

    def __call__(self, buffer: torch.Tensor) -> torch.Tensor:
        """buffer: uint8 [nbytes] in host memory; it may be written to again afterwards."""
        with torch.cuda.stream(self._stream):
            payload = torch.empty_like(buffer, device=self._device)
            payload.copy_(buffer, non_blocking=True)
            copied = self._stream.record_event()
        payload.record_stream(self._steps)
        copied.synchronize()
        return payload
