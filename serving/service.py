"""The one object the node talks to: asyncio on this side, the engine thread on the other."""

import asyncio
import logging
import time
from dataclasses import replace
from math import inf

from serving.adapter_loader import AdapterLoader
from serving.adapters.store import AdapterStore
from serving.base.loader import BaseModel, Progress
from serving.base.opening import open_base
from serving.config import ServingConfig
from serving.engine.engine import Engine
from serving.engine.mailbox import Abort, Expect, Extend, Stop, Submit
from serving.engine.scheduler import Scheduler
from serving.errors import InvalidRequest, NotReady
from serving.frontend.adapter_verbs import AdapterVerbs, FailedLoad
from serving.frontend.catalog import Catalog, Occupancy
from serving.frontend.choices import sequences_of
from serving.frontend.open_streams import OpenStreams
from serving.frontend.requests import Preparer, check_request
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
    SamplingParams,
    TokenEvent,
    TokenText,
)

log = logging.getLogger("serving.service")
_JOIN_S = 60.0


def _silent(what: str, fraction: float) -> None:
    """The default progress: nobody watches."""


class Service:
    """Prompts in, tokens and usage out. Use from one event loop; made by `start`, ended by `close`."""

    @classmethod
    async def start(cls, config: ServingConfig, on_progress: Progress = _silent) -> "Service":
        """Loads the base and starts the engine. on_progress(what, fraction) may be called from another thread.

        Raises BaseModelUnusable, SourceRefused, SourceUnavailable.
        """
        base, store = await asyncio.to_thread(open_base, config, on_progress)
        return cls(config, base, store)

    def __init__(self, config: ServingConfig, base: BaseModel, store: AdapterStore) -> None:
        self.base_name = base.name
        self.base_digest = base.digest
        self.tokenizer_digest = base.tokenizer_digest
        self.context_tokens = base.context_tokens
        self.device_name = str(base.device)
        self.step_threads = base.step_threads
        self.dtype_name = {"torch.bfloat16": "bf16", "torch.float32": "fp32"}[str(base.dtype)]
        self._config = config
        self._base = base
        self._loop = asyncio.get_running_loop()
        self._renderer = TemplateRenderer()
        self._renderer.start_soon()
        self._preparer = Preparer(base.vocabulary, self._renderer, base.context_tokens)
        self._grammars = Grammars(base.vocabulary, base.eos_ids)
        self._catalog = Catalog(base.name, store, with_compositions=config.compositions)
        self._loader = AdapterLoader.for_device(base.device, self._catalog.open_blob, config.adapter_host_bytes)
        self._streams = OpenStreams(config.max_queue, lambda each: self._put_unless_stopped(Submit(each)))
        self._accepting = True
        self._stopped = asyncio.Event()
        slots = Slots(base.adapter_bytes)
        self._engine = Engine(
            base.backbone,
            Scheduler(PagePool(base.kv_pages), slots),
            eos_ids=base.eos_ids,
            page_bytes=base.page_bytes,
            deliver=self._deliver,
            load=lambda adapter: self._loader.start(adapter, self._engine.mailbox.put),
            stopped=self._tell_stopped,
        )
        self._verbs = AdapterVerbs(
            store, self._catalog, self._engine, self._loader.forget, streams=lambda: self._streams.all
        )
        self._engine.start()

    # ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def resolve(self, model: str) -> AdapterDigest | None:
        """The adapter that a name or a sum of names means, None for the base. Raises ModelNotFound and as `prepare`."""
        version = self._catalog.resolve(model)
        return version.digest if version else None

    async def prepare(
        self,
        model: str,
        prompt: Prompt,
        max_new_tokens: int | None,
        *,
        choices: int = 1,
        json_schema: str | None = None,
    ) -> Prepared:
        """Everything about a request that can be known before it runs. json_schema: what its outputs must satisfy.

        Raises ModelNotFound, InvalidRequest, AdapterIncompatible, ContextTooLong, ChatTemplateFailed.
        """
        version = self._catalog.resolve(model)
        if version is not None and version.digest not in self._engine.resident:
            self._put_unless_stopped(Expect(*self._catalog.expected(version)))  # the prompt is read meanwhile
        template = await self._catalog.chat_template(version) if version else None
        prepared = await self._preparer.prepare(model, version, prompt, max_new_tokens, template)
        grammar = None if json_schema is None else await self._grammars.compile(json_schema)
        return replace(prepared, choices=choices, grammar=grammar)

    def check(self, prepared: Prepared, sampling: SamplingParams) -> None:
        """Raises InvalidRequest if `generate` would refuse to draw tokens like this."""
        check_request(prepared, sampling, self._base.vocabulary.size)

    def decode(self, token_ids: tuple[int, ...]) -> str:
        return self._base.vocabulary.decode(token_ids)

    def token_text(self, token_id: int) -> TokenText:
        return self._base.vocabulary.token_text(token_id)

    def generate(self, request: GenerationRequest) -> TokenStream:
        """Accepts the request and returns its events. Closing the stream (`aclose`) aborts.

        Raises ModelNotFound, InvalidRequest, Overloaded, NotReady, and then nothing was accepted.
        """
        self._check_accepting()
        self.check(request.prepared, request.sampling)
        if request.granted_tokens < 1:
            raise InvalidRequest("granted_tokens", "must be at least 1")
        if request.deadline_s is not None and not request.deadline_s > 0:
            raise InvalidRequest("deadline_s", "must be above 0")
        adapter = request.prepared.adapter
        self._streams.check(request.request_id)
        nbytes = self._catalog.accepted(request.prepared)
        now = time.monotonic()
        sequences = sequences_of(
            request,
            self._base.vocabulary,
            self.base_digest,
            arrived_at=now,
            adapter_bytes=nbytes,
            start_by=now + (self._config.request_timeout_s or inf),
            end_by=now + (request.deadline_s or inf),
        )
        self._engine.mailbox.put(Submit(sequences[0]))
        stream = TokenStream(request.request_id, adapter, lambda: self.abort(request.request_id), sequences)
        self._streams.add(stream)
        self._catalog.used(adapter)
        return stream

    def extend(self, request_id: str, granted_tokens: int) -> None:
        """Raises the total of output tokens that each choice may produce; a parked one goes on."""
        if stream := self._streams.get(request_id):
            for each in stream.grant(granted_tokens):
                self._put_unless_stopped(Extend(each, granted_tokens))

    def abort(self, request_id: str) -> None:
        """Ends the request within one step; its stream still gets an End. Unknown ids are ignored."""
        if stream := self._streams.get(request_id):
            for each in stream.give_up():
                self._put_unless_stopped(Abort(each))

    # ── adapters ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def add_adapter(
        self, name: str, source: str, expected_digest: AdapterDigest | None = None, *, replace: bool = True
    ) -> ModelCard:
        """Fetches, verifies and ingests an adapter and serves it as `name`; see `AdapterVerbs.load`."""
        version = await self._verbs.load(name, source, expected_digest, replace=replace)
        return self._catalog.card(version, self._occupancy())

    async def add_configured(self, name: str, source: str) -> None:
        """The same for an adapter of the configuration; a failure is kept in `failed_loads` instead of raised."""
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
        """The base first, then the adapters by name, at most `limit`; with `after`, only adapters, from there on."""
        return self._catalog.cards(self._occupancy(), after, limit)

    def model(self, model: str) -> ModelCard:
        """One of them by name, `name@digest` or `base:name`; does not look at the others. Raises ModelNotFound."""
        return self._catalog.card(self._catalog.resolve(model), self._occupancy())

    def activity(self) -> Activity:
        """What goes on with adapters, at a cost that does not grow with how many lie idle."""
        return self._catalog.activity(self._occupancy(), self._streams.all)

    def busy(self, others: int) -> list[ModelCard]:
        """The base, what is in memory, pinned or in flight, and of the others those asked for last."""
        return self._catalog.busy(self._occupancy(), others)

    def has(self, name: str) -> bool:
        """Whether a model is served under exactly this name."""
        return self._catalog.has(name)

    def stats(self) -> EngineStats:
        host = self._loader.host
        return self._engine.stats if host is None else host.counted_in(self._engine.stats)

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def drain(self, timeout_s: float) -> None:
        """Takes no new requests and waits for those in flight; what is left after `timeout_s` is aborted."""
        self._accepting = False
        open_streams = [asyncio.ensure_future(stream.ended()) for stream in self._streams.all]
        if open_streams:
            await asyncio.wait(open_streams, timeout=timeout_s)
        for stream in self._streams.all:
            self.abort(stream.request_id)
        await asyncio.gather(*open_streams)

    async def close(self) -> None:
        """Aborts what is in flight and ends the engine, its threads and its child process."""
        self._accepting = False
        self._put_unless_stopped(Stop())
        await self._stopped.wait()
        await asyncio.to_thread(self._engine.join, _JOIN_S)
        await asyncio.to_thread(self._loader.close)
        self._catalog.close()
        self._grammars.close()
        await self._renderer.close()

    @property
    def is_ready(self) -> bool:
        return self._accepting and not self._engine.mailbox.is_closed

    # ── between the threads ───────────────────────────────────────────────────────────────────────────────────────────

    def _deliver(self, events: list[TokenEvent]) -> None:
        """On the engine thread: one wake-up of the event loop per step."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._streams.dispatch, events)

    def _tell_stopped(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._dispatch_stopped)

    def _dispatch_stopped(self) -> None:
        self._streams.fail("The engine stopped because of an internal error.")
        self._stopped.set()

    def _check_accepting(self) -> None:
        if not self.is_ready:
            raise NotReady("The engine is stopping or has stopped.")

    def _put_unless_stopped(self, command: Submit | Extend | Abort | Expect | Stop) -> None:
        if not self._engine.mailbox.is_closed:
            try:
                self._engine.mailbox.put(command)
            except NotReady:
                return  # it stopped between the two lines: then everything has got its End

    def _occupancy(self) -> Occupancy:
        host = self._loader.host
        in_host = frozenset() if host is None else host.adapters
        return Occupancy(self._streams.in_flight, self._engine.resident, self._engine.pinned, in_host)
