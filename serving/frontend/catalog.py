"""The models that this node serves by name, and how each is used now."""

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter

from serving.adapters.blob import AdapterBlob, Allocate
from serving.adapters.load_stages import LoadStages
from serving.adapters.store import AdapterStore, AdapterVersion
from serving.errors import ModelNotFound
from serving.frontend.compositions import Composition, Compositions, composed
from serving.frontend.name_stages import NameStages
from serving.frontend.streams import TokenStream
from serving.types import Activity, AdapterDigest, ModelCard, Residency, ResolvedModel


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How the models are used at one moment: requests in flight of each (None is the base), and which are in memory."""

    in_flight: Mapping[AdapterDigest | None, int]
    resident: frozenset[AdapterDigest]
    pinned: frozenset[AdapterDigest]
    in_host: frozenset[AdapterDigest] = frozenset()

    def residency(self, adapter: AdapterDigest) -> Residency:
        """The fastest tier that holds the version."""
        if adapter in self.resident:
            return Residency.DEVICE
        return Residency.HOST if adapter in self.in_host else Residency.DISK


class Catalog:
    """Resolves names to adapter versions and counts their use. On the event loop, except for `open_blob`.

    with_compositions: whether a request may name a sum of adapters.   stages: the state machine of every name.
    """

    def __init__(self, base_name: str, store: AdapterStore, *, with_compositions: bool = True) -> None:
        self._base_name = base_name
        self._store = store
        self._with_compositions = with_compositions
        self._compositions = Compositions()
        self._hidden: set[tuple[str, AdapterDigest]] = set()
        self.stages = NameStages(self._is_served)
        self._last_used_at: dict[AdapterDigest | None, float] = {}
        self._hits: Counter[AdapterDigest | None] = Counter()

    def resolve(self, model: str) -> AdapterVersion | Composition | None:
        """The version or composition that a request names; None is the base. Raises ModelNotFound for unknown names.

        The base never answers for an unknown name. A composition may raise InvalidRequest, AdapterIncompatible.
        """
        if model == self._base_name:
            return None
        return composed(model, self._served, allowed=self._with_compositions) or self.adapter(model)

    def adapter(self, model: str) -> AdapterVersion:
        """The version of a single adapter. Raises ModelNotFound, also for the base's name."""
        version = self._served(model)
        if version is None:
            raise ModelNotFound(model)
        return version

    def _served(self, model: str) -> AdapterVersion | None:
        version = self._store.lookup(model)
        if version is None or self.stages.is_leaving(version.name):
            return None
        return None if (version.name, version.digest) in self._hidden else version

    def _is_served(self, name: str) -> bool:
        version = self._store.lookup(name)
        return version is not None and version.name == name

    def check_served(self, model: ResolvedModel) -> None:
        """Raises ModelNotFound if an adapter of `model` is not served any more. A newer version of its name is fine."""
        for part in model.parts:
            self.adapter(f"{part.name}@{part.digest}")

    def remember_parts(self, model: ResolvedModel) -> None:
        """Remembers which adapters a composition adds up, so that the engine can load it; other models need nothing."""
        if model.is_composition and model.adapter is not None:
            self._compositions.keep(model.adapter, tuple((part.digest, part.weight) for part in model.parts))

    def open_blob(self, digest: AdapterDigest, allocate: Allocate, stages: LoadStages) -> AdapterBlob:
        """The blob of an adapter or of a composition in a buffer from `allocate`; blocking, on any thread.

        Raises ModelNotFound, AdapterCorrupt, StorageFailed.
        """
        return self._compositions.open_blob(digest, allocate, stages, self._store.open_blob)

    def without_base(self, model: str) -> str:
        """`x` of `base:x`; other spellings as they are."""
        return model.removeprefix(f"{self._base_name}:")

    def compositions_with(self, adapter: AdapterDigest) -> list[AdapterDigest]:
        """The compositions that add the version up with others, as far as requests have asked for them."""
        return self._compositions.containing(adapter)

    @contextmanager
    def hidden(self, name: str, digest: AdapterDigest) -> Iterator[None]:
        """`name@digest` is not found during the body."""
        self._hidden.add((name, digest))
        try:
            yield
        finally:
            self._hidden.discard((name, digest))

    def close(self) -> None:
        """Closes the store: running fetches end."""
        self._store.close()

    async def chat_template(self, model: ResolvedModel) -> str | None:
        """The chat template that the model's adapter brings, if any. Compositions use the base's."""
        if model.adapter is None or model.is_composition:
            return None
        return await asyncio.to_thread(self._store.chat_template, model.adapter)

    def used(self, adapter: AdapterDigest | None) -> None:
        """Counts one use now; of a composition, one of each part."""
        now = time.time()
        for each in self._compositions.parts_of(adapter) or (adapter,):
            self._last_used_at[each] = now
            self._hits[each] += 1

    def forget(self, adapter: AdapterDigest) -> None:
        """Drops the counts of a version or composition that no name means any more."""
        self._last_used_at.pop(adapter, None)
        self._hits.pop(adapter, None)

    def has(self, name: str) -> bool:
        """Whether the base or an adapter is served under exactly this name."""
        return name == self._base_name or self._is_served(name)

    def cards(self, occupancy: Occupancy, after: str | None, limit: int | None) -> list[ModelCard]:
        """The base first, then the adapters by name, at most `limit`; with `after`, only adapters, from there on."""
        adapters = [self.card(version, occupancy) for version in self._store.versions(after or "", limit)]
        return adapters if after is not None else [self.card(None, occupancy), *adapters]

    def activity(self, occupancy: Occupancy, streams: Collection[TokenStream]) -> Activity:
        """How adapters are used now, at a cost that does not grow with the number of idle adapters."""
        return Activity(
            registered=self._store.count(),
            resident=tuple(self._cards_of(occupancy.resident | occupancy.in_host, occupancy)),
            running=frozenset(stream.model for stream in streams if stream.adapter and stream.started),
            waiting=frozenset(stream.model for stream in streams if stream.adapter and not stream.started),
        )

    def busy(self, occupancy: Occupancy, others: int) -> list[ModelCard]:
        """The base, all models that are in memory, pinned or in flight, and the `others` most recently used."""
        asked = {adapter for adapter in occupancy.in_flight if adapter is not None}
        latest = heapq.nlargest(others + 1, self._last_used_at.items(), key=itemgetter(1))
        recent = [adapter for adapter, _ in latest if adapter is not None]
        shown = dict.fromkeys([*sorted(occupancy.resident | occupancy.in_host | occupancy.pinned | asked), *recent])
        return [self.card(None, occupancy), *self._cards_of(shown, occupancy)]

    def _cards_of(self, adapters: Iterable[AdapterDigest], occupancy: Occupancy) -> list[ModelCard]:
        """The cards of these versions, one for each of their names."""
        return [self.card(version, occupancy) for adapter in adapters for version in self._store.named(adapter)]

    def card(self, version: AdapterVersion | Composition | None, occupancy: Occupancy) -> ModelCard:
        """One model and its use now. None is the base."""
        if version is None:
            return ModelCard(
                name=self._base_name,
                adapter=None,
                source="base",
                rank=0,
                adapter_bytes=0,
                residency=Residency.DEVICE,
                pinned=True,
                in_flight=occupancy.in_flight.get(None, 0),
                last_used_at=self._last_used_at.get(None),
                hits=self._hits[None],
            )
        return ModelCard(
            name=version.name,
            adapter=version.digest,
            source=version.source,
            rank=version.rank,
            adapter_bytes=version.nbytes,
            residency=occupancy.residency(version.digest),
            pinned=version.digest in occupancy.pinned,
            in_flight=occupancy.in_flight.get(version.digest, 0),
            last_used_at=self._last_used_at.get(version.digest),
            hits=self._hits[version.digest],
        )
