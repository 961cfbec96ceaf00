"""Adapters in host memory: the tier between the disk and a device that has memory of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from serving.adapters.blob import AdapterBlob, Allocate, in_memory
from serving.tiers.memory import available_bytes
from serving.tiers.worth import Worth
from serving.types import AdapterDigest, EngineStats


class HostBuffers(Protocol):
    """The allocator of the tier; for a GPU it returns page-locked memory, which the device reads by DMA."""

    def take(self, nbytes: int) -> torch.Tensor:
        """uint8 [nbytes], contiguous, in host memory, 64-aligned."""

    def give_back(self, buffer: torch.Tensor) -> None:
        """Takes a buffer back that is not used any more."""


class PlainBuffers:
    """Ordinary memory, without a limit."""

    def __init__(self, budget_bytes: int = 0) -> None:
        """budget_bytes is ignored: the tier keeps to its own budget."""

    def take(self, nbytes: int) -> torch.Tensor:
        """uint8 [nbytes] in ordinary memory."""
        return in_memory(nbytes)

    def give_back(self, buffer: torch.Tensor) -> None:
        """Does nothing: the memory is freed with the last reference."""


_MEMORY_SHARE = 8
"""Without a configured budget the tier takes at most one part in this many of the host's available memory."""


@dataclass(slots=True)
class _Kept:
    """One adapter's bytes. holders: loads that are copying them. blob is None while they are being read."""

    buffer: torch.Tensor
    blob: AdapterBlob | None = None
    holders: int = 1
    hits: int = 0
    read_s: float = 0.0
    worth: float = 0.0
    is_leaving: bool = False


class HostTier:
    """Adapters by digest within `budget_bytes`. Used from the loader's threads.

    An adapter is held while it is read or copied, and is not evicted meanwhile. Of the others the adapter with the
    least worth is evicted first. An adapter that does not fit next to those is read into
    ordinary memory and not kept.
    """

    def __init__(self, budget_bytes: int, buffers: HostBuffers, clock: Callable[[], float] = time.monotonic) -> None:
        self.budget_bytes = budget_bytes
        self.used_bytes = self.hits = self.evictions = 0
        self._buffers = buffers
        self._clock = clock
        self._kept: dict[AdapterDigest, _Kept] = {}
        self._worth = Worth()
        self._lock = threading.Lock()

    @classmethod
    def for_device(
        cls, device: torch.device, budget_bytes: int | None, buffers: Callable[[int], HostBuffers]
    ) -> "HostTier | None":
        """The tier for a device, None on a CPU, whose memory is the host's.

        budget_bytes: None takes 1/8 of the available memory.   buffers: makes the allocator for a budget in bytes.
        """
        if device.type == "cpu":
            return None
        budget = budget_bytes or available_bytes() // _MEMORY_SHARE
        return cls(budget, buffers(budget))

    @property
    def adapters(self) -> frozenset[AdapterDigest]:
        """The adapters that are in host memory completely."""
        with self._lock:
            return frozenset(digest for digest, kept in self._kept.items() if kept.blob is not None)

    @contextmanager
    def hold(self, adapter: AdapterDigest, read: Callable[[Allocate], AdapterBlob]) -> Iterator[AdapterBlob]:
        """The adapter's blob, for the body to copy. `read` loads it from disk into a buffer that it requests once.

        Only one caller at a time may hold an adapter that is not in the tier yet.
        """
        with self._lock:
            kept = self._kept.get(adapter)
            if kept is not None:
                assert kept.blob is not None, "two loads of one adapter"
                kept.holders += 1
                self.hits += 1
        blob = self._read(adapter, read) if kept is None else kept.blob
        try:
            assert blob is not None
            yield blob
        finally:
            self._release(adapter)

    def forget(self, adapter: AdapterDigest) -> None:
        """Frees the adapter's memory, at once or when its copies have ended."""
        with self._lock:
            kept = self._kept.get(adapter)
            if kept is not None and kept.holders:
                kept.is_leaving = True
            elif kept is not None:
                self._drop(adapter)

    def counted_in(self, stats: EngineStats) -> EngineStats:
        """The statistics with this tier's fields filled in."""
        return replace(
            stats,
            adapter_host_used_bytes=self.used_bytes,
            adapter_host_budget_bytes=self.budget_bytes,
            adapter_host_hits=self.hits,
            adapter_host_evictions=self.evictions,
        )

    def check_integrity(self) -> None:
        """The kept bytes stay within the budget; what is being read is held."""
        with self._lock:
            assert self.used_bytes == sum(kept.buffer.numel() for kept in self._kept.values()) <= self.budget_bytes
            assert all(kept.holders > 0 or (kept.blob and not kept.is_leaving) for kept in self._kept.values())

    def _read(self, adapter: AdapterDigest, read: Callable[[Allocate], AdapterBlob]) -> AdapterBlob:
        started = self._clock()
        try:
            blob = read(lambda nbytes: self._room(adapter, nbytes))
        except BaseException:
            with self._lock:
                if adapter in self._kept:
                    self._drop(adapter)
            raise
        with self._lock:
            kept = self._kept.get(adapter)
            if kept is not None and kept.buffer is blob.payload:
                kept.blob, kept.read_s = blob, self._clock() - started
            elif kept is not None:
                self._drop(adapter)  # it was ingested again, into memory of its own
        return blob

    def _room(self, adapter: AdapterDigest, nbytes: int) -> torch.Tensor:
        with self._lock:
            idle = [(kept.worth, digest) for digest, kept in self._kept.items() if not kept.holders]
            free = self.budget_bytes - self.used_bytes
            if adapter in self._kept or nbytes > free + sum(self._kept[digest].buffer.numel() for _, digest in idle):
                return in_memory(nbytes)
            for _, digest in sorted(idle):
                if nbytes <= self.budget_bytes - self.used_bytes:
                    break
                self._worth.left(self._kept[digest].worth)
                self._drop(digest)
                self.evictions += 1
            buffer = self._buffers.take(nbytes)
            self._kept[adapter] = _Kept(buffer)
            self.used_bytes += nbytes
            return buffer

    def _release(self, adapter: AdapterDigest) -> None:
        with self._lock:
            kept = self._kept.get(adapter)
            if kept is None:
                return  # it did not fit
            kept.holders -= 1
            kept.hits += 1
            kept.worth = self._worth.of(kept.hits, kept.read_s, kept.buffer.numel())
            if kept.is_leaving and not kept.holders:
                self._drop(adapter)

    def _drop(self, adapter: AdapterDigest) -> None:
        kept = self._kept.pop(adapter)
        self.used_bytes -= kept.buffer.numel()
        self._buffers.give_back(kept.buffer)
