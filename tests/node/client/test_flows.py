"""One flow runs alike over blocking and asynchronous clients, by itself and as the auth of a client."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from node.client.errors import Malformed, NodeUnusable
from node.client.flows import Flow, FlowAuth, parsed, run, run_async
from node.client.node import NodeCard

URL = "http://node.test"


class Chunks(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that counts how many of its chunks were read."""

    def __init__(self) -> None:
        self.read = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in (b"a", b"b"):
            self.read += 1
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


class Site(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Answers with the path it was asked for; /stream with chunks, /broken with a broken connection."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []
        self.chunks = Chunks()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if request.url.path == "/broken":
            raise httpx2.ReadError("broken")
        if request.url.path == "/stream":
            return httpx2.Response(200, stream=self.chunks)
        return httpx2.Response(200, text=request.url.path)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self.handle_request(request)


def visit(*paths: str) -> Flow[list[str]]:
    texts = []
    for path in paths:
        response = yield httpx2.Request("GET", URL + path)
        texts.append(response.text)
    return texts


@pytest.mark.parametrize("paths", [(), ("/a",), ("/a", "/b", "/c")])
async def test_a_flow_has_the_same_result_over_both_clients(paths: tuple[str, ...]) -> None:
    with httpx2.Client(transport=Site()) as client:
        blocking = run(client, visit(*paths))
    async with httpx2.AsyncClient(transport=Site()) as client_:
        asynchronous = await run_async(client_, visit(*paths))

    assert blocking == asynchronous == list(paths)


async def test_errors_of_the_connection_pass_through_both_clients() -> None:
    with httpx2.Client(transport=Site()) as client, pytest.raises(httpx2.ReadError):
        run(client, visit("/a", "/broken"))
    async with httpx2.AsyncClient(transport=Site()) as client_:
        with pytest.raises(httpx2.ReadError):
            await run_async(client_, visit("/a", "/broken"))


class Recorder:
    """A flow that sends the caller's request between two requests of its own, and notes how it ends."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def flow(self, request: httpx2.Request) -> Flow[None]:
        try:
            before = yield httpx2.Request("GET", URL + "/before")
            self.seen.append(before.text)
            yield request
            self.seen.append("answered")
        except GeneratorExit:
            self.seen.append("closed")
            raise


def test_the_callers_answer_is_streamed_and_other_answers_are_read() -> None:
    site, recorder = Site(), Recorder()

    with (
        httpx2.Client(transport=site, auth=FlowAuth(recorder.flow), timeout=2.5) as client,
        client.stream("GET", URL + "/stream") as response,
    ):
        assert site.chunks.read == 0
        assert response.read() == b"ab"

    assert recorder.seen == ["/before", "answered"]
    assert {request.extensions["timeout"]["read"] for request in site.requests} == {2.5}


async def test_the_callers_answer_is_streamed_asynchronously_too() -> None:
    site, recorder = Site(), Recorder()

    async with (
        httpx2.AsyncClient(transport=site, auth=FlowAuth(recorder.flow)) as client,
        client.stream("GET", URL + "/stream") as response,
    ):
        assert site.chunks.read == 0
        assert await response.aread() == b"ab"

    assert recorder.seen == ["/before", "answered"]


async def test_a_broken_connection_closes_the_flow_at_once() -> None:
    blocking, asynchronous = Recorder(), Recorder()

    with httpx2.Client(transport=Site(), auth=FlowAuth(blocking.flow)) as client, pytest.raises(httpx2.ReadError):
        client.get(URL + "/broken")
    async with httpx2.AsyncClient(transport=Site(), auth=FlowAuth(asynchronous.flow)) as client_:
        with pytest.raises(httpx2.ReadError):
            await client_.get(URL + "/broken")

    assert blocking.seen == asynchronous.seen == ["/before", "closed"]


@pytest.mark.parametrize(
    ("response", "error", "problem"),
    [
        (httpx2.Response(500, json={}), NodeUnusable, "/nodes/me answered 500"),
        (httpx2.Response(200, text="<html>"), Malformed, "/nodes/me:"),
        (httpx2.Response(200, text="[" * 100_000), Malformed, "/nodes/me:"),
        (httpx2.Response(200, json=[]), Malformed, "/nodes/me: the document must be a JSON object"),
        (httpx2.Response(200, json={}), Malformed, "/nodes/me: chainId is missing"),
    ],
)
def test_a_wrong_document_is_an_error_with_the_nodes_url(
    response: httpx2.Response, error: type[NodeUnusable], problem: str
) -> None:
    response.request = httpx2.Request("GET", f"{URL}/nodes/me")

    with pytest.raises(error, match=problem) as wrong:
        parsed(URL, response, NodeCard.parse)

    assert wrong.value.url == URL
