"""What this node serves by name, and how each model is used at the moment."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from serving.adapters.store import AdapterStore, AdapterVersion
from serving.errors import AdapterBusy, ModelNotFound
from serving.types import AdapterDigest, ModelCard, Residency


class Catalog:
    """Names to adapter versions, and when each was last asked for. On the event loop's thread."""

    def __init__(self, base_name: str, store: AdapterStore) -> None:
        self._base_name = base_name
        self._store = store
        self._resolved: dict[AdapterDigest, AdapterVersion] = {}
        self._leaving: set[str] = set()
        self._last_used_at: dict[AdapterDigest | None, float] = {}

    def resolve(self, model: str) -> AdapterVersion | None:
        """None is the base. Raises ModelNotFound; nothing unknown is ever answered by the base."""
        if model == self._base_name:
            return None
        version = self._store.lookup(model)
        if version is None or version.name in self._leaving:
            raise ModelNotFound(model)
        return version

    def adapter(self, model: str) -> AdapterVersion:
        """Raises ModelNotFound, also for the base's name."""
        version = self.resolve(model)
        if version is None:
            raise ModelNotFound(model)
        return version

    def prepared_for(self, model: str, digest: AdapterDigest) -> AdapterVersion:
        """The version a request was prepared for, even if its name means a newer one since. Raises ModelNotFound."""
        version = self.adapter(model)
        return version if version.digest == digest else self.adapter(f"{version.name}@{digest}")

    async def add(self, name: str, source: str, expected_digest: AdapterDigest | None) -> AdapterVersion:
        if name in self._leaving:
            raise AdapterBusy(f"{name!r} is being removed. Try again when that has ended.")
        return await self._store.add(name, source, expected_digest)

    @asynccontextmanager
    async def leaving(self, name: str) -> AsyncIterator[list[AdapterVersion]]:
        """Takes no new requests for `name` from now on; forgets it when the body has ended well.

        Yields the version whose memory must be freed, unless another name means it too. Raises ModelNotFound.
        """
        version = self.adapter(name)
        self._leaving.add(version.name)
        try:
            others = {each.digest for each in self._store.versions() if each.name != version.name}
            yield [] if version.digest in others else [version]
            await asyncio.to_thread(self._store.remove, version.name)
        finally:
            self._leaving.discard(version.name)

    def close(self) -> None:
        self._store.close()

    async def chat_template(self, version: AdapterVersion) -> str | None:
        return await asyncio.to_thread(self._store.chat_template, version.digest)

    def used(self, adapter: AdapterDigest | None) -> None:
        self._last_used_at[adapter] = time.time()

    def cards(
        self,
        in_flight: dict[AdapterDigest | None, int],
        resident: frozenset[AdapterDigest],
        pinned: frozenset[AdapterDigest],
    ) -> list[ModelCard]:
        """The base first, then the adapters by name."""
        base = ModelCard(
            name=self._base_name,
            adapter=None,
            source="base",
            rank=0,
            adapter_bytes=0,
            residency=Residency.DEVICE,
            pinned=True,
            in_flight=in_flight.get(None, 0),
            last_used_at=self._last_used_at.get(None),
        )
        adapters = [
            ModelCard(
                name=version.name,
                adapter=version.digest,
                source=version.source,
                rank=version.rank,
                adapter_bytes=version.nbytes,
                residency=Residency.DEVICE if version.digest in resident else Residency.DISK,
                pinned=version.digest in pinned,
                in_flight=in_flight.get(version.digest, 0),
                last_used_at=self._last_used_at.get(version.digest),
            )
            for version in sorted(self._store.versions(), key=lambda each: each.name)
        ]
        return [base, *adapters]
