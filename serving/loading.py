"""Adapters from the disk to the device, off the engine thread."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

from serving.adapters.blob import AdapterBlob
from serving.errors import NotReady, ServingError
from serving.lora.slot import Slot
from serving.mailbox import AdapterFailed, AdapterLoaded, Command
from serving.types import AdapterDigest

log = logging.getLogger("serving.loading")
_THREADS = 2


class AdapterLoader:
    """Copies blobs to the device on a small pool; each load ends in one command to the engine.

    The engine asks for an adapter only once until that command has come, so a load is never doubled.
    """

    def __init__(self, open_blob: Callable[[AdapterDigest], AdapterBlob], device: torch.device) -> None:
        self._open_blob = open_blob
        self._device = device
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="openlora-loader")

    def start(self, adapter: AdapterDigest, report: Callable[[Command], None]) -> None:
        """Begins loading; `report` gets AdapterLoaded or AdapterFailed from a thread of the pool."""
        self._pool.submit(self._load, adapter, report)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _load(self, adapter: AdapterDigest, report: Callable[[Command], None]) -> None:
        try:
            command = self._loaded(adapter)
        except ServingError as refusal:
            log.warning("adapter_load_failed adapter=%s error=%s", adapter, refusal)
            command = AdapterFailed(adapter, str(refusal))
        except Exception:
            log.exception("adapter_load_failed adapter=%s", adapter)
            command = AdapterFailed(adapter, "The adapter could not be loaded. The operator's log says why.")
        try:
            report(command)
        except NotReady:
            log.info("adapter_load_dropped adapter=%s reason=engine_stopped", adapter)

    def _loaded(self, adapter: AdapterDigest) -> Command:
        started = time.monotonic()
        blob = self._open_blob(adapter)
        payload = blob.payload.clone() if self._device.type == "cpu" else blob.payload.to(self._device)
        slot = Slot(adapter, blob.views(payload), blob.nbytes)
        stages = {"read": time.monotonic() - started}
        log.info(
            "adapter_loaded adapter=%s rank=%d bytes=%d took_ms=%.1f",
            adapter,
            slot.rank,
            slot.nbytes,
            1e3 * stages["read"],
        )
        return AdapterLoaded(slot, stages)
