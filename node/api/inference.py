"""One inference from admission to receipt. Chat and plain completions differ only in how they are written."""

import asyncio
import time
import uuid
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog
from starlette.requests import Request

from contracts.encoding import outputs
from node.api.bodies import ChatBody, CompletionBody
from node.metering.checkout import Caller, HttpCall, Receipt, Ticket
from node.metrics.metrics import Watch
from node.payments.bounds import Bounds
from node.world import World
from serving.frontend.streams import TokenStream
from serving.service import Service
from serving.types import End, GenerationRequest, Prepared, Prompt, ResolvedModel, TextPrompt, TokenEvent

_log = structlog.get_logger("node.inference")
_T = TypeVar("_T")


class ClientGone(Exception):
    """The client closed its connection; nobody reads the answer."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How a request ended, and its durable receipt."""

    end: End
    receipt: Receipt


class Inference:
    """An admitted request while it runs.

    The client reads the engine's stream directly. The bookkeeping does not depend on it: every event is observed when
    it arrives, and a task of its own waits for the End and records the receipt. A client that leaves calls `leave`: the
    generation ends within a step, and the receipt bills what was produced.
    """

    def __init__(
        self, world: World, ticket: Ticket, *, body: bytes, echo: str, watch: Watch, http_request_id: str
    ) -> None:
        """echo: the text of each choice begins with it. http_request_id: the `X-Request-Id` of the HTTP request."""
        self.ticket = ticket
        self.echo = echo
        self.created = int(time.time())
        self.log = _log.bind(request_id=http_request_id, generation_id=ticket.request_id)
        self._service, self._checkout = world.service, world.checkout
        self._body, self._watch = body, watch
        self._stream: TokenStream
        self._texts: list[list[str]] = [[echo] for _ in range(ticket.prepared.choices)]
        self._settled: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()

    async def start(self, request: GenerationRequest) -> None:
        """Starts the generation. Releases the reservation and raises if the engine refuses the request."""
        try:
            self._stream = self._service.generate(request, self._observe)
        except Exception:
            await self._release()
            raise

    async def settle(self) -> None:
        """Waits for the end of the generation and makes its receipt durable, whether or not the client still reads."""
        try:
            end = await self._stream.ended()
            output = outputs(["".join(pieces) for pieces in self._texts])
            receipt = await self._checkout.record(self.ticket, end, self._body, output)
        except Exception as error:  # whatever it was: the client must learn of it, and the reservation must be released
            self.log.error("receipt_failed", exc_info=error)
            self._settled.set_exception(error)
            self._settled.exception()  # a client that has left never asks for it
            await self._release()
        else:
            self._watch.ended(end)
            self._settled.set_result(Settled(end, receipt))

    async def next(self) -> TokenEvent:
        """The next event. Returns the last one when the receipt is durable; raises the error that prevented it."""
        event = await anext(self._stream)
        if event.end is not None:
            await self.settled()
        return event

    async def stream_headers(self, first: TokenEvent) -> Mapping[str, str]:
        """The payment headers of a stream, which is about to begin with `first`.

        They precede the receipt, unless the generation has ended already.
        """
        announced = None if first.end is not None else await self._checkout.announce(self.ticket)
        return (await self.settled()).receipt.headers if announced is None else announced

    async def settled(self) -> Settled:
        """The end and the receipt, when they are there."""
        return await asyncio.shield(self._settled)  # a reader that is cancelled must not cancel the bookkeeping

    def leave(self) -> None:
        """Stops the generation, because nobody reads it. A request that has ended is not affected."""
        self._service.abort(self.ticket.request_id)

    def _observe(self, event: TokenEvent) -> None:
        self._watch.tokens(event.choice, len(event.token_ids))
        self._texts[event.choice].append(event.text)

    async def _release(self) -> None:
        try:
            await self._checkout.release(self.ticket)
        except Exception as error:  # the next start releases it; what led here is the error that counts
            self.log.error("release_failed", exc_info=error)


async def authenticate(world: World, request: Request, body: ChatBody | CompletionBody, raw: bytes) -> Caller:
    """Who pays for a parsed request. A refusal says what it costs."""
    model = world.service.resolve(body.model)
    bounds = await _bounds(world, model, body, len(raw))
    return await world.checkout.authenticate(call_of(request, raw), model.adapter, bounds)


async def admit(world: World, request: Request, caller: Caller, body: ChatBody | CompletionBody) -> Inference:
    """Prepares, reserves and starts a request. Refusals are raised before anything runs."""
    with world.runs.admitting():
        watch = Watch(world.metrics)
        model = world.service.resolve(body.model)
        prepared = await world.service.prepare(
            model,
            body.as_prompt(),
            body.max_new_tokens,
            body.sampling(),
            choices=body.n,
            json_schema=body.response_format,
        )
        request_id = uuid.uuid4().hex
        echo = _prompt_text(world.service, body.as_prompt(), prepared) if body.echo else ""
        # what could fail comes before this line: only `start` releases the reservation
        ticket = await world.checkout.admit(caller, request_id, prepared)
        inference = Inference(
            world,
            ticket,
            body=caller.call.body,
            echo=echo,
            watch=watch.named(model.name),
            http_request_id=request.state.request_id,
        )
        await inference.start(
            GenerationRequest(
                request_id, prepared, ticket.tenant, ticket.granted_tokens, cache_salt=body.cache_salt or ""
            )
        )
        world.runs.start(request_id, inference.settle())
        return inference


async def _bounds(world: World, model: ResolvedModel, body: ChatBody | CompletionBody, body_bytes: int) -> Bounds:
    """The most that the request can take, without tokenising it."""
    chat = isinstance(body, ChatBody) and world.paid is not None
    return Bounds.of(
        body_bytes=body_bytes,
        template_tokens=await world.template_tokens.of(world.service, model) if chat else 0,
        max_new_tokens=body.max_new_tokens,
        choices=body.n,
        context_tokens=world.service.context_tokens,
    )


def call_of(request: Request, raw: bytes) -> HttpCall:
    """The call as its payer signed it. raw: its body."""
    path = _path_with_query(request)
    return HttpCall(request.method, path, request.headers, raw, _client(request), request.state.reply_headers)


def _prompt_text(service: Service, prompt: Prompt, prepared: Prepared) -> str:
    """A text prompt as its sender wrote it; token ids as the vocabulary decodes them."""
    return prompt.text if isinstance(prompt, TextPrompt) else service.decode(prepared.prompt_ids)


async def unless_gone(request: Request, inference: Inference, work: Coroutine[None, None, _T]) -> _T:
    """Returns the result of `work`. If the client leaves first, aborts the generation and raises ClientGone."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        inference.leave()
        raise ClientGone
    finally:
        leaving.cancel()
        working.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _path_with_query(request: Request) -> str:
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


def _client(request: Request) -> str:
    return request.client.host if request.client else "local"
