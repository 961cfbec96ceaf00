"""The one object that the node talks to. Its callers use asyncio; the engine runs on a thread of its own."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from math import inf

from serving.adapter_loader import AdapterLoader
from serving.adapters.store import AdapterStore
from serving.base.loader import BaseModel, Progress
from serving.base.opening import open_base
from serving.config import ServingConfig
from serving.engine.engine import Engine
from serving.engine.mailbox import Abort, Expect, Extend, Stop, Submit
from serving.engine.scheduler import Scheduler
from serving.errors import NotReady
from serving.frontend.adapter_verbs import AdapterVerbs, FailedLoad
from serving.frontend.catalog import Catalog, Occupancy
from serving.frontend.choices import sequences_of
from serving.frontend.limits import check_admission
from serving.frontend.open_streams import OpenStreams
from serving.frontend.requests import Preparer, resolved
from serving.frontend.streams import TokenStream
from serving.kv.pages import PagePool
from serving.prompts.templates import TemplateRenderer
from serving.sampling.grammar import Grammars
from serving.tiers.slots import Slots
from serving.types import (
    Activity,
    AdapterDigest,
    EngineStats,
    GenerationRequest,
    ModelCard,
    Prepared,
    Prompt,
    ResolvedModel,
    SamplingParams,
    TokenEvent,
    TokenText,
)

_JOIN_S = 60.0
_STOPPING = "The engine is stopping or has stopped."
_DEFAULT_SAMPLING = SamplingParams()


class Service:
    """Turns prompts into tokens and usage. Use it from one event loop; `start` makes it and `close` ends it.

    A request takes three calls: `resolve` names its adapter, `prepare` decides everything else, `generate` runs it.
    """

    @classmethod
    async def start(cls, config: ServingConfig, on_progress: Progress = lambda what, fraction: None) -> "Service":
        """Loads the base and starts the engine. on_progress(what, fraction) may be called from any thread.

        Raises BaseModelUnusable, SourceRefused, SourceUnavailable.
        """
        base, store = await asyncio.to_thread(open_base, config, on_progress)
        return cls(config, base, store)

    def __init__(self, config: ServingConfig, base: BaseModel, store: AdapterStore) -> None:
        self.base_name, self.base_digest, self.tokenizer_digest = base.name, base.digest, base.tokenizer_digest
        self.context_tokens = base.context_tokens
        self.device_name = str(base.device)
        self.step_threads = base.step_threads
        self.dtype_name = {"torch.bfloat16": "bf16", "torch.float32": "fp32"}[str(base.dtype)]
        self._config, self._base = config, base
        self._loop = asyncio.get_running_loop()
        self._renderer = TemplateRenderer()
        self._renderer.start_soon()
        self._grammars = Grammars(base.vocabulary, base.eos_ids)
        self._preparer = Preparer(base.vocabulary, self._renderer, self._grammars, base.context_tokens)
        self._catalog = Catalog(base.name, store, with_compositions=config.compositions)
        self._loader = AdapterLoader.for_device(base.device, self._catalog.open_blob, config.adapter_host_bytes)
        self._streams = OpenStreams(config.max_queue, lambda sequence: self._engine.mailbox.offer(Submit(sequence)))
        self._accepting, self._closed = True, False
        self._stopped = asyncio.Event()
        self._engine = Engine(
            base.backbone,
            Scheduler(PagePool(base.kv_pages), Slots(base.adapter_bytes)),
            eos_ids=base.eos_ids,
            page_bytes=base.page_bytes,
            deliver=self._deliver,
            load=lambda adapter: self._loader.start(adapter, self._engine.mailbox.put),
            stopped=self._announce_stopped,
        )
        self._verbs = AdapterVerbs(store, self._catalog, self._engine, self._loader.forget, lambda: self._streams.all)
        self._engine.start()

    # ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def resolve(self, model: str) -> ResolvedModel:
        """What a name, or a sum of names, means now. Later steps of the request take the value instead of the name.

        Raises ModelNotFound; for a composition also InvalidRequest, AdapterIncompatible.
        """
        return resolved(model, self._catalog.resolve(model))

    async def prepare(
        self,
        model: str | ResolvedModel,
        prompt: Prompt,
        max_new_tokens: int | None,
        sampling: SamplingParams = _DEFAULT_SAMPLING,
        *,
        choices: int = 1,
        json_schema: str | None = None,
    ) -> Prepared:
        """Decides everything about a request that can be known before it runs. A name is resolved first.

        json_schema: what every output must satisfy, as JSON.

        Raises ModelNotFound, InvalidRequest, AdapterIncompatible, ContextTooLong, ChatTemplateFailed, NotReady.
        """
        if not self.is_ready:
            raise NotReady(_STOPPING)
        with self._streams.preparing():
            found = self.resolve(model) if isinstance(model, str) else model
            if found.adapter is not None and found.adapter not in self._engine.resident:
                self._catalog.remember_parts(found)
                # the engine loads the adapter while the prompt is tokenised
                self._engine.mailbox.offer(Expect(found.adapter, found.adapter_bytes))
            return await self._preparer.prepare(
                found,
                prompt,
                max_new_tokens,
                sampling,
                choices=choices,
                json_schema=json_schema,
                chat_template=await self._catalog.chat_template(found),
            )

    def decode(self, token_ids: tuple[int, ...]) -> str:
        """The text of some tokens."""
        return self._base.vocabulary.decode(token_ids)

    def token_text(self, token_id: int) -> TokenText:
        """The bytes of one token."""
        return self._base.vocabulary.token_text(token_id)

    def generate(
        self, request: GenerationRequest, observe: Callable[[TokenEvent], None] = lambda event: None
    ) -> TokenStream:
        """Accepts the request and returns its events. Closing the stream (`aclose`) aborts the request.

        observe: called on the event loop with every event when it arrives, even if nobody reads the stream; it must not
        raise. A request that was prepared before a drain began is still accepted while the drain lasts.

        Raises ModelNotFound, InvalidRequest, Overloaded, NotReady, and then nothing was accepted.
        """
        if self._closed or self._engine.mailbox.is_closed:
            raise NotReady(_STOPPING)
        check_admission(request)
        self._streams.check(request.request_id)
        self._catalog.check_served(request.prepared.model)
        self._catalog.remember_parts(request.prepared.model)
        now = time.monotonic()
        sequences = sequences_of(
            request,
            self._base.vocabulary,
            self.base_digest,
            arrived_at=now,
            start_by=now + (self._config.request_timeout_s or inf),
            end_by=now + (request.deadline_s or inf),
        )
        self._engine.mailbox.put(Submit(sequences[0]))
        stream = TokenStream(sequences, lambda: self.abort(request.request_id), observe)
        self._streams.add(stream)
        self._catalog.used(request.prepared.adapter)
        return stream

    def extend(self, request_id: str, granted_tokens: int) -> None:
        """Raises the total of output tokens that each choice may produce; a parked choice continues."""
        if stream := self._streams.get(request_id):
            for choice in stream.grant(granted_tokens):
                self._engine.mailbox.offer(Extend(request_id, choice, granted_tokens))

    def abort(self, request_id: str) -> None:
        """Ends the request within one step; its stream still gets an End. Unknown ids are ignored."""
        if stream := self._streams.get(request_id):
            for choice in stream.give_up():
                self._engine.mailbox.offer(Abort(request_id, choice))

    # ── adapters ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def add_adapter(
        self, name: str, source: str, expected_digest: AdapterDigest | None = None, *, replace: bool = True
    ) -> ModelCard:
        """Fetches, verifies and ingests an adapter and serves it as `name`; see `AdapterVerbs.load`."""
        version = await self._verbs.load(name, source, expected_digest, replace=replace)
        return self._catalog.card(version, self._occupancy())

    async def add_configured(self, name: str, source: str) -> None:
        """Adds an adapter of the configuration. A failure is not raised; `failed_loads` lists it."""
        await self._verbs.load_configured(name, source)

    def failed_loads(self) -> list[FailedLoad]:
        """Configured or stored adapters that could not be served, and why."""
        return self._verbs.failed_loads()

    async def remove_adapter(self, name: str) -> None:
        """Stops serving the name with all its versions; see `AdapterVerbs.remove`."""
        await self._verbs.remove(name)

    async def pin(self, model: str) -> ModelCard:
        """Keeps a version on the device until `unpin`; see `AdapterVerbs.pin`."""
        return self._catalog.card(await self._verbs.pin(model), self._occupancy())

    async def unpin(self, model: str) -> ModelCard:
        """Lets the version that `model` names be evicted again."""
        return self._catalog.card(await self._verbs.unpin(model), self._occupancy())

    async def evict(self, model: str) -> ModelCard:
        """Frees a version's device memory now; see `AdapterVerbs.evict`."""
        return self._catalog.card(await self._verbs.evict(model), self._occupancy())

    def models(self, after: str | None = None, limit: int | None = None) -> list[ModelCard]:
        """At most `limit` cards: the base, then the adapters by name. With `after`, the adapters behind that name."""
        return self._catalog.cards(self._occupancy(), after, limit)

    def model(self, model: str) -> ModelCard:
        """The card of one model, named `name`, `name@digest` or `base:name`. Raises ModelNotFound."""
        return self._catalog.card(self._catalog.resolve(model), self._occupancy())

    def activity(self) -> Activity:
        """What adapters are doing now. The cost does not grow with the number of idle adapters."""
        return self._catalog.activity(self._occupancy(), self._streams.all)

    def busy(self, others: int) -> list[ModelCard]:
        """The base, the adapters in memory, pinned or in flight, and `others` of the rest, last used first."""
        return self._catalog.busy(self._occupancy(), others)

    def has(self, name: str) -> bool:
        """Whether a model is served under exactly this name."""
        return self._catalog.has(name)

    def stats(self) -> EngineStats:
        """The engine's figures after its last step, with those of host memory."""
        host = self._loader.host
        return self._engine.stats if host is None else host.counted_in(self._engine.stats)

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def drain(self, timeout_s: float) -> None:
        """Accepts no new requests and waits for those accepted before, also those that are still being prepared.

        What is left after `timeout_s` is aborted; returns when that has ended too.
        """
        self._accepting = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._streams.quiet()
        self._closed = True
        left = self._streams.all
        for stream in left:
            self.abort(stream.request_id)
        await asyncio.gather(*(stream.ended() for stream in left))

    async def close(self) -> None:
        """Aborts what is in flight and ends the engine, its threads and its child process."""
        self._accepting, self._closed = False, True
        self._engine.mailbox.offer(Stop())
        await self._stopped.wait()
        await asyncio.to_thread(self._engine.join, _JOIN_S)
        await asyncio.to_thread(self._loader.close)
        self._catalog.close()
        self._grammars.close()
        await self._renderer.close()

    @property
    def is_ready(self) -> bool:
        """Whether new requests are accepted."""
        return self._accepting and not self._engine.mailbox.is_closed

    async def check_integrity(self) -> None:
        """Asserts that every page and slot is accounted for. A failed assertion stops the engine."""
        await asyncio.wrap_future(self._engine.mailbox.run(self._engine.scheduler.check_integrity))

    # ── between the threads ───────────────────────────────────────────────────────────────────────────────────────────

    def _deliver(self, events: list[TokenEvent]) -> None:
        """Called on the engine thread: wakes the event loop once per step."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._streams.dispatch, events)

    def _announce_stopped(self) -> None:
        """Called on the engine thread when no event will follow."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._dispatch_stopped)

    def _dispatch_stopped(self) -> None:
        self._streams.fail("The engine stopped because of an internal error.")
        self._stopped.set()

    def _occupancy(self) -> Occupancy:
        host = self._loader.host
        in_host = frozenset() if host is None else host.adapters
        return Occupancy(self._streams.in_flight, self._engine.resident, self._engine.pinned, in_host)
