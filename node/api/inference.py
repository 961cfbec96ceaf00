"""One inference from admission to receipt. Chat and plain completions differ only in how they write it down."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request

from contracts.encoding import outputs
from node.api.bodies import ChatBody, CompletionBody
from node.metering.checkout import Call, Checkout, Receipt, Ticket
from node.metrics.metrics import Watch
from node.world import World
from serving.service import Service
from serving.types import End, GenerationRequest, Prepared, Prompt, TextPrompt, TokenEvent

_T = TypeVar("_T")


class ClientGone(Exception):
    """The client closed its connection; nobody reads the answer."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The last word on a request: how it ended, and its durable receipt."""

    end: End
    receipt: Receipt


class Inference:
    """An admitted request while it runs.

    A task of its own reads the engine's events, so a client that leaves cannot stop the bookkeeping: `leave` ends the
    generation within a step, the engine answers with its last event, and the receipt bills what was produced.
    """

    def __init__(self, service: Service, checkout: Checkout, ticket: Ticket, body: bytes, echo: str) -> None:
        self.ticket = ticket
        self.echo = echo
        """What each choice's text begins with, ahead of the output."""
        self.created = int(time.time())
        self._service, self._checkout, self._body = service, checkout, body
        self._ended = False
        self._events: asyncio.Queue[TokenEvent | Settled | Exception] = asyncio.Queue()

    async def run(self, request: GenerationRequest, watch: Watch) -> None:
        """Engine events → the client's queue, the last one only once its receipt is durable."""
        texts = [[self.echo] for _ in range(self.ticket.prepared.choices)]
        try:
            async for event in self._service.generate(request):
                watch.tokens(event.choice, len(event.token_ids))
                texts[event.choice].append(event.text)
                if event.end is None:
                    self._events.put_nowait(event)
                    continue
                output = outputs(["".join(pieces) for pieces in texts])
                receipt = await self._checkout.record(self.ticket, event.end, self._body, output)
                watch.ended(event.end)
                self._events.put_nowait(event)
                self._events.put_nowait(Settled(event.end, receipt))
        except Exception as error:  # whatever it was, the client must hear it and the reservation must go
            self._events.put_nowait(error)
            await self._checkout.release(self.ticket)
        finally:
            self._ended = True

    async def next(self) -> TokenEvent | Settled:
        """The next event. What the run could not do is raised here."""
        item = await self._events.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def rest(self, item: TokenEvent | Settled) -> AsyncIterator[TokenEvent | Settled]:
        """`item` and everything after it, `Settled` last."""
        while not isinstance(item, Settled):
            yield item
            item = await self.next()
        yield item

    def leave(self) -> None:
        """Nobody reads on: stop generating. Nothing happens to a request that has ended."""
        if not self._ended:
            self._service.abort(self.ticket.request_id)


async def admit(world: World, request: Request, body: ChatBody | CompletionBody, raw: bytes) -> Inference:
    """Parse is done; authenticate, prepare, reserve and start. Refusals are raised before anything runs."""
    world.runs.check_open()
    watch = Watch(world.metrics)
    call = Call(request.method, _path_with_query(request), str(request.url), request.headers, raw, _client(request))
    ask = await world.checkout.authenticate(call, body.model, body.max_new_tokens, body.n)
    prepared = await world.service.prepare(
        body.model, body.as_prompt(), body.max_new_tokens, choices=body.n, json_schema=body.response_format
    )
    sampling = body.sampling()
    world.service.check(prepared, sampling)
    request_id = uuid.uuid4().hex
    ticket = await world.checkout.admit(ask, request_id, prepared)
    echo = _prompt_text(world.service, body.as_prompt(), prepared) if body.echo else ""
    inference = Inference(world.service, world.checkout, ticket, raw, echo)
    generation = GenerationRequest(
        request_id, prepared, sampling, ticket.tenant, ticket.granted_tokens, cache_salt=body.cache_salt or ""
    )
    world.runs.start(request_id, inference.run(generation, watch.named(prepared.model)))
    return inference


def _prompt_text(service: Service, prompt: Prompt, prepared: Prepared) -> str:
    """A plain prompt as its sender wrote it, token ids as the vocabulary spells them."""
    return prompt.text if isinstance(prompt, TextPrompt) else service.decode(prepared.prompt_ids)


async def unless_gone(request: Request, inference: Inference, work: Coroutine[None, None, _T]) -> _T:
    """`work`'s result. If the client leaves first, the generation is aborted and ClientGone raised."""
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
