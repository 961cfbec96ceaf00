"""Reading what a node says about itself and its channels within bounds: the node may be a stranger's."""

from collections.abc import AsyncIterator, Iterator

import httpx2

from node.client.errors import NodeUnusable

MAX_DOCUMENT_BYTES = 4 << 20
"""The longest document or refusal that is read. A channel, a quote and a node's card have a few kilobytes."""


class BoundedStream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The body of a response, up to MAX_DOCUMENT_BYTES. Raises NodeUnusable when it goes on."""

    def __init__(self, stream: httpx2.SyncByteStream | httpx2.AsyncByteStream, path: str) -> None:
        self._stream, self._path, self._taken = stream, path, 0

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._stream, httpx2.SyncByteStream)
        for chunk in self._stream:
            yield self._counted(chunk)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._stream, httpx2.AsyncByteStream)
        async for chunk in self._stream:
            yield self._counted(chunk)

    def close(self) -> None:
        """Closes the connection's stream."""
        assert isinstance(self._stream, httpx2.SyncByteStream)
        self._stream.close()

    async def aclose(self) -> None:
        """Closes the connection's stream."""
        assert isinstance(self._stream, httpx2.AsyncByteStream)
        await self._stream.aclose()

    def _counted(self, chunk: bytes) -> bytes:
        self._taken += len(chunk)
        if self._taken > MAX_DOCUMENT_BYTES:
            raise NodeUnusable(f"{self._path} answered more than {MAX_DOCUMENT_BYTES} bytes")
        return chunk


def bound(response: httpx2.Response) -> httpx2.Response:
    """The response, whose unread body ends with NodeUnusable beyond the limit.

    A compressed body is refused: it was not asked for, and a few bytes could expand to gigabytes.
    """
    path = response.request.url.path
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise NodeUnusable(f"{path} answered in a compressed form that was not asked for")
    assert isinstance(response.stream, httpx2.SyncByteStream | httpx2.AsyncByteStream)
    response.stream = BoundedStream(response.stream, path)
    return response
