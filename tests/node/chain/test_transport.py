"""An answer may neither be too large nor take too long, however it comes."""

import asyncio

import pytest

from node.chain.transport import AnswerTooLarge, Overloaded, Transport
from tests.node.chain.endpoints import served


async def test_an_answer_is_parsed_within_the_bound() -> None:
    async with served(lambda method, params: {"result": [method, params]}) as url:
        answer = await asyncio.to_thread(Transport(url, 5).post, "eth_call", [1])

    assert answer["result"] == ["eth_call", [1]]


async def test_a_larger_answer_is_refused() -> None:
    async with served(lambda method, params: {"result": "0" * 1_000}) as url:
        with pytest.raises(AnswerTooLarge):
            await asyncio.to_thread(Transport(url, 5, most_bytes=500).post, "eth_call", [])


async def test_an_overload_says_how_long_to_wait() -> None:
    async with served(lambda method, params: 429) as url:
        with pytest.raises(Overloaded) as refusal:
            await asyncio.to_thread(Transport(url, 5).post, "eth_call", [])

    assert refusal.value.retry_after_s == 7
