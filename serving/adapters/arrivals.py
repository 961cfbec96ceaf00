"""How adapter versions reach this node: resolve, fetch, verify, publish, on a small thread pool."""

import asyncio
import hashlib
import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from serving.adapters.backoff import Backoff, Failure
from serving.adapters.digests import ADAPTER_FILES, adapter_digest
from serving.adapters.durable import storage_failed
from serving.adapters.index import Index
from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.local import FileSource
from serving.adapters.sources.opened import open_source
from serving.adapters.sources.source import Pinned, Source, SourceSettings
from serving.adapters.sources.steady import SteadyFolder
from serving.adapters.versions import VersionFiles
from serving.errors import AdapterCorrupt, NotReady, ServingError, SourceUnavailable, StorageFailed
from serving.types import AdapterDigest

log = logging.getLogger("serving.adapters")
_THREADS = 4
_CLOSING = "The node is shutting down."

_Key = tuple[str, AdapterDigest | None]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A version whose files and blob are stored, and the source it came from."""

    digest: AdapterDigest
    pinned_source: str
    immutable: bool


@dataclass(slots=True, eq=False)
class Flight:
    """One fetch of one source, shared by `callers`; all of them asked before it began to read.

    held: the version that stays on disk until the last caller has left.
    """

    name: str
    source: str
    expected: AdapterDigest | None
    landing: "Future[Arrival]" = field(default_factory=Future)
    callers: int = 0
    held: AdapterDigest | None = None
    has_landed: bool = False


class Arrivals:
    """Fetches from sources, never the same source twice at once.

    A caller never gets bytes that were read before it asked: callers that come while a source is being fetched share
    the next fetch, which begins when the current one has ended. Callers in the same turn of the event loop share one.
    """

    def __init__(
        self,
        *,
        staging: Path,
        files: VersionFiles,
        index: Callable[[], Index],
        allowed: AllowedSources,
        settings: SourceSettings,
        on_progress: Callable[[str, float], None],
        on_unused: Callable[[AdapterDigest], None],
        clock: Callable[[], float],
    ) -> None:
        """index: the stored versions.   on_progress(name, fraction), on_unused(digest): called from pool threads.

        on_unused: no flight needs the version any more; it may be deleted unless a name needs it.
        """
        self._staging = staging
        self._files = files
        self._index = index
        self._allowed = allowed
        self._settings = settings
        self._on_progress = on_progress
        self._on_unused = on_unused
        self._backoff = Backoff(clock)
        self._running: dict[_Key, Flight] = {}
        self._next: dict[_Key, Flight] = {}
        self._lock = threading.RLock()  # a pool that is shut down cancels its work items in the closing thread
        self._closing = threading.Event()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="openlora-fetch")
        shutil.rmtree(staging, ignore_errors=True)

    def join(self, name: str, source: str, expected: AdapterDigest | None) -> Flight:
        """A flight that reads `source` from now on. Call it on an event loop, and `leave` the flight once.

        Raises NotReady once closed.
        """
        key = (source, expected)
        with self._lock:
            if self._closing.is_set():
                raise NotReady(_CLOSING)
            flight = self._next.get(key)
            if flight is None:
                flight = self._next[key] = Flight(name, source, expected)
                if key not in self._running:
                    asyncio.get_running_loop().call_soon(self._start, key, None)
            flight.callers += 1
        return flight

    def leave(self, flight: Flight) -> None:
        """One caller needs the flight's version no longer, or a name keeps it now. Any thread."""
        with self._lock:
            flight.callers -= 1
            if flight.callers or not flight.has_landed:
                return
        digest, flight.held = flight.held, None
        if digest is None:
            return
        self._files.release(digest)
        with self._lock:
            if digest not in self._index().versions and not self._closing.is_set():
                self._pool.submit(self._on_unused, digest)

    def failures(self) -> dict[str, Failure]:
        """The remote sources that failed when last asked."""
        return self._backoff.failures()

    def close(self) -> None:
        """Ends running fetches at their next chunk; refuses new ones and those that have not begun."""
        with self._lock:
            self._closing.set()
            waiting, self._next = list(self._next.values()), {}
        self._pool.shutdown(wait=False, cancel_futures=True)
        for flight in waiting:
            flight.landing.set_exception(NotReady(_CLOSING))

    def _start(self, key: _Key, previous: Arrival | None) -> None:
        with self._lock:
            flight = self._next.pop(key, None)
            if flight is None:
                return  # closed
            self._running[key] = flight
            self._pool.submit(self._run, key, flight, previous).add_done_callback(
                lambda done: self._land(key, flight, NotReady(_CLOSING)) if done.cancelled() else None
            )

    def _run(self, key: _Key, flight: Flight, previous: Arrival | None) -> None:
        try:
            outcome: Arrival | BaseException = self._arrive(flight, previous)
        except BaseException as error:  # it belongs to the callers, whatever it is
            outcome = error
        self._land(key, flight, outcome)

    def _land(self, key: _Key, flight: Flight, outcome: Arrival | BaseException) -> None:
        arrival = outcome if isinstance(outcome, Arrival) else None
        with self._lock:
            del self._running[key]
            if key in self._next:
                self._start(key, arrival)
            flight.has_landed = True
            is_unused = flight.held is not None and (arrival is None or not flight.callers)
            digest = flight.held if is_unused else None
            if is_unused:
                flight.held = None
        if digest is not None:
            self._files.release(digest)
            self._on_unused(digest)
        if isinstance(outcome, Arrival):
            flight.landing.set_result(outcome)
        else:
            flight.landing.set_exception(outcome)

    def _arrive(self, flight: Flight, previous: Arrival | None) -> Arrival:
        if flight.expected is not None and (stored := self._stored(flight, flight.expected)):
            return stored
        source = open_source(flight.source, self._allowed, self._settings)
        if not source.remote:
            return self._bring(flight, source, previous)
        self._backoff.check(flight.source)
        try:
            arrival = self._bring(flight, source, previous)
        except (StorageFailed, NotReady):
            raise  # not the source's fault
        except ServingError as error:
            self._backoff.failed(flight.source, error)
            raise
        self._backoff.worked(flight.source)
        return arrival

    def _bring(self, flight: Flight, source: Source, previous: Arrival | None) -> Arrival:
        """resolve, fetch, verify, publish

        previous: what the flight before this one brought; no name may mean it yet.
        """
        try:
            pinned = source.resolve()
        except SourceUnavailable as error:
            return self._as_last_fetched(flight, error)
        if previous is not None and previous.immutable and previous.pinned_source == pinned.source:
            known: Arrival | None = self._kept(flight, previous)
        else:
            digest = self._index().at(pinned.source)
            known = None if digest is None else self._stored(flight, digest)
        if known is not None:
            _check_expected(flight.name, known.digest, flight.expected)
            return known
        staged = self._staging / hashlib.sha256(f"{flight.source}\n{flight.expected}".encode()).hexdigest()
        try:
            staged.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_failed(staged, error) from error
        try:
            self._fetch(flight, source, pinned, staged)
            digest = self._publish(flight, staged)
        except SourceUnavailable:
            if not source.remote:  # a download resumes with what has arrived; a copy begins again
                shutil.rmtree(staged, ignore_errors=True)
            raise
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        shutil.rmtree(staged, ignore_errors=True)
        return Arrival(digest, pinned.source, pinned.immutable)

    def _fetch(self, flight: Flight, source: Source, pinned: Pinned, staged: Path) -> None:
        """fetch, verify; of a folder on this machine one whole version, although others may write to it meanwhile"""
        if not isinstance(source, FileSource):
            source.fetch(pinned, staged, lambda fraction: self._progress(flight.name, fraction))
            source.verify(pinned, staged)
            return

        def copy(check: Callable[[], None]) -> None:
            def on_progress(fraction: float) -> None:
                self._progress(flight.name, fraction)
                check()

            try:
                shutil.rmtree(staged)  # an earlier attempt's files are of another version
                staged.mkdir()
            except OSError as error:
                raise storage_failed(staged, error) from error
            latest = source.resolve()
            source.fetch(latest, staged, on_progress)
            source.verify(latest, staged)

        SteadyFolder(flight.source, source.folder, ADAPTER_FILES, self._settings.timeout_s).copy(copy)

    def _publish(self, flight: Flight, staged: Path) -> AdapterDigest:
        digest = adapter_digest(staged)
        _check_expected(flight.name, digest, flight.expected)
        self._hold(flight, digest)
        if self._files.size(digest) is None:
            self._files.publish(staged, digest, flight.name)
        return digest

    def _as_last_fetched(self, flight: Flight, error: SourceUnavailable) -> Arrival:
        """The version that this source gave when it last answered; the error if it never did or may have changed."""
        known = self._index().at(flight.source)
        stored = None if known is None else self._stored(flight, known)
        if stored is None:
            raise error
        log.warning(
            "adapter_source_unreachable source=%s kept=%s reason=%s", flight.source, stored.pinned_source, error.reason
        )
        return stored

    def _stored(self, flight: Flight, digest: AdapterDigest) -> Arrival | None:
        """A version that a name means or meant, held for the flight; None if it is not stored."""
        entry = self._index().versions.get(digest)
        return None if entry is None else self._kept(flight, Arrival(digest, entry.pinned_source, entry.immutable))

    def _kept(self, flight: Flight, arrival: Arrival) -> Arrival | None:
        self._hold(flight, arrival.digest)
        return None if self._files.size(arrival.digest) is None else arrival

    def _hold(self, flight: Flight, digest: AdapterDigest) -> None:
        """Holds `digest` instead of what the flight held before. Before a look at its size, never after it."""
        before, flight.held = flight.held, digest
        self._files.hold(digest)
        if before is not None:
            self._files.release(before)
            self._on_unused(before)

    def _progress(self, name: str, fraction: float) -> None:
        if self._closing.is_set():
            raise NotReady(_CLOSING)
        self._on_progress(name, fraction)


def _check_expected(name: str, digest: AdapterDigest, expected: AdapterDigest | None) -> None:
    if expected is not None and digest != expected:
        raise AdapterCorrupt(name, "its digest", f"is {digest}, but {expected} was expected: this is another version")
