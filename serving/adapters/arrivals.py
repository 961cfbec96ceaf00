"""How an adapter arrives: resolve, fetch, verify, publish; once per source however many ask, on a small pool."""

import hashlib
import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from serving.adapters.backoff import Backoff, Failure
from serving.adapters.digests import adapter_digest
from serving.adapters.durable import storage_failed
from serving.adapters.index import Index
from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.opened import open_source
from serving.adapters.sources.source import Source, SourceSettings
from serving.adapters.versions import VersionFiles
from serving.errors import AdapterCorrupt, NotReady, ServingError, SourceUnavailable, StorageFailed
from serving.types import AdapterDigest

log = logging.getLogger("serving.adapters")
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Arrival:
    """A version whose files and blob are in place, and where it came from."""

    digest: AdapterDigest
    pinned_source: str
    immutable: bool


class Arrivals:
    """The pool that brings adapters in. Methods may be called from any thread."""

    def __init__(
        self,
        *,
        staging: Path,
        files: VersionFiles,
        index: Callable[[], Index],
        allowed: AllowedSources,
        settings: SourceSettings,
        on_progress: Callable[[str, float], None],
        clock: Callable[[], float],
    ) -> None:
        """index: what is stored already. on_progress(name, fraction) is called from the pool's threads."""
        self._staging = staging
        self._files = files
        self._index = index
        self._allowed = allowed
        self._settings = settings
        self._on_progress = on_progress
        self._backoff = Backoff(clock)
        self._flights: dict[tuple[str, AdapterDigest | None], Future[Arrival]] = {}
        self._lock = threading.RLock()  # a flight that has landed already calls back into the thread that holds it
        self._closing = threading.Event()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="openlora-fetch")
        shutil.rmtree(staging, ignore_errors=True)

    def join(self, name: str, source: str, expected: AdapterDigest | None) -> "Future[Arrival]":
        """The flight of `source`, started now unless it is under way. Raises NotReady once closed."""
        key = (source, expected)
        with self._lock:
            if self._closing.is_set():
                raise NotReady("The node is shutting down.")
            flight = self._flights.get(key)
            if flight is None:
                flight = self._pool.submit(self._arrive, name, source, expected)
                self._flights[key] = flight
                flight.add_done_callback(lambda done: self._landed(key))
        return flight

    def failures(self) -> dict[str, Failure]:
        return self._backoff.failures()

    def close(self) -> None:
        """End running fetches at their next byte; new ones are refused."""
        with self._lock:
            self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _landed(self, key: tuple[str, AdapterDigest | None]) -> None:
        with self._lock:
            self._flights.pop(key, None)

    def _arrive(self, name: str, spelled: str, expected: AdapterDigest | None) -> Arrival:
        if expected is not None and (stored := self._stored(expected)):
            return stored
        source = open_source(spelled, self._allowed, self._settings)
        if not source.remote:
            return self._bring(name, spelled, source, expected)
        self._backoff.check(spelled)
        try:
            arrival = self._bring(name, spelled, source, expected)
        except (StorageFailed, NotReady):
            raise  # not the source's fault
        except ServingError as error:
            self._backoff.failed(spelled, error)
            raise
        self._backoff.worked(spelled)
        return arrival

    def _bring(self, name: str, spelled: str, source: Source, expected: AdapterDigest | None) -> Arrival:
        """resolve, fetch, verify, publish"""
        try:
            pinned = source.resolve()
        except SourceUnavailable as error:
            return self._as_last_fetched(spelled, error)
        known = self._index().at(pinned.source)
        if known is not None and (stored := self._stored(known)):
            _check_expected(name, known, expected)
            return stored
        staged = self._staging / hashlib.sha256(f"{spelled}\n{expected}".encode()).hexdigest()
        try:
            staged.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_failed(staged, error) from error
        try:
            source.fetch(pinned, staged, lambda fraction: self._progress(name, fraction))
            source.verify(pinned, staged)
            digest = self._publish(name, staged, expected)
        except SourceUnavailable:
            raise  # what has arrived so far stays for the next try
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        shutil.rmtree(staged, ignore_errors=True)
        return Arrival(digest, pinned.source, pinned.immutable)

    def _publish(self, name: str, staged: Path, expected: AdapterDigest | None) -> AdapterDigest:
        digest = adapter_digest(staged)
        _check_expected(name, digest, expected)
        if self._files.size(digest) is None:
            self._files.publish(staged, digest, name)
        return digest

    def _as_last_fetched(self, spelled: str, error: SourceUnavailable) -> Arrival:
        """What this source gave when it last answered; the error if it never did."""
        known = self._index().at(spelled)
        stored = None if known is None else self._stored(known)
        if stored is None:
            raise error
        log.warning(
            "adapter_source_unreachable source=%s kept=%s reason=%s", spelled, stored.pinned_source, error.reason
        )
        return stored

    def _stored(self, digest: AdapterDigest) -> Arrival | None:
        entry = self._index().versions.get(digest)
        if entry is None or self._files.size(digest) is None:
            return None
        return Arrival(digest, entry.pinned_source, entry.immutable)

    def _progress(self, name: str, fraction: float) -> None:
        if self._closing.is_set():
            raise NotReady("The node is shutting down.")
        self._on_progress(name, fraction)


def _check_expected(name: str, digest: AdapterDigest, expected: AdapterDigest | None) -> None:
    if expected is not None and digest != expected:
        raise AdapterCorrupt(name, "its digest", f"is {digest}, but {expected} was expected: this is another version")
