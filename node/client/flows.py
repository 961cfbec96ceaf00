"""Conversations with a node, written once and run over blocking and asynchronous clients alike.

A flow is a generator: it yields requests, is sent each response, and returns its result. The body of every response is
read before the flow gets it, except the answer to the caller's own request, which may be a stream.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import closing
from typing import Any, TypeVar

import httpx2

from contracts.document import parse_json
from node.client.errors import Malformed, NodeUnusable
from node.client.node import NodeCard, NodeQuote

T = TypeVar("T")
Flow = Generator[httpx2.Request, httpx2.Response, T]


def run(client: httpx2.Client, flow: Flow[T]) -> T:
    """The result of a flow over a blocking client."""

    async def send(request: httpx2.Request) -> httpx2.Response:
        return client.send(request)

    return _completed(_exchange(flow, send, client.timeout.as_dict()))


async def run_async(client: httpx2.AsyncClient, flow: Flow[T]) -> T:
    """The result of a flow over an asynchronous client."""
    return await _exchange(flow, client.send, client.timeout.as_dict())


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
    """Sends one request by a flow. httpx2 drives it: its own two loops are the only difference between the clients.

    flow_of: makes the flow from the caller's request, whose body is read. The response to that request ends the flow
    or is followed by more requests; its body stays unread, and httpx2 hands the last response to the caller.
    """

    requires_request_body = True

    def __init__(self, flow_of: Callable[[httpx2.Request], Flow[None]]) -> None:
        self._flow_of = flow_of

    def auth_flow(self, request: httpx2.Request) -> Flow[None]:
        """The flow, with the caller's timeout for every request."""
        with closing(self._flow_of(request)) as flow:
            outgoing = next(flow)
            while True:
                outgoing.extensions.setdefault("timeout", request.extensions.get("timeout", {}))
                self.requires_response_body = outgoing is not request
                response = yield outgoing
                try:
                    outgoing = flow.send(response)
                except StopIteration:
                    return


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
