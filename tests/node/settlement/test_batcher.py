"""Batches: cut in order, rebuilt bit for bit, and proven to anybody."""

from pathlib import Path

import pytest

from attribution import merkle
from attribution.batch import receipt_leaf
from attribution.receipts_file import ReceiptsFile
from attribution.replay import Replay, ledger_of
from node.settlement.outbox import OutboxPolicy
from node.settlement.settlement import SettlementPolicy
from tests.node.settlement.market import Market, Town, fund, new_stall, open_market


async def test_many_batches_post_in_order_when_the_limit_is_small(town: Town, tmp_path: Path) -> None:
    policy = SettlementPolicy(batch_limit=2, outbox=OutboxPolicy(poll_s=0.02))
    async with open_market(town, tmp_path, new_stall(town), policy) as market:
        await fund(market)
        for _ in range(5):
            await market.serve(output_tokens=5)

        report = await market.settlement.cycle.run(market.now, force=True)

        assert [(epoch, count) for epoch, count, _ in report.posted] == [(1, 2), (2, 2), (3, 1)]
        assert market.settlement.book.epoch_of(4) == 2
        assert market.settlement.book.epoch_of(6) is None


async def test_the_receipts_file_and_a_proof_convince_a_stranger(market: Market) -> None:
    for adapter in ("dermatology", None, "nutrition"):
        await market.serve(adapter)
    await market.settlement.cycle.run(market.now, force=True)

    file = ReceiptsFile.decode(await market.settlement.batcher.receipts_file(1))
    proof = await market.settlement.batcher.receipt_proof(1, 2)

    assert file.header.struct_hash() == market.settlement.progress.posted[1].header_hash
    assert [entry.receipt for entry in file.entries] == [issued.receipt for issued in market.served]
    assert [entry.signature for entry in file.entries] == [issued.signature for issued in market.served]
    assert Replay(ledger_of(file)).add(file) == []
    leaf = receipt_leaf(proof.receipt, proof.root_before, proof.root_after)
    assert proof.receipt == market.served[1].receipt
    assert merkle.verify_path(file.header.receipts_root, 3, 1, leaf, proof.path)
    with pytest.raises(KeyError):
        await market.settlement.batcher.receipts_file(2)
