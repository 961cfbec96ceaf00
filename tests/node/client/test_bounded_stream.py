"""Bounds on what a node says about itself."""

from collections.abc import Callable

import httpx2
import pytest

from node.client.bounded_stream import MAX_DOCUMENT_BYTES
from node.client.errors import NodeUnusable
from node.client.flows import Flow, FlowAuth, fetch_card, run, run_async

URL = "http://node.example"


def endless(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, stream=httpx2.ByteStream(b" " * (MAX_DOCUMENT_BYTES + 1)))


def compressed(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx2.ByteStream(b"\x1f\x8b"))


def card_first(request: httpx2.Request) -> Flow[None]:
    yield from fetch_card(URL)
    yield request


@pytest.mark.parametrize(
    ("answer", "problem"),
    [(endless, "answered more than"), (compressed, "compressed form")],
)
async def test_a_document_is_read_within_bounds_by_every_client(
    answer: Callable[[httpx2.Request], httpx2.Response], problem: str
) -> None:
    transport = httpx2.MockTransport(answer)
    with httpx2.Client(transport=transport) as client:
        with pytest.raises(NodeUnusable, match=problem):
            run(client, fetch_card(URL))
        with pytest.raises(NodeUnusable, match=problem):
            client.get(URL, auth=FlowAuth(card_first))
    async with httpx2.AsyncClient(transport=transport) as client:
        with pytest.raises(NodeUnusable, match=problem):
            await run_async(client, fetch_card(URL))
        with pytest.raises(NodeUnusable, match=problem):
            await client.get(URL, auth=FlowAuth(card_first))


def test_a_refusal_of_the_callers_request_is_bounded_as_well() -> None:
    def only(request: httpx2.Request) -> Flow[None]:
        yield request

    refusing = httpx2.MockTransport(
        lambda request: httpx2.Response(402, stream=httpx2.ByteStream(b" " * (MAX_DOCUMENT_BYTES + 1)))
    )
    with httpx2.Client(transport=refusing) as client, pytest.raises(NodeUnusable, match="answered more than"):
        client.get(URL, auth=FlowAuth(only))
