"""Receipts files and proofs for strangers: rebuilt once, one batch at a time, and only so often for one address."""

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from contracts.crypto import Bytes32
from node.api.errors import RateLimited

_T = TypeVar("_T")
_WINDOW_S = 60.0
_KEPT_BYTES = 64 << 20
_KEPT_OUTLINES = 32
_MOST_WAITING = 8
_MOST_ADDRESSES = 4096


class AddressLimit:
    """At most `per_minute` units of expensive work for one address: a token bucket, full at first."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # units left, and when

    def take(self, address: str, now: float) -> None:
        """Counts one unit at `now` (monotonic seconds). Raises RateLimited."""
        address = _network(address)
        left, at = self._buckets.get(address, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + (now - at) * self._per_minute / _WINDOW_S)
        if left < 1:
            raise RateLimited("batches rebuilt", (1 - left) * _WINDOW_S / self._per_minute)
        self._buckets[address] = left - 1, now
        self._buckets.move_to_end(address)
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)


class Rebuilds:
    """Receipts files by the hash of their header, as many as fit `kept_bytes`, and builds in progress.

    A build takes seconds of the CPU that serves inference. Whoever asks for a batch that is being built waits for that
    build. What is kept is served without limit. Owned by the event loop's thread.
    """

    def __init__(self, per_minute: int, kept_bytes: int = _KEPT_BYTES) -> None:
        self._limit = AddressLimit(per_minute)
        self._kept_bytes = kept_bytes
        self._files: OrderedDict[Bytes32, bytes] = OrderedDict()
        self._outlined: OrderedDict[Bytes32, None] = OrderedDict()
        self._building: dict[tuple[str, Bytes32], asyncio.Future[object]] = {}
        self._turn = asyncio.Lock()

    async def file(self, header_hash: Bytes32, address: str, build: Callable[[], Awaitable[bytes]]) -> bytes:
        """The receipts file of a batch, which `build` makes. Raises RateLimited."""
        kept = self._files.get(header_hash)
        if kept is not None:
            self._files.move_to_end(header_hash)
            return kept

        async def built() -> bytes:
            return self._keep(header_hash, await build())

        content = await self._shared(("file", header_hash), address, built)
        assert isinstance(content, bytes), "`built` returns bytes"
        return content

    async def proof(self, header_hash: Bytes32, address: str, build: Callable[[], Awaitable[_T]]) -> _T:
        """What `build` makes of a batch; only the first build of a batch is expensive. Raises RateLimited."""
        if header_hash not in self._outlined:

            async def outlined() -> None:
                await build()
                self._outlined[header_hash] = None
                if len(self._outlined) > _KEPT_OUTLINES:
                    self._outlined.popitem(last=False)

            await self._shared(("outline", header_hash), address, outlined)
        self._outlined[header_hash] = None
        self._outlined.move_to_end(header_hash)
        return await build()

    async def _shared(self, key: tuple[str, Bytes32], address: str, build: Callable[[], Awaitable[object]]) -> object:
        """The result of the build of `key` in progress, or of a new one. A caller that leaves does not stop it."""
        building = self._building.get(key)
        if building is None:
            if len(self._building) >= _MOST_WAITING:
                raise RateLimited("batches being rebuilt", 1)
            self._limit.take(address, asyncio.get_running_loop().time())
            building = self._building[key] = asyncio.ensure_future(self._in_turn(build))
            building.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(building)

    async def _in_turn(self, build: Callable[[], Awaitable[object]]) -> object:
        async with self._turn:
            return await build()

    def _ended(self, key: tuple[str, Bytes32], done: "asyncio.Future[object]") -> None:
        del self._building[key]
        if not done.cancelled():
            done.exception()  # if all callers have left, nobody else retrieves it

    def _keep(self, header_hash: Bytes32, content: bytes) -> bytes:
        self._files[header_hash] = content
        while sum(map(len, self._files.values())) > self._kept_bytes:
            self._files.popitem(last=False)
        return content


def _network(address: str) -> str:
    """What one customer of a network usually has: an IPv4 address, or a /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def rebuilds_of(request: Request) -> Rebuilds:
    """The rebuilds of the application that serves `request`."""
    rebuilds: Rebuilds = request.app.state.rebuilds
    return rebuilds


TheRebuilds = Annotated[Rebuilds, Depends(rebuilds_of)]
"""The type of a route's parameter that receives them."""


def address_of(request: Request) -> str:
    """The network address of the client."""
    return request.client.host if request.client else "local"
