"""The adapters a node has: names, versions, their files and blobs on disk, and how new ones arrive."""

import asyncio
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from serving.adapters.arrivals import Arrival, Arrivals
from serving.adapters.backoff import Failure
from serving.adapters.base_shape import BaseShape
from serving.adapters.blob import AdapterBlob, Allocate, in_memory
from serving.adapters.index import Entry, Index, Ingested, check_name
from serving.adapters.journal import Change, Journal, Named, Reingested, Unnamed
from serving.adapters.load_stages import LoadStages
from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.source import SourceSettings
from serving.adapters.versions import VersionFiles
from serving.errors import ModelNotFound, SourceUnavailable
from serving.types import AdapterDigest, BaseDigest


@dataclass(frozen=True, slots=True)
class AdapterVersion:
    """One adapter version under one of its names. nbytes: what its blob takes in device memory.

    invocation: the tokens an activated LoRA waits for. variant: the field that keeps it out of a composition.
    """

    name: str
    digest: AdapterDigest
    source: str
    pinned_source: str
    rank: int
    nbytes: int
    invocation: tuple[int, ...] = ()
    variant: str | None = None


class AdapterStore:
    """Names to immutable versions, kept across restarts. All methods may be called from any thread.

    home/index.json, .log    names and versions
    home/versions/<digest>/  the adapter's own files
    home/blobs/<key>.blob    what they were ingested to
    home/staging/            what is just arriving
    """

    def __init__(
        self,
        home: Path,
        base: BaseShape,
        base_digest: BaseDigest,
        dtype: torch.dtype,
        allowed_sources: Iterable[str],
        *,
        settings: SourceSettings | None = None,
        on_progress: Callable[[str, float], None] = lambda name, fraction: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Opens the store; versions whose blob for this base and dtype is missing are ingested now.

        Raises StorageFailed, SourceRefused (allowed_sources).
        """
        self._base = base
        self._journal = Journal(home / "index.json")
        self._index = self._journal.index
        self._in_order: tuple[Index | None, list[str]] = (None, [])
        self._counted: tuple[Index | None, int] = (None, 0)
        self._changing = threading.Lock()
        self._files = VersionFiles(home, base, base_digest, dtype)
        stored = {digest: entry.ingested for digest, entry in self._index.versions.items()}
        if fresh := self._files.prepare(stored):
            self._change(Reingested(blobs=fresh))
        self._arrivals = Arrivals(
            staging=home / "staging",
            files=self._files,
            index=lambda: self._index,
            allowed=AllowedSources.parse(allowed_sources),
            settings=settings or SourceSettings(),
            on_progress=on_progress,
            clock=clock,
        )

    async def add(self, name: str, source: str, expected_digest: AdapterDigest | None = None) -> AdapterVersion:
        """Fetch, verify and ingest the adapter at `source`; then `name` means it, whatever it meant before.

        Callers of the same source share one fetch; giving up waiting does not stop it. Raises InvalidRequest (name),
        SourceRefused, SourceUnavailable, AdapterCorrupt, AdapterIncompatible, StorageFailed, NotReady (closed).
        """
        check_name(name, self._base.name)
        flight = self._arrivals.join(name, source, expected_digest)
        arrival = await asyncio.shield(asyncio.wrap_future(flight))
        return await asyncio.to_thread(self._register, name, source, arrival)

    def lookup(self, ref: str) -> AdapterVersion | None:
        """What `name`, `name@digest`, `base:name` or `base:name@digest` means; 12 digits of the digest are enough."""
        name, at, prefix = ref.removeprefix(f"{self._base.name}:").partition("@")
        digest = self._index.find(name, prefix if at else None)
        return None if digest is None else self._version(name, digest)

    def versions(self, after: str = "", limit: int | None = None) -> tuple[AdapterVersion, ...]:
        """What every name means now, of those that this base serves: by name, those after `after`, at most `limit`."""
        index = self._index
        of, ordered = self._in_order  # read once: another thread may replace it
        if of is not index:
            ordered = sorted(index.names)
            self._in_order = index, ordered
        names = islice(ordered, bisect_right(ordered, after), None)
        found = (self._version(name, index.names[name]) for name in names)
        return tuple(islice((version for version in found if version is not None), limit))

    def count(self) -> int:
        """How many names there are that this base serves."""
        index = self._index
        of, count = self._counted  # read once: another thread may replace it
        if of is not index:
            count = sum(self._files.size(digest) is not None for digest in index.names.values())
            self._counted = index, count
        return count

    def named(self, digest: AdapterDigest) -> list[AdapterVersion]:
        """A version under every name that means it, and as `name@digest` where the name means another one now."""
        index = self._index
        entry = index.versions.get(digest)
        names = entry.names if entry else ()
        spelled = (name if index.names.get(name) == digest else f"{name}@{digest[:12]}" for name in names)
        return [version for name in spelled if (version := self._version(name, digest))]

    def remove(self, name: str) -> None:
        """Forget `name`, and delete what no other name means or meant. Raises ModelNotFound, StorageFailed."""
        with self._changing:
            before = self._index
            if name not in before.names:
                raise ModelNotFound(name)
            self._change(Unnamed(name=name))
            for digest in before.versions.keys() - self._index.versions.keys():
                self._files.delete(digest)

    def open_blob(
        self, digest: AdapterDigest, allocate: Allocate = in_memory, stages: LoadStages | None = None
    ) -> AdapterBlob:
        """A version's blob in a buffer; blocking. Raises ModelNotFound, AdapterCorrupt, StorageFailed."""
        if self._files.size(digest) is None:
            raise ModelNotFound(digest)
        return self._files.open(digest, allocate, stages or LoadStages(time.monotonic()))

    def chat_template(self, digest: AdapterDigest) -> str | None:
        """The chat template that came with the version; blocking. Raises AdapterCorrupt."""
        return self._files.chat_template(digest)

    def failures(self) -> dict[str, Failure]:
        """The sources that failed when last asked, and until when they are left alone."""
        return self._arrivals.failures()

    def disk_bytes(self) -> int:
        return self._files.disk_bytes()

    def close(self) -> None:
        """End running fetches at their next byte; new ones are refused."""
        self._arrivals.close()
        with self._changing:
            self._journal.close()

    def _version(self, name: str, digest: AdapterDigest) -> AdapterVersion | None:
        entry, size = self._index.versions.get(digest), self._files.size(digest)
        if entry is None or size is None:
            return None
        return _version_of(name, digest, entry.source, entry.pinned_source, size)

    def _register(self, name: str, source: str, arrival: Arrival) -> AdapterVersion:
        with self._changing:
            size = self._files.size(arrival.digest)
            if size is None:
                raise SourceUnavailable(source, "the adapter was removed while it arrived; add it again", 0.0)
            pinned, immutable = arrival.pinned_source, arrival.immutable
            entry = Entry(source=source, pinned_source=pinned, immutable=immutable, names=(), ingested=size)
            self._change(Named(name=name, digest=arrival.digest, entry=entry))
        return _version_of(name, arrival.digest, source, pinned, size)

    def _change(self, change: Change) -> None:
        self._index = self._journal.record(change)  # readers take no lock: they see the old value or the new one


def _version_of(name: str, digest: AdapterDigest, source: str, pinned: str, size: Ingested) -> AdapterVersion:
    return AdapterVersion(name, digest, source, pinned, size.rank, size.nbytes, size.invocation, size.variant)
