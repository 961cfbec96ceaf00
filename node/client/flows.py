"""Conversations with a node, written once for blocking and asynchronous clients.

A flow yields requests, is sent each response with its body read, and returns what it learnt.
"""

from collections.abc import Callable, Generator
from typing import TypeVar

import httpx2

from node.client.document import Malformed
from node.client.errors import NodeUnusable
from node.client.node import NodeCard, Quote

T = TypeVar("T")
Flow = Generator[httpx2.Request, httpx2.Response, T]


def run(client: httpx2.Client, flow: Flow[T]) -> T:
    """The result of a flow over a blocking client."""
    try:
        request = next(flow)
        while True:
            request.extensions.setdefault("timeout", client.timeout.as_dict())
            request = flow.send(client.send(request))
    except StopIteration as stop:
        result: T = stop.value
        return result


async def run_async(client: httpx2.AsyncClient, flow: Flow[T]) -> T:
    """The result of a flow over an asynchronous client."""
    try:
        request = next(flow)
        while True:
            request.extensions.setdefault("timeout", client.timeout.as_dict())
            request = flow.send(await client.send(request))
    except StopIteration as stop:
        result: T = stop.value
        return result


def fetch_card(url: str) -> Flow[NodeCard]:
    """Who the node at `url` is and what it accepts."""
    response = yield httpx2.Request("GET", f"{url}/nodes/me")
    return parsed(url, response, NodeCard.parse)


def fetch_quote(url: str, model: str, max_tokens: int | None) -> Flow[Quote | None]:
    """What a model costs now; None if the node does not serve it, which its answer to the request itself explains."""
    params = {"model": model} | ({} if max_tokens is None else {"max_tokens": str(max_tokens)})
    response = yield httpx2.Request("GET", f"{url}/nodes/me/quote", params=params)
    return None if response.status_code in (400, 404, 422) else parsed(url, response, Quote.parse)


def parsed(url: str, response: httpx2.Response, parse: Callable[[object], T]) -> T:
    if response.is_error:
        raise NodeUnusable(url, f"{response.request.url.path} answered {response.status_code}")
    try:
        return parse(response.json())
    except (Malformed, ValueError) as error:
        raise NodeUnusable(url, f"{response.request.url.path}: {error}") from error
