"""A watcher answers demands for any node whose files it has, and lives on the bonds."""

import asyncio
from pathlib import Path

from attribution.split import Payee
from contracts.crypto import keccak
from node.chain.rpc import RpcClient
from node.watch.answering import Answerer, Files
from node.watch.open_demands import DemandReader
from node.watch.registries import Registries
from node.watch.source import MirrorFolder
from node.watch.watched import Watched
from tests.node.settlement.demanding import Challenger
from tests.node.settlement.market import CHAIN_ID, Market
from tests.node.watch.publishing import published
from tests.node.watch.test_open_demands import reader


def answerer(market: Market, **more: object) -> Answerer:
    return Answerer(reader(market), Challenger(market.town).key, **more)  # type: ignore[arg-type]


async def files_of(market: Market, registries: Registries, folder: Path) -> Files:
    """The replayed public files of the market's node."""
    watched = Watched(await published(market, folder), registries)
    assert await watched.look() == []
    assert watched.replay is not None
    return Files(watched.replay, watched.files, watched.source)


async def test_a_watcher_answers_every_demand_and_gets_the_bonds(
    market: Market, registries: Registries, tmp_path: Path
) -> None:
    header, challenger = market.settlement.book.batches[0].header, Challenger(market.town)
    for index in range(header.count):
        challenger.demand_leaf(header, index)
    challenger.demand_payee(header, Payee(7, keccak(b"nobody")))
    files, watcher = await files_of(market, registries, tmp_path / "public"), answerer(market)
    before = await market.client.funds(watcher.signer.address)

    done = await watcher.answer(header.node, files)
    again = await watcher.answer(header.node, files)

    earned = sum(one.demand.bond - (one.cost or 0) for one in done)
    assert [one.reason for one in done] == [None] * (header.count + 1)
    assert again == []
    assert await market.client.funds(watcher.signer.address) - before == earned > 0
    await market.settlement.tick()
    assert market.settlement.progress.demands.by_deadline() == ()


async def test_a_second_batch_is_answered_with_the_header_before_it(
    market: Market, registries: Registries, tmp_path: Path
) -> None:
    await market.serve("dermatology")
    await market.settlement.cycle.run(market.now, force=True)
    header = market.settlement.book.batches[1].header
    Challenger(market.town).demand_leaf(header, 0)

    done = await answerer(market).answer(header.node, await files_of(market, registries, tmp_path / "public"))

    assert [(one.demand.epoch, one.reason) for one in done] == [(2, None)]


async def test_two_watchers_race_and_one_is_paid(market: Market, registries: Registries, tmp_path: Path) -> None:
    header = market.settlement.book.batches[0].header
    Challenger(market.town).demand_leaf(header, 1)
    files = await files_of(market, registries, tmp_path / "public")

    both = await asyncio.gather(*(answerer(market).answer(header.node, files) for _ in range(2)))

    answered = [one for done in both for one in done if one.reason is None]
    assert len(answered) == 1
    assert await reader(market).open(header.node) == ()


class DearClient(RpcClient):
    """An endpoint that asks for a tip far above what a bond pays."""

    async def tip_fee(self) -> int:
        return 10**13


async def test_a_bond_below_the_gas_is_left_alone_unless_asked(
    market: Market, registries: Registries, tmp_path: Path
) -> None:
    header, deployment = market.settlement.book.batches[0].header, market.town.chain.deployment
    Challenger(market.town).demand_leaf(header, 0)
    files = await files_of(market, registries, tmp_path / "public")
    client = await DearClient.connect(market.town.chain.rpc_url, CHAIN_ID)
    dear, key = DemandReader(client, deployment.challenges, deployment.settlement), Challenger(market.town).key

    (left,) = await Answerer(dear, key).answer(header.node, files)
    (capped,) = await Answerer(dear, key, at_a_loss=True, max_fee_cap=1).answer(header.node, files)
    (answered,) = await Answerer(dear, key, at_a_loss=True).answer(header.node, files)

    assert "does not pay for gas" in str(left.reason)
    assert "max_gas_price_gwei" in str(capped.reason)
    assert (answered.reason, (answered.cost or 0) > answered.demand.bond) == (None, True)


async def test_a_wrong_or_missing_file_is_named(market: Market, registries: Registries, tmp_path: Path) -> None:
    header = market.settlement.book.batches[0].header
    Challenger(market.town).demand_leaf(header, 0)
    files = await files_of(market, registries, tmp_path / "public")

    (missing,) = await answerer(market).answer(header.node, Files(files.replay, {}, MirrorFolder(tmp_path / "none")))
    (ungiven,) = await answerer(market).answer(header.node, Files(files.replay, {}))

    assert "no valid file of epoch 1 can be had" in str(missing.reason)
    assert "the file of epoch 1 was not given" in str(ungiven.reason)
