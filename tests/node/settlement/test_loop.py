"""The background tasks: they settle by themselves, survive any error, and end selling while settling is impossible."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contracts.crypto import Bytes32
from node.chain.client import Block
from node.chain.errors import ChainUnavailable
from node.chain.rpc import RpcClient
from node.settlement.loop import MAX_BLIND_S, MAX_UNSETTLED_S, SettlementLoop
from serving.errors import NotReady
from tests.node.settlement.market import CHAIN_ID, Market, Town, fund, new_stall, open_market
from tests.node.settlement.settling import settlement_of
from tests.node.settlement.test_recovery import post_other


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # the chain has no event to wait for
            await asyncio.sleep(0.05)


class FailingClient(RpcClient):
    """Raises `error` instead of reading the head or handing in a transaction."""

    error: Exception | None = None
    refused: Exception | None = None

    async def head(self) -> Block:
        if self.error is not None:
            raise self.error
        return await super().head()

    async def send_raw(self, raw: bytes) -> Bytes32:
        if self.refused is not None:
            raise self.refused
        return await super().send_raw(raw)


@asynccontextmanager
async def failing(town: Town, tmp_path: Path):  # type: ignore[no-untyped-def]
    client = FailingClient(town.chain.rpc_url, CHAIN_ID)
    async with open_market(town, tmp_path, new_stall(town), client=client) as market:
        await fund(market)
        yield market, client


async def test_the_chain_is_followed_and_receipts_are_settled(market: Market) -> None:
    await market.serve()
    loop = SettlementLoop(market.settlement, market.payments, settle_every_s=0.0)

    async with loop.running():
        await until(lambda: market.settlement.progress.last_epoch == 1)
        check = await loop.check()
        await until(lambda: loop.status is not None)

    assert check.ok
    assert "followed up to block" in check.reason


async def test_before_the_first_start_and_after_the_end_the_check_fails(market: Market) -> None:
    loop = SettlementLoop(market.settlement, market.payments, settle_every_s=600.0)

    before = await loop.check()
    async with loop.running():
        during = await loop.check()
    after = await loop.check()

    assert (before.ok, during.ok, after.ok) == (False, True, False)
    assert "restart the node" in after.reason


async def test_a_turn_follows_the_chain_and_settles_nothing(market: Market) -> None:
    loop = SettlementLoop(market.settlement, market.payments, settle_every_s=600.0)
    await market.serve()

    await loop.turn()

    assert market.settlement.progress.last_epoch == 0
    assert loop.status is not None
    assert loop.status.unposted_receipts == 1


@pytest.mark.parametrize("error", [KeyError("blockHash"), RecursionError("too deep"), ChainUnavailable("rpc", "away")])
async def test_no_error_ends_the_tasks(town: Town, tmp_path: Path, error: Exception) -> None:
    async with failing(town, tmp_path) as (market, client):
        loop = SettlementLoop(market.settlement, market.payments, settle_every_s=0.0)
        async with loop.running():
            client.error = error
            await until(lambda: not asyncio_ok(loop))
            said = (await loop.check()).reason
            client.error = None
            await market.serve()
            await until(lambda: market.settlement.progress.last_epoch == 1)

        assert str(error.args[-1]) in said


def asyncio_ok(loop: SettlementLoop) -> bool:
    """Whether the loop says that it follows the chain."""
    check = loop.check()
    try:
        check.send(None)
    except StopIteration as done:
        return bool(done.value.ok)
    raise AssertionError("the check waits for something")


async def test_a_chain_that_is_away_for_long_ends_selling_until_it_is_back(market: Market) -> None:
    seconds = [0.0]
    loop = SettlementLoop(market.settlement, market.payments, 600.0, clock=lambda: seconds[0])

    seconds[0] = MAX_BLIND_S
    market.payments.sales.require()
    seconds[0] = MAX_BLIND_S + 1
    with pytest.raises(NotReady, match="last read 61 s ago"):
        await market.serve()

    async with loop.running():
        await until(lambda: market.payments.sales.problem is None)
        await market.serve()


async def test_cycles_that_fail_for_long_end_selling_until_one_succeeds(town: Town, tmp_path: Path) -> None:
    seconds = [0.0]
    async with failing(town, tmp_path) as (market, client):
        await market.serve()
        loop = SettlementLoop(market.settlement, market.payments, 0.0, clock=lambda: seconds[0])
        client.refused = KeyError("the endpoint answers nonsense")
        async with loop.running():
            await asyncio.sleep(2)
            assert market.payments.sales.problem is None
            seconds[0] = MAX_UNSETTLED_S + 2
            await until(lambda: "nonsense" in (market.payments.sales.problem or ""))
            client.refused = None
            await until(lambda: market.settlement.progress.last_epoch == 1)
            await until(lambda: market.payments.sales.problem is None)


async def test_a_batch_of_another_node_ends_selling_and_signing_within_a_turn(town: Town, tmp_path: Path) -> None:
    stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        await market.serve()
        batch = await market.settlement.batcher.cut()
        assert batch is not None
        loop = SettlementLoop(market.settlement, market.payments, settle_every_s=600.0)
        async with loop.running():
            await post_other(town, stall, batch.header.abi_tuple())
            await until(lambda: market.payments.sales.stopped is not None)

        with pytest.raises(NotReady, match="Another node uses this vault"):
            await market.serve()
        assert "backup restore" in str(market.payments.sales.problem)
        assert settlement_of(market)
