"""The adapters of a node: names, versions, their files and blobs on disk, and the arrival of new ones."""

import asyncio
import logging
import threading
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from serving.adapters.arrivals import Arrival, Arrivals
from serving.adapters.backoff import Failure
from serving.adapters.base_shape import BaseShape
from serving.adapters.blob import AdapterBlob, Allocate, in_memory
from serving.adapters.index import Entry, Index, Ingested, check_name
from serving.adapters.journal import Change, Journal, Named, Reingested, Retired, Unnamed
from serving.adapters.load_stages import LoadStages
from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.source import SourceSettings
from serving.adapters.versions import VersionFiles
from serving.errors import ModelNotFound, ServingError, StorageFailed
from serving.types import AdapterDigest, BaseDigest

log = logging.getLogger("serving.adapters")
KEPT_EARLIER = 4
"""Earlier versions that a name keeps when it is replaced in place: reachable as `name@digest`. Those that are pinned or
serve requests stay longer."""


@dataclass(frozen=True, slots=True)
class AdapterVersion:
    """One adapter version under one of its names. nbytes: bytes of its blob in device memory.

    invocation: the tokens that activate an activated LoRA. variant: the field that rules out compositions.
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
    home/blobs/<key>.blob    the ingested blobs
    home/staging/            fetches under way
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
        """Opens the store. Versions without a blob for this base and dtype are ingested now.

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
            on_unused=self._delete_unnamed,
            clock=clock,
        )
        for name, digests in self._index.crowded(KEPT_EARLIER).items():
            self.retire(name, digests)

    async def add(self, name: str, source: str, expected_digest: AdapterDigest | None = None) -> AdapterVersion:
        """Fetches, verifies and ingests the adapter at `source`; then `name` means it, whatever it meant before.

        Raises InvalidRequest (name), SourceRefused, SourceUnavailable, AdapterCorrupt, AdapterIncompatible,
        StorageFailed, NotReady (closed).
        """
        async with self.arriving(name, source, expected_digest) as arrival:
            return await asyncio.to_thread(self.register, name, source, arrival)

    @asynccontextmanager
    async def arriving(self, name: str, source: str, expected: AdapterDigest | None) -> AsyncIterator[Arrival]:
        """The version at `source`, read after this call, kept on disk during the body. Raises as `add`.

        Callers of the same source share fetches; a caller that is cancelled stops none. What no name means by the end
        of the last body is deleted.
        """
        check_name(name, self._base.name)
        flight = self._arrivals.join(name, source, expected)
        try:
            yield await asyncio.shield(asyncio.wrap_future(flight.landing))
        finally:
            self._arrivals.leave(flight)

    def register(self, name: str, source: str, arrival: Arrival) -> AdapterVersion:
        """`name` means the version from now on; blocking. source: how the operator spelled it. Raises StorageFailed."""
        with self._changing:
            size = self._files.size(arrival.digest)
            assert size is not None, "a version that is held by its flight was deleted"
            pinned, immutable = arrival.pinned_source, arrival.immutable
            entry = Entry(source=source, pinned_source=pinned, immutable=immutable, names=(), ingested=size)
            self._change(Named(name=name, digest=arrival.digest, entry=entry))
        return _version_of(name, arrival.digest, source, pinned, size)

    def lookup(self, ref: str) -> AdapterVersion | None:
        """The version that `name` means, `name@digest` too, each also after `base:`. 12 digits of a digest suffice."""
        name, at, prefix = ref.removeprefix(f"{self._base.name}:").partition("@")
        digest = self._index.find(name, prefix if at else None)
        return None if digest is None else self._version(name, digest)

    def versions(self, after: str = "", limit: int | None = None) -> tuple[AdapterVersion, ...]:
        """The current version of each name that this base serves: sorted by name, after `after`, at most `limit`."""
        index = self._index
        of, ordered = self._in_order  # read once: another thread may replace it
        if of is not index:
            ordered = sorted(index.names)
            self._in_order = index, ordered
        names = islice(ordered, bisect_right(ordered, after), None)
        found = (self._version(name, index.names[name]) for name in names)
        return tuple(islice((version for version in found if version is not None), limit))

    def count(self) -> int:
        """How many names this base serves."""
        index = self._index
        of, count = self._counted  # read once: another thread may replace it
        if of is not index:
            count = sum(self._files.size(digest) is not None for digest in index.names.values())
            self._counted = index, count
        return count

    def named(self, digest: AdapterDigest) -> list[AdapterVersion]:
        """The version under each of its names; as `name@digest` where the name means another version now."""
        index = self._index
        entry = index.versions.get(digest)
        names = entry.names if entry else ()
        spelled = (name if index.names.get(name) == digest else f"{name}@{digest[:12]}" for name in names)
        return [version for name in spelled if (version := self._version(name, digest))]

    def versions_of(self, name: str) -> list[AdapterDigest]:
        """Every version that `name` means or meant, the one named last at the end."""
        return self._index.versions_of(name)

    def is_shared(self, digest: AdapterDigest) -> bool:
        """Whether more than one name means or meant the version."""
        entry = self._index.versions.get(digest)
        return entry is not None and len(entry.names) > 1

    def surplus(self, name: str) -> list[AdapterDigest]:
        """The earlier versions of `name` beyond the KEPT_EARLIER newest, the oldest first."""
        return self._index.surplus(name, KEPT_EARLIER)

    def remove(self, name: str) -> list[AdapterDigest]:
        """Forgets `name`, and deletes what no other name means or meant: the versions returned.

        Raises ModelNotFound, StorageFailed.
        """
        with self._changing:
            if name not in self._index.names:
                raise ModelNotFound(name)
            return self._change_and_delete(Unnamed(name=name))

    def retire(self, name: str, digests: Sequence[AdapterDigest]) -> list[AdapterDigest]:
        """Forgets that `name` meant these earlier versions, and deletes what no other name means or meant.

        Returns what was deleted. Raises StorageFailed.
        """
        with self._changing:
            of_name, current = set(self._index.versions_of(name)), self._index.names.get(name)
            earlier = tuple(digest for digest in digests if digest in of_name and digest != current)
            return self._change_and_delete(Retired(name=name, digests=earlier)) if earlier else []

    def _change_and_delete(self, change: Change) -> list[AdapterDigest]:
        before = self._index
        self._change(change)
        gone = [digest for digest in before.versions if digest not in self._index.versions]
        for digest in gone:
            self._delete(digest)
        return gone

    def open_blob(
        self, digest: AdapterDigest, allocate: Allocate = in_memory, stages: LoadStages | None = None
    ) -> AdapterBlob:
        """The version's blob in a buffer from `allocate`; blocking.

        Raises ModelNotFound, AdapterCorrupt, StorageFailed.
        """
        if self._files.size(digest) is None:
            raise ModelNotFound(digest)
        return self._files.open(digest, allocate, stages or LoadStages(time.monotonic()))

    def chat_template(self, digest: AdapterDigest) -> str | None:
        """The version's chat template, if any; blocking. Raises AdapterCorrupt, StorageFailed."""
        return self._files.chat_template(digest)

    def failures(self) -> dict[str, Failure]:
        """The remote sources that failed when last tried, and until when they are not tried again."""
        return self._arrivals.failures()

    def unserved(self) -> dict[str, ServingError]:
        """Names whose stored version this base cannot serve, and why."""
        index, problems = self._index, self._files.problems
        meant = {digest: problem for digest, problem in problems.items() if self._files.size(digest) is None}
        named = ((name, digest) for digest in meant if (entry := index.versions.get(digest)) for name in entry.names)
        return {name: meant[digest] for name, digest in named if index.names.get(name) == digest}

    def disk_bytes(self) -> int:
        """Bytes of all stored files and blobs."""
        return self._files.disk_bytes()

    def close(self) -> None:
        """Ends running fetches at their next chunk; refuses new ones."""
        self._arrivals.close()
        with self._changing:
            self._journal.close()

    def _version(self, name: str, digest: AdapterDigest) -> AdapterVersion | None:
        entry, size = self._index.versions.get(digest), self._files.size(digest)
        if entry is None or size is None:
            return None
        return _version_of(name, digest, entry.source, entry.pinned_source, size)

    def _delete_unnamed(self, digest: AdapterDigest) -> None:
        """Deletes a version that arrived, but that no name means or meant."""
        with self._changing:
            if digest not in self._index.versions:
                self._delete(digest)

    def _delete(self, digest: AdapterDigest) -> None:
        """A failure is logged: it costs disk space until the next start deletes the version."""
        try:
            self._files.delete(digest)
        except StorageFailed as problem:
            log.warning("adapter_not_deleted adapter=%s error=%s", digest, problem)

    def _change(self, change: Change) -> None:
        self._index = self._journal.record(change)  # readers take no lock: they see the old value or the new one


def _version_of(name: str, digest: AdapterDigest, source: str, pinned: str, size: Ingested) -> AdapterVersion:
    return AdapterVersion(name, digest, source, pinned, size.rank, size.nbytes, size.invocation, size.variant)
