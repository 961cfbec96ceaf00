"""What an operator does with adapters while the node serves: add, replace, remove, pin, unpin, evict."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from serving.adapters import composition
from serving.adapters.arrivals import Arrival
from serving.adapters.store import AdapterStore, AdapterVersion
from serving.engine.engine import Engine
from serving.engine.mailbox import Unload
from serving.errors import AdapterBusy, InvalidRequest, NotReady, ServingError, StorageFailed
from serving.frontend.catalog import Catalog
from serving.frontend.name_stages import Load
from serving.frontend.streams import TokenStream
from serving.types import AdapterDigest

log = logging.getLogger("serving.adapters")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FailedLoad:
    """An adapter of the node's configuration that could not be loaded at the start."""

    name: str
    source: str
    error: str


class AdapterVerbs:
    """Every verb is a transition of its name's state machine (`NameStages`). On the event loop.

    A verb whose caller is cancelled still leaves the name in a stage that the others understand: what was being
    written is written, and a removal that has begun ends.
    """

    def __init__(
        self,
        store: AdapterStore,
        catalog: Catalog,
        engine: Engine,
        forget: Callable[[AdapterDigest], None],
        streams: Callable[[], Iterable[TokenStream]],
    ) -> None:
        """forget: frees an adapter's host memory.   streams: of all requests that have not ended."""
        self._store = store
        self._catalog = catalog
        self._stages = catalog.stages
        self._engine = engine
        self._forget = forget
        self._streams = streams
        self._removals: set[asyncio.Task[None]] = set()
        self._freeing: dict[AdapterDigest, asyncio.Future[Any]] = {}
        self._failed: dict[str, FailedLoad] = {}

    async def load(
        self, name: str, source: str, expected: AdapterDigest | None = None, *, replace: bool
    ) -> AdapterVersion:
        """Fetches, checks and serves the adapter at `source`, as it was at or after this call; what `name` means then.

        replace: whether the name may mean another version already. Raises NameTaken, AdapterBusy and as
        `AdapterStore.add`; then the name means what it meant before.
        """
        load = self._stages.begin_load(name, replace=replace)
        try:
            async with self._store.arriving(name, source, expected) as arrival:
                return await _to_the_end(self._publish(load, source, arrival))
        finally:
            self._stages.end_load(load)

    async def load_configured(self, name: str, source: str) -> None:
        """Loads an adapter that the configuration names. A failure is logged and kept in `failed_loads`.

        So it does not end a start: the other adapters are served, and this one too if a version of it is stored.
        """
        try:
            await self.load(name, source, replace=True)
        except NotReady:
            raise
        except ServingError as error:
            log.warning("adapter_load_failed adapter=%s source=%s error=%s", name, source, error)
            self._failed[name] = FailedLoad(name, source, str(error))

    def failed_loads(self) -> list[FailedLoad]:
        """Configured adapters whose load failed, then stored ones that this base cannot serve; each by name."""
        unserved = {name: FailedLoad(name, "stored", str(error)) for name, error in self._store.unserved().items()}
        configured = [self._failed[name] for name in sorted(self._failed)]
        return configured + [unserved[name] for name in sorted(unserved.keys() - self._failed.keys())]

    async def remove(self, model: str) -> None:
        """Stops serving a name, with all versions that it means or meant.

        Returns when its last request has ended, its memory is free and its files are gone. If the caller is cancelled
        the removal still ends. Raises ModelNotFound, AdapterBusy, InvalidRequest, StorageFailed, NotReady.
        """
        name, at, _ = self._catalog.without_base(model).partition("@")
        if at:
            raise InvalidRequest("name", f"give {name!r} alone: all versions of a name are removed together")
        removal = asyncio.ensure_future(self._remove(name, self._stages.leaving(name)))
        self._removals.add(removal)
        removal.add_done_callback(self._removed)
        await asyncio.shield(removal)

    async def pin(self, model: str) -> AdapterVersion:
        """Keeps the version that `model` means on the device until `unpin`, and loads it if it is not there.

        Returns that version, as do the other two: the name may mean another one meanwhile. Raises ModelNotFound,
        InvalidRequest.
        """
        version = self._catalog.adapter(model)
        await self._in_engine(lambda: self._engine.scheduler.loading.pin(version.digest, version.nbytes))
        return version

    async def unpin(self, model: str) -> AdapterVersion:
        """Lets the version that `model` means be evicted again. Raises ModelNotFound."""
        version = self._catalog.adapter(model)
        await self._in_engine(lambda: self._engine.scheduler.slots.unpin(version.digest))
        return version

    async def evict(self, model: str) -> AdapterVersion:
        """Frees the version's device memory now; a request loads it again. Raises ModelNotFound, AdapterBusy."""
        version = self._catalog.adapter(model)
        try:
            await self._in_engine(lambda: self._engine.evict(version.digest))
        except AdapterBusy as busy:
            raise AdapterBusy(f"{version.name}@{version.digest[:12]}", busy.reason) from None
        return version

    async def _publish(self, load: Load, source: str, arrival: Arrival) -> AdapterVersion:
        async with self._stages.publishing(load) as is_newest:
            if not is_newest:
                return self._catalog.adapter(load.name)
            while freeing := self._freeing.get(arrival.digest):  # it would undo a pin of the new name
                await asyncio.wait([freeing])
            version = await asyncio.to_thread(self._store.register, load.name, source, arrival)
            self._failed.pop(load.name, None)
            await self._retire(load.name)
        return version

    async def _retire(self, name: str) -> None:
        """Lets go of versions that `name` meant long ago, but for those that are pinned or serve requests."""
        for digest in self._store.surplus(name):
            with self._catalog.hidden(name, digest), suppress(AdapterBusy, NotReady):
                memory = (digest, *self._catalog.compositions_with(digest))
                if any(stream.adapter in memory for stream in self._streams()):
                    continue
                for each in () if self._store.is_shared(digest) else memory:
                    await self._in_engine(partial(self._engine.evict, each))
                try:
                    await self._free(await asyncio.to_thread(self._store.retire, name, [digest]))
                    log.info("adapter_retired adapter=%s@%s", name, digest[:12])
                except StorageFailed as problem:
                    log.warning("adapter_not_retired adapter=%s@%s error=%s", name, digest[:12], problem)

    async def _remove(self, name: str, departure: AbstractAsyncContextManager[None]) -> None:
        async with departure:
            for stream in list(self._streams()):
                if name in self._names_in(stream.model):
                    await stream.ended()
            gone = await asyncio.to_thread(self._store.remove, name)
            await self._free(gone)
            log.info("adapter_removed adapter=%s versions=%d", name, len(gone))
            self._failed.pop(name, None)

    async def _free(self, digests: Iterable[AdapterDigest]) -> None:
        """Unpins versions that no name means any more, and frees their memory once their loads have ended."""
        memory = [each for digest in digests for each in (digest, *self._catalog.compositions_with(digest))]
        unloads = [Unload(each, Future()) for each in dict.fromkeys(memory)]
        freed = asyncio.gather(*(asyncio.wrap_future(unload.done) for unload in unloads), return_exceptions=True)
        self._freeing |= {unload.adapter: freed for unload in unloads}
        try:
            for unload in unloads:
                self._engine.mailbox.put(unload)
            await freed
        except NotReady:
            return  # the engine has stopped, and its memory is gone with it
        finally:
            for unload in unloads:
                unload.done.cancel()
                self._freeing.pop(unload.adapter, None)
                self._forget(unload.adapter)
                self._catalog.forget(unload.adapter)

    def _names_in(self, model: str) -> set[str]:
        """The adapter names that a request's `model` mentions, without base and digest."""
        parts = [name for name, _ in composition.parse(model) or [(model, 1.0)]]
        return {self._catalog.without_base(part).partition("@")[0] for part in parts}

    def _removed(self, removal: "asyncio.Task[None]") -> None:
        self._removals.discard(removal)
        if not removal.cancelled() and (error := removal.exception()):
            log.info("adapter_removal_refused error=%s", error)

    async def _in_engine(self, action: Callable[[], None]) -> None:
        """Runs `action` on the engine thread between two steps; raises what it raises."""
        await asyncio.wrap_future(self._engine.mailbox.run(action))


async def _to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Awaits `work`, which is not cancelled with its caller: the cancellation is raised once it has ended."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        raise
