"""What this node serves by name, and how each model is used at the moment."""

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import itemgetter

from serving.adapters.blob import AdapterBlob, Allocate
from serving.adapters.load_stages import LoadStages
from serving.adapters.store import AdapterStore, AdapterVersion
from serving.errors import AdapterBusy, ModelNotFound
from serving.frontend.compositions import Composition, Compositions, composed
from serving.frontend.streams import TokenStream
from serving.types import Activity, AdapterDigest, ModelCard, Residency, ResolvedModel


@dataclass(frozen=True, slots=True)
class Usage:
    """What the engine does with the models at one moment: requests of each, and which are in memory, and kept there."""

    in_flight: Mapping[AdapterDigest | None, int]
    resident: frozenset[AdapterDigest]
    pinned: frozenset[AdapterDigest]
    in_host: frozenset[AdapterDigest] = frozenset()

    def residency(self, adapter: AdapterDigest) -> Residency:
        if adapter in self.resident:
            return Residency.DEVICE
        return Residency.HOST if adapter in self.in_host else Residency.DISK


class Catalog:
    """Names to adapter versions, and when each was last asked for. On the event loop's thread, but for `open_blob`.

    with_compositions: whether a name may add up several adapters.
    """

    def __init__(self, base_name: str, store: AdapterStore, *, with_compositions: bool = True) -> None:
        self._base_name = base_name
        self._store = store
        self._with_compositions = with_compositions
        self._compositions = Compositions()
        self._resolved: dict[AdapterDigest, AdapterVersion] = {}
        self._leaving: set[str] = set()
        self._last_used_at: dict[AdapterDigest | None, float] = {}
        self._hits: Counter[AdapterDigest | None] = Counter()

    def resolve(self, model: str) -> AdapterVersion | Composition | None:
        """None is the base. Raises ModelNotFound; nothing unknown is ever answered by the base.

        For a composition also InvalidRequest, AdapterIncompatible.
        """
        if model == self._base_name:
            return None
        return composed(model, self._served, allowed=self._with_compositions) or self.adapter(model)

    def adapter(self, model: str) -> AdapterVersion:
        """A single adapter. Raises ModelNotFound, also for the base's name."""
        version = self._served(model)
        if version is None:
            raise ModelNotFound(model)
        return version

    def _served(self, model: str) -> AdapterVersion | None:
        version = self._store.lookup(model)
        return None if version is None or version.name in self._leaving else version

    def check_served(self, model: ResolvedModel) -> None:
        """Raises ModelNotFound if an adapter of `model` is not served any more. A newer version of its name is fine."""
        for part in model.parts:
            self.adapter(f"{part.name}@{part.digest}")

    def expect_load(self, model: ResolvedModel) -> None:
        """Lets the engine load the model's adapter from now on: remembers what a composition adds up."""
        if model.is_composition and model.adapter is not None:
            self._compositions.keep(model.adapter, tuple((part.digest, part.weight) for part in model.parts))

    def open_blob(self, digest: AdapterDigest, allocate: Allocate, stages: LoadStages) -> AdapterBlob:
        """The weights of an adapter or of a composition, in a buffer; blocking, on any thread.

        Raises ModelNotFound, AdapterCorrupt, StorageFailed.
        """
        return self._compositions.open_blob(digest, allocate, stages, self._store.open_blob)

    async def add(self, name: str, source: str, expected_digest: AdapterDigest | None) -> AdapterVersion:
        if name in self._leaving:
            raise AdapterBusy(f"{name!r} is being removed. Try again when that has ended.")
        return await self._store.add(name, source, expected_digest)

    @asynccontextmanager
    async def leaving(self, name: str) -> AsyncIterator[list[AdapterDigest]]:
        """Takes no new requests for `name` from now on; forgets it when the body has ended well.

        Yields what must be freed: the version and what it is composed into, unless another name means it too.
        Raises ModelNotFound.
        """
        version = self.adapter(name)
        self._leaving.add(version.name)
        try:
            others = {each.digest for each in self._store.versions() if each.name != version.name}
            yield [] if version.digest in others else [version.digest, *self._compositions.containing(version.digest)]
            await asyncio.to_thread(self._store.remove, version.name)
        finally:
            self._leaving.discard(version.name)

    def close(self) -> None:
        self._store.close()

    async def chat_template(self, model: ResolvedModel) -> str | None:
        """The chat template that the model's adapter brings, if any. Compositions use the base's."""
        if model.adapter is None or model.is_composition:
            return None
        return await asyncio.to_thread(self._store.chat_template, model.adapter)

    def used(self, adapter: AdapterDigest | None) -> None:
        """Now; of a composition, all its parts."""
        now = time.time()
        for each in self._compositions.parts_of(adapter) or (adapter,):
            self._last_used_at[each] = now
            self._hits[each] += 1

    def has(self, name: str) -> bool:
        """Whether the base or an adapter is served under exactly this name."""
        version = self._store.lookup(name)
        return name == self._base_name or (version is not None and version.name == name)

    def cards(self, usage: Usage, after: str | None, limit: int | None) -> list[ModelCard]:
        """The base first, then the adapters by name, at most `limit`; with `after`, only adapters, from there on."""
        adapters = [self.card(version, usage) for version in self._store.versions(after or "", limit)]
        return adapters if after is not None else [self.card(None, usage), *adapters]

    def activity(self, usage: Usage, streams: Collection[TokenStream]) -> Activity:
        """What goes on with adapters, at a cost that does not grow with how many lie idle."""
        return Activity(
            registered=self._store.count(),
            resident=tuple(self._cards_of(usage.resident | usage.in_host, usage)),
            running=frozenset(stream.model for stream in streams if stream.adapter and stream.started),
            waiting=frozenset(stream.model for stream in streams if stream.adapter and not stream.started),
        )

    def busy(self, usage: Usage, others: int) -> list[ModelCard]:
        """The base, what is in memory, pinned or in flight, and of the others those asked for last."""
        asked = {adapter for adapter in usage.in_flight if adapter is not None}
        latest = heapq.nlargest(others + 1, self._last_used_at.items(), key=itemgetter(1))
        recent = [adapter for adapter, _ in latest if adapter is not None]
        shown = dict.fromkeys([*sorted(usage.resident | usage.in_host | usage.pinned | asked), *recent])
        return [self.card(None, usage), *self._cards_of(shown, usage)]

    def _cards_of(self, adapters: Iterable[AdapterDigest], usage: Usage) -> list[ModelCard]:
        """The models that these adapters are, each under all its names."""
        return [self.card(version, usage) for adapter in adapters for version in self._store.named(adapter)]

    def card(self, version: AdapterVersion | Composition | None, usage: Usage) -> ModelCard:
        """One model as it is used now. None is the base."""
        if version is None:
            return ModelCard(
                name=self._base_name,
                adapter=None,
                source="base",
                rank=0,
                adapter_bytes=0,
                residency=Residency.DEVICE,
                pinned=True,
                in_flight=usage.in_flight.get(None, 0),
                last_used_at=self._last_used_at.get(None),
                hits=self._hits[None],
            )
        return ModelCard(
            name=version.name,
            adapter=version.digest,
            source=version.source,
            rank=version.rank,
            adapter_bytes=version.nbytes,
            residency=usage.residency(version.digest),
            pinned=version.digest in usage.pinned,
            in_flight=usage.in_flight.get(version.digest, 0),
            last_used_at=self._last_used_at.get(version.digest),
            hits=self._hits[version.digest],
        )
