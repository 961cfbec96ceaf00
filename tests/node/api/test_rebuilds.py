"""Strangers can make the node rebuild a batch only once at a time, and only so often from one address."""

import asyncio

import pytest

from contracts.crypto import Bytes32
from node.api.errors import RateLimited
from node.api.rebuilds import AddressLimit, Rebuilds


def batch(number: int) -> Bytes32:
    return Bytes32(number.to_bytes(32, "big"))


class Builder:
    """Builds when the test allows it, and counts how many builds ran and how many ran at once."""

    def __init__(self, content: bytes = b"file") -> None:
        self.may_build = asyncio.Event()
        self.builds, self.running, self.most_running = 0, 0, 0
        self._content = content

    async def __call__(self) -> bytes:
        self.builds, self.running = self.builds + 1, self.running + 1
        self.most_running = max(self.most_running, self.running)
        await self.may_build.wait()
        self.running -= 1
        return self._content


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_many_readers_of_one_batch_cost_one_build_and_later_ones_none() -> None:
    rebuilds, build = Rebuilds(1), Builder()
    readers = [asyncio.create_task(rebuilds.file(batch(1), f"10.0.0.{n}", build)) for n in range(50)]
    await turns()
    build.may_build.set()

    assert await asyncio.gather(*readers) == [b"file"] * 50
    assert await rebuilds.file(batch(1), "10.0.0.1", build) == b"file"
    assert build.builds == 1


async def test_different_batches_are_built_one_after_the_other_and_few_may_wait() -> None:
    rebuilds, build = Rebuilds(1000), Builder()
    readers = [asyncio.create_task(rebuilds.file(batch(n), f"10.0.0.{n}", build)) for n in range(20)]
    await turns()
    build.may_build.set()

    outcomes = await asyncio.gather(*readers, return_exceptions=True)

    assert build.most_running == 1
    assert [type(outcome) for outcome in outcomes].count(RateLimited) == 12
    assert outcomes.count(b"file") == 8


async def test_an_address_gets_so_many_builds_a_minute_and_kept_files_do_not_count() -> None:
    rebuilds, build = Rebuilds(3), Builder()
    build.may_build.set()
    for number in range(3):
        await rebuilds.file(batch(number), "10.0.0.1", build)

    with pytest.raises(RateLimited, match="Try again in") as refused:
        await rebuilds.file(batch(3), "10.0.0.1", build)

    assert refused.value.retry_after_s > 0
    assert await rebuilds.file(batch(2), "10.0.0.1", build) == b"file"
    assert await rebuilds.file(batch(3), "10.0.0.2", build) == b"file"


async def test_the_oldest_files_are_dropped_beyond_the_memory_for_them() -> None:
    rebuilds, build = Rebuilds(100, kept_bytes=25), Builder(b"x" * 10)
    build.may_build.set()
    for number in (1, 2, 1, 3, 1, 2):
        await rebuilds.file(batch(number), "a", build)

    assert build.builds == 4, "1 and 2 at first, 3 instead of 2, and 2 again"


async def test_a_reader_that_leaves_neither_stops_the_build_nor_loses_it() -> None:
    rebuilds, build = Rebuilds(1), Builder()
    reader = asyncio.create_task(rebuilds.file(batch(1), "a", build))
    await turns()
    reader.cancel()
    await turns()
    build.may_build.set()

    assert await rebuilds.file(batch(1), "b", build) == b"file"
    assert build.builds == 1


async def test_a_build_that_fails_tells_its_readers_and_may_be_tried_again() -> None:
    rebuilds = Rebuilds(10)

    async def broken() -> bytes:
        raise KeyError(1)

    for _ in range(2):
        with pytest.raises(KeyError):
            await rebuilds.file(batch(1), "a", broken)
    build = Builder()
    build.may_build.set()
    assert await rebuilds.file(batch(1), "a", build) == b"file"


async def test_the_first_proof_of_a_batch_counts_and_the_others_are_free() -> None:
    rebuilds, build = Rebuilds(1), Builder()
    readers = [asyncio.create_task(rebuilds.proof(batch(1), "a", build)) for _ in range(9)]
    await turns()
    assert build.builds == 1, "the others wait for the first, which is the expensive one"
    build.may_build.set()

    assert await asyncio.gather(*readers) == [b"file"] * 9
    with pytest.raises(RateLimited):
        await rebuilds.proof(batch(2), "a", build)
    assert await rebuilds.proof(batch(1), "a", build) == b"file"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("local", "local", True),
    ],
)
def test_one_customer_is_one_ipv4_address_or_one_ipv6_network(first: str, second: str, same: bool) -> None:
    limit = AddressLimit(1)
    limit.take(first, now=0)

    if same:
        with pytest.raises(RateLimited):
            limit.take(second, now=0)
    else:
        limit.take(second, now=0)


def test_the_budget_of_an_address_comes_back_within_a_minute_and_never_grows_beyond_it() -> None:
    limit = AddressLimit(2)
    for _ in range(2):
        limit.take("a", now=0)
    with pytest.raises(RateLimited) as refused:
        limit.take("a", now=0)

    assert refused.value.retry_after_s == 30
    limit.take("a", now=30)
    for _ in range(2):
        limit.take("a", now=10_000)
    with pytest.raises(RateLimited):
        limit.take("a", now=10_000)
