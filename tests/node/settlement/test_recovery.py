"""A node that dies anywhere in a cycle finishes it after the restart, once."""

from contextlib import suppress
from pathlib import Path

import pytest

from contracts.crypto import Bytes32, PrivateKey
from local_chain.transactor import Transactor, contract
from node.chain.errors import ChainUnavailable
from node.chain.events import BatchPosted, Credited
from node.settlement.errors import LedgerConflict
from tests.node.settlement.market import CHAIN_ID, Market, Stall, Town, TroubledClient, fund, new_stall, open_market


class DyingClient(TroubledClient):
    """Stops for good before or after it hands in its `lives`-th transaction."""

    lives: int = 1_000
    after: bool = False
    dead: bool = False

    async def send_raw(self, raw: bytes) -> Bytes32:
        self.lives -= 1
        if self.lives < 0 and not self.after:
            self.dead = True
        sent = await super().send_raw(raw) if not self.dead else Bytes32(bytes(32))
        if self.lives < 0:
            self.dead = True
            raise ChainUnavailable("test", "died here")
        return sent

    async def _ask(self, method: str, *params: object) -> object:
        if self.dead:
            raise ChainUnavailable("test", "dead")
        return await super()._ask(method, *params)


def events_of(market: Market, kind: type) -> list[object]:
    return [one.event for one in market.settlement.follower.events if isinstance(one.event, kind)]


async def test_a_crash_around_every_transaction_settles_each_receipt_once(town: Town, tmp_path: Path) -> None:
    stall, total = new_stall(town), 0
    async with open_market(town, tmp_path, stall) as first:
        await fund(first)
    for crash in range(6):
        client = DyingClient(town.chain.rpc_url, CHAIN_ID)
        client.lives, client.after = crash // 2, crash % 2 == 1
        async with open_market(town, tmp_path, stall, client=client) as dying:
            dying.charged_before = total
            total += (await dying.serve()).receipt.fee
            with suppress(ChainUnavailable):
                await dying.settlement.cycle.run(dying.now, force=True)

        async with open_market(town, tmp_path, stall) as market:
            await market.settlement.cycle.run(market.now, force=True)
            town.pass_time(6)
            report = await market.settlement.cycle.run(market.now, force=True)

            assert report.active_epoch == report.last_epoch == crash + 1
            assert len(events_of(market, BatchPosted)) == crash + 1
            assert market.settlement.progress.credited == market.settlement.book.latest.cum_total == total
            assert len(events_of(market, Credited)) == crash + 1
            assert await market.settlement.outbox.unfinished() == ()


async def test_after_a_restart_everything_is_as_it_was(town: Town, tmp_path: Path) -> None:
    stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as before:
        await fund(before)
        for _ in range(3):
            await before.serve()
        await before.settlement.cycle.run(before.now, force=True)
        await before.serve("cardiology")
        file = await before.settlement.batcher.receipts_file(1)
        status = await before.settlement.status()
        earnings = await before.settlement.earnings(stall.operator.address, group_by="adapter")

    async with open_market(town, tmp_path, stall) as after:
        assert after.settlement.book.latest.root == before.settlement.book.latest.root
        assert await after.settlement.batcher.receipts_file(1) == file
        assert await after.settlement.status() == status
        assert await after.settlement.earnings(stall.operator.address, group_by="adapter") == earnings


async def test_a_batch_that_another_node_posted_stops_this_one(town: Town, tmp_path: Path) -> None:
    stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        await market.serve()
        batch = await market.settlement.batcher.cut()
        assert batch is not None
        await post_other(town, stall, batch.header.abi_tuple())

        with pytest.raises(LedgerConflict, match="Epoch 1"):
            await market.settlement.cycle.run(market.now, force=True)


async def post_other(town: Town, stall: Stall, header: tuple[object, ...]) -> None:
    """Posts the header with another receiptsRoot under the same operator key."""
    forged = (*header[:8], b"\x01" * 32, header[9])
    settlement = contract(town.web3, "Settlement", town.chain.deployment.settlement)
    Transactor(town.web3, PrivateKey(stall.operator.secret)).call(settlement, "post", forged)
