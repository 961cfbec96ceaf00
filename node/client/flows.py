"""Conversations with a node, written once and run over blocking and asynchronous clients alike.

A flow is a generator: it yields requests, is sent each response, and returns its result. The body of every response is
read, within bounds, before the flow gets it, except the answer to the caller's own request, which may be a stream.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing, closing
from typing import Any, TypeVar

import httpx2

from contracts.document import parse_json
from node.client.bounded_stream import bound
from node.client.errors import Malformed, NodeUnusable
from node.client.node import NodeCard, NodeQuote

T = TypeVar("T")
Flow = Generator[httpx2.Request, httpx2.Response, T]


def run(client: httpx2.Client, flow: Flow[T]) -> T:
    """The result of a flow over a blocking client."""

    async def send(request: httpx2.Request) -> httpx2.Response:
        with closing(client.send(request, stream=True)) as response:
            bound(response).read()
        return response

    return _completed(_exchange(flow, send, client.timeout.as_dict()))


async def run_async(client: httpx2.AsyncClient, flow: Flow[T]) -> T:
    """The result of a flow over an asynchronous client."""

    async def send(request: httpx2.Request) -> httpx2.Response:
        async with aclosing(await client.send(request, stream=True)) as response:
            await bound(response).aread()
        return response

    return await _exchange(flow, send, client.timeout.as_dict())


async def _exchange(
    flow: Flow[T], send: Callable[[httpx2.Request], Awaitable[httpx2.Response]], timeouts: dict[str, float | None]
) -> T:
    with closing(flow):
        try:
            request = next(flow)
            while True:
                request.extensions.setdefault("timeout", timeouts)
                request = flow.send(await send(request))
        except StopIteration as stop:
            result: T = stop.value
            return result


def _completed(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("a blocking send does not suspend")


class FlowAuth(httpx2.Auth):
    """Sends one request by a flow. httpx2 drives it: the two loops below are the only difference between the clients.

    flow_of: makes the flow from the caller's request, whose body is read. The response to that request ends the flow
    or is followed by more requests; its body stays unread, and httpx2 hands the last response to the caller.
    """

    def __init__(self, flow_of: Callable[[httpx2.Request], Flow[None]]) -> None:
        self._flow_of = flow_of

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """The flow over a blocking client, with the caller's timeout for every request."""
        request.read()
        with closing(self._flow_of(request)) as flow:
            outgoing = next(flow)
            while True:
                response = yield _timed(outgoing, request)
                if outgoing is not request:
                    bound(response).read()
                elif response.is_error:
                    bound(response)
                try:
                    outgoing = flow.send(response)
                except StopIteration:
                    return

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """The flow over an asynchronous client, with the caller's timeout for every request."""
        await request.aread()
        with closing(self._flow_of(request)) as flow:
            outgoing = next(flow)
            while True:
                response = yield _timed(outgoing, request)
                if outgoing is not request:
                    await bound(response).aread()
                elif response.is_error:
                    bound(response)
                try:
                    outgoing = flow.send(response)
                except StopIteration:
                    return


def _timed(outgoing: httpx2.Request, caller: httpx2.Request) -> httpx2.Request:
    outgoing.extensions.setdefault("timeout", caller.extensions.get("timeout", {}))
    return outgoing


def fetch_card(url: str) -> Flow[NodeCard]:
    """Who the node at `url` is and which payments it accepts. NodeUnusable if this client cannot pay it."""
    response = yield httpx2.Request("GET", f"{url}/nodes/me")
    return parsed(url, response, NodeCard.parse)


def fetch_quote(url: str, model: str, max_tokens: int | None) -> Flow[NodeQuote | None]:
    """What a model costs now. None if the node does not serve it; its answer to the request itself says why."""
    params = {"model": model} | ({} if max_tokens is None else {"max_tokens": str(max_tokens)})
    response = yield httpx2.Request("GET", f"{url}/nodes/me/quote", params=params)
    return None if response.status_code in (400, 404, 422) else parsed(url, response, NodeQuote.parse)


def parsed(url: str, response: httpx2.Response, parse: Callable[[object], T]) -> T:
    """The parsed body of a node's response. NodeUnusable for an error status, Malformed for another form."""
    path = response.request.url.path
    if response.is_error:
        raise NodeUnusable(f"{path} answered {response.status_code}", url)
    try:
        document = parse_json(response.content)
    except ValueError as error:
        raise Malformed(f"{path}:", str(error), url) from error
    try:
        return parse(document)
    except Malformed as error:
        raise Malformed(f"{path}: {error.member}", error.reason, url) from error
