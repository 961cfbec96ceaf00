"""Adapters from the disk to the device, off the engine thread."""

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

log = logging.getLogger("serving.loading")
_THREADS = 2

ReadBlob = Callable[[AdapterDigest, Allocate, LoadStages], AdapterBlob]
"""Brings an adapter's blob into a buffer, and says when its stages have ended. Raises ServingError."""
ToDevice = Callable[[torch.Tensor], torch.Tensor]
"""Copies a buffer to the device; it may be written to again when this returns."""


class AdapterLoader:
    """Brings adapters to the device on a small pool; each load ends in one command to the engine.

    disk ──read──▶ host ──copy──▶ device. On a CPU host and device are one memory, and an adapter is read straight into
    its place there; it is not mapped, as a file that is cut short behind our back would end the process. Elsewhere the
    host keeps what it can, within a budget of its own.

    The engine asks for an adapter only once until its command has come, so a load is never doubled. One that could not
    be loaded fails at once for a while, so that requests for it do not keep the threads from the others.
    """

    def __init__(
        self, read_blob: ReadBlob, device: torch.device, host: HostTier | None = None, to_device: ToDevice | None = None
    ) -> None:
        """host: None on a CPU; elsewhere None keeps nothing in host memory.   to_device: None copies as torch does."""
        self.host = host
        self._read_blob = read_blob
        self._device = device
        self._to_device = to_device or (lambda buffer: buffer.to(device))
        self._backoff = Backoff(time.monotonic)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="openlora-loader")

    @classmethod
    def beside(cls, device: torch.device, read_blob: ReadBlob, host_bytes: int | None) -> "AdapterLoader":
        """The loader for a device; for a GPU with page-locked host memory and copies beside the running steps.

        host_bytes: None is measured.
        """
        if device.type == "cpu":
            return cls(read_blob, device)
        return cls(read_blob, device, HostTier.beside(device, host_bytes, PinnedBuffers), DeviceCopy(device))

    def start(self, adapter: AdapterDigest, report: Callable[[Command], None]) -> None:
        """Begins loading; `report` gets AdapterLoaded or AdapterFailed from a thread of the pool."""
        self._pool.submit(self._load, adapter, report, time.monotonic())

    def forget(self, adapter: AdapterDigest) -> None:
        """Frees what host memory holds of an adapter that is no longer served."""
        self._backoff.worked(adapter)
        if self.host is not None:
            self.host.forget(adapter)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _load(self, adapter: AdapterDigest, report: Callable[[Command], None], asked_at: float) -> None:
        try:
            self._backoff.check(adapter)
            command = self._loaded(adapter, LoadStages(asked_at))
            self._backoff.worked(adapter)
        except (SourceUnavailable, ModelNotFound) as known:  # left alone, or removed meanwhile: nothing new is wrong
            command = AdapterFailed(adapter, str(known))
        except ServingError as refusal:
            log.warning("adapter_load_failed adapter=%s error=%s", adapter, refusal)
            self._backoff.failed(adapter, refusal)
            command = AdapterFailed(adapter, str(refusal))
        except Exception:
            log.exception("adapter_load_failed adapter=%s", adapter)
            command = AdapterFailed(adapter, "The adapter could not be loaded. The operator's log says why.")
        try:
            report(command)
        except NotReady:
            log.info("adapter_load_dropped adapter=%s reason=engine_stopped", adapter)

    def _loaded(self, adapter: AdapterDigest, stages: LoadStages) -> Command:
        stages.ended("wait")
        slot = self._read(adapter, stages) if self._device.type == "cpu" else self._copy(adapter, stages)
        told = " ".join(f"{stage}_ms={1e3 * took_s:.1f}" for stage, took_s in stages.seconds.items())
        log.info("adapter_loaded adapter=%s rank=%d bytes=%d %s", adapter, slot.rank, slot.nbytes, told)
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
