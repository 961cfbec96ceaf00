"""Copies adapters from host memory to the GPU: page-locked buffers, and copies that run in parallel with the steps."""

import logging
from collections.abc import Callable

import torch

from serving.gpu.arena import Arena

log = logging.getLogger("serving.gpu")
_PIECE_BYTES = 256 << 20
_AT_START_BYTES = 1 << 30

Lock = Callable[[int], torch.Tensor]
"""Allocates page-locked memory: nbytes → uint8 [nbytes]."""


def page_locked(nbytes: int) -> torch.Tensor:
    """uint8 [nbytes] that the GPU reads by DMA. Raises RuntimeError if the system has no more."""
    return torch.empty(nbytes, dtype=torch.uint8, pin_memory=True)


def ordinary(nbytes: int) -> torch.Tensor:
    """uint8 [nbytes] of pageable memory."""
    return torch.empty(nbytes, dtype=torch.uint8)


class PinnedBuffers:
    """Buffers from at most `budget_bytes` of page-locked memory. Not thread-safe: its owner calls it under a lock.

    Locking pages is slow and may make the GPU wait. So memory is locked in large pieces and never unlocked: up to 1 GiB
    at start, more when it is first needed. torch's own cache of page-locked memory rounds every buffer up to a power of
    two, which would waste up to half of it. A buffer that fits into no piece is ordinary memory, which is copied more
    slowly.
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
        """Bytes that are page-locked."""
        return sum(arena.nbytes for _, arena in self._pieces)

    @property
    def used_bytes(self) -> int:
        """Page-locked bytes that buffers use."""
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
        """Frees the buffer."""
        home = self._homes.pop(buffer.data_ptr(), None)
        if home is not None:
            arena, start = home
            arena.give_back(start)

    def check_integrity(self) -> None:
        """Every buffer has a range of its own, and the pieces are within the budget."""
        assert self.locked_bytes <= self.budget_bytes
        for _, arena in self._pieces:
            arena.check_integrity()
        assert sum(arena.taken_ranges for _, arena in self._pieces) == len(self._homes)

    def _lock_piece(self, nbytes: int) -> bool:
        """Locks one more piece that fits `nbytes`, if the budget and the system allow it; whether it did."""
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
    """Copies payloads to the GPU on a stream of its own, in parallel with the steps. Called by the loader's threads.

    It returns when the copy has finished, so a slot exists only after its copy and no step waits for one. A wait in the
    steps' stream would delay the requests whose adapters are already resident.

    The memory comes from torch's caching allocator. Payloads are large blocks: the allocator does not round them to
    powers of two, merges them with adjacent free blocks, and returns them to the driver before an allocation fails.
    `Slots` keeps the budget. The memory of an evicted payload is reused only after the steps' stream has finished all
    work that it had queued at the time of the eviction.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._steps = torch.cuda.default_stream(device)

    def __call__(self, buffer: torch.Tensor) -> torch.Tensor:
        """buffer: uint8 [nbytes] in host memory, which may be overwritten after the call → the copy on the device."""
        with torch.cuda.stream(self._stream):
            payload = torch.empty_like(buffer, device=self._device)
            payload.copy_(buffer, non_blocking=True)
            copied = self._stream.record_event()
        payload.record_stream(self._steps)
        copied.synchronize()
        return payload
