"""Loads adapters from disk to the device, off the engine thread."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

from serving.adapters.backoff import Backoff
from serving.adapters.blob import AdapterBlob, Allocate, in_memory
from serving.adapters.load_stages import LoadStages
from serving.engine.mailbox import AdapterFailed, AdapterLoaded, Command
from serving.errors import ModelNotFound, NotReady, ServingError, SourceUnavailable
from serving.gpu.staging import DeviceCopy, PinnedBuffers
from serving.lora.slot import Slot
from serving.tiers.host_tier import HostTier, PlainBuffers
from serving.types import AdapterDigest

log = logging.getLogger("serving.adapter_loader")
_THREADS = 2

ReadBlob = Callable[[AdapterDigest, Allocate, LoadStages], AdapterBlob]
"""Reads an adapter's blob into a buffer and notes the end of each stage. Raises ServingError."""
ToDevice = Callable[[torch.Tensor], torch.Tensor]
"""Copies a buffer to the device. The buffer may be reused on return."""


class AdapterLoader:
    """Loads adapters to the device on a small thread pool; each load ends in one command to the engine.

    disk ──read──▶ host ──copy──▶ device. On a CPU host and device are one memory, and the adapter is read straight into
    it. Files are not mapped: a file that another process truncates would end this process. With a GPU, host memory
    caches adapters within a budget of its own.

    The engine requests an adapter only once until the command has come, so no load runs twice at once. After a failed
    load the adapter fails at once for a while, so that requests for it do not occupy the threads.
    """

    def __init__(
        self, read_blob: ReadBlob, device: torch.device, host: HostTier | None = None, to_device: ToDevice | None = None
    ) -> None:
        """host: None on a CPU; with a GPU, None caches nothing.   to_device: None copies with `Tensor.to`."""
        self.host = host
        self._read_blob = read_blob
        self._device = device
        self._to_device = to_device or (lambda buffer: buffer.to(device))
        self._backoff = Backoff(time.monotonic)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="openlora-loader")

    @classmethod
    def for_device(cls, device: torch.device, read_blob: ReadBlob, host_bytes: int | None) -> "AdapterLoader":
        """The loader for a device. For a GPU it has page-locked host memory and copies on a side stream.

        host_bytes: the budget of the host tier; None is measured.
        """
        if device.type == "cpu":
            return cls(read_blob, device)
        return cls(read_blob, device, HostTier.for_device(device, host_bytes, PinnedBuffers), DeviceCopy(device))

    def start(self, adapter: AdapterDigest, report: Callable[[Command], None]) -> None:
        """Begins a load. `report` gets AdapterLoaded or AdapterFailed, on a thread of the pool."""
        self._pool.submit(self._load, adapter, report, time.monotonic())

    def forget(self, adapter: AdapterDigest) -> None:
        """Frees the host memory of an adapter that is no longer served."""
        self._backoff.worked(adapter)
        if self.host is not None:
            self.host.forget(adapter)

    def close(self) -> None:
        """Waits for running loads; drops those that have not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _load(self, adapter: AdapterDigest, report: Callable[[Command], None], asked_at: float) -> None:
        try:
            self._backoff.check(adapter)
            command = self._loaded(adapter, LoadStages(asked_at))
            self._backoff.worked(adapter)
        except (SourceUnavailable, ModelNotFound) as known:  # in backoff, or removed meanwhile: not worth a warning
            command = AdapterFailed(adapter, str(known))
        except ServingError as refusal:
            log.warning("adapter_load_failed adapter=%s error=%s", adapter, refusal)
            self._backoff.failed(adapter, refusal)
            command = AdapterFailed(adapter, str(refusal))
        except Exception:
            log.exception("adapter_load_failed adapter=%s", adapter)
            command = AdapterFailed(adapter, "The adapter could not be loaded. The operator's log has the reason.")
        try:
            report(command)
        except NotReady:
            log.info("adapter_load_dropped adapter=%s reason=engine_stopped", adapter)

    def _loaded(self, adapter: AdapterDigest, stages: LoadStages) -> Command:
        stages.ended("wait")
        slot = self._read(adapter, stages) if self._device.type == "cpu" else self._copy(adapter, stages)
        timings = " ".join(f"{stage}_ms={1e3 * took_s:.1f}" for stage, took_s in stages.seconds.items())
        log.info("adapter_loaded adapter=%s rank=%d bytes=%d %s", adapter, slot.rank, slot.nbytes, timings)
        return AdapterLoaded(slot, stages.seconds)

    def _read(self, adapter: AdapterDigest, stages: LoadStages) -> Slot:
        blob = self._read_blob(adapter, in_memory, stages)
        return Slot(adapter, blob.modules, blob.nbytes)

    def _copy(self, adapter: AdapterDigest, stages: LoadStages) -> Slot:
        host = self.host or HostTier(0, PlainBuffers())
        with host.hold(adapter, lambda allocate: self._read_blob(adapter, allocate, stages)) as blob:
            payload = self._to_device(blob.payload)
            stages.ended("copy")
            return Slot(adapter, blob.views(payload), blob.nbytes)
