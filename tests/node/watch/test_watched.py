"""Watching a node on a real chain: an honest one stays clean, and each fault of an operator is found."""

from dataclasses import replace
from pathlib import Path

import pytest

from attribution.findings import Fault, Place, SignedLeaf
from attribution.receipts_file import ReceiptsFile
from contracts.encoding import to_hex
from node.chain.contracts import VaultContract, VoucherClaim
from node.settlement.direct_sending import send_calls
from node.watch.registries import Registries
from node.watch.source import MirrorFolder, SourceUnavailable
from node.watch.watched import Watched
from tests.node.settlement.market import Market, Stall, Town, fund, new_stall, open_market
from tests.node.watch.publishing import cheating, published


async def test_an_honest_node_stays_clean_while_it_posts(
    market: Market, registries: Registries, tmp_path: Path
) -> None:
    source = await published(market, tmp_path / "node")
    watched = Watched(source, registries)

    first = await watched.look()
    await market.serve("dermatology")
    await market.settlement.cycle.run(market.now, force=True)
    await published(market, tmp_path / "node")
    second, third = await watched.look(), await watched.look()

    assert (first, second, third) == ([], [], [])
    assert (watched.epoch, watched.receipts) == (2, 4)


async def test_a_ledger_is_judged_by_its_files_without_a_chain(market: Market, tmp_path: Path) -> None:
    watched = Watched(await published(market, tmp_path / "node"), None)

    assert await watched.look() == []
    assert watched.epoch == 1


async def test_a_posted_batch_whose_file_is_withheld_or_replaced_is_found(
    market: Market, registries: Registries, tmp_path: Path
) -> None:
    source = await published(market, tmp_path / "node")
    watched = Watched(source, registries)
    content = source.receipts_file(1)
    file = ReceiptsFile.decode(content)

    source.batch_path(1).unlink()
    withheld = await watched.look()
    source.batch_path(1).write_bytes(replace(file, header=replace(file.header, closed_at=2**40)).encode())
    replaced = await watched.look()
    source.batch_path(1).write_bytes(content)
    served = await watched.look()

    assert [finding.fault for finding in withheld + replaced] == [Fault.WITHHELD] * 2
    assert served == []


async def test_a_split_without_the_royalty_is_found_at_its_receipt(town: Town, tmp_path: Path) -> None:
    async with cheating(town, tmp_path) as (market, _, source):
        findings = await Watched(source, Registries(market.client, town.chain.deployment)).look()

    assert [(one.fault, one.rule, one.place) for one in findings] == [
        (Fault.UNJUSTIFIED_LEAF, "T3", Place(epoch=1, index=0, seq=1))
    ]
    assert "the terms in force" in findings[0].detail


async def test_a_receipt_that_differs_from_the_posted_one_is_an_equivocation(town: Town, tmp_path: Path) -> None:
    stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        issued = await market.serve("dermatology")
        await market.settlement.cycle.run(market.now, force=True)
        other = replace(issued.receipt, tokens_out=issued.receipt.tokens_out + 1)
        forked = SignedLeaf(other, stall.operator.sign(other.digest(market.payer.receiver.domain)))
        honest = SignedLeaf(issued.receipt, issued.signature)
        source = await published(market, tmp_path / "public")

        on_chain = Registries(market.client, town.chain.deployment)
        found = await Watched(source, on_chain, [honest, forked]).look()
        by_file = await Watched(source, None, [honest, forked]).look()

    assert [finding.signed for finding in found] == [finding.signed for finding in by_file] == [forked]
    assert to_hex(other.struct_hash()) in found[0].detail


async def test_a_voucher_that_is_claimed_beyond_the_receipts_is_an_over_claim(town: Town, tmp_path: Path) -> None:
    stall: Stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        await market.serve("dermatology")
        await market.settlement.cycle.run(market.now, force=True)
        charged = market.served[0].receipt.fee
        voucher = market.payer.voucher(10 * charged)
        source = await published(market, tmp_path / "public")
        watched = Watched(source, Registries(market.client, town.chain.deployment))
        before = await watched.look()
        vault = VaultContract(market.client, stall.addresses.node)
        claim = VoucherClaim(market.payer.config, 10 * charged, voucher.signature, 10 * charged)
        await send_calls(market.client, stall.operator, [vault.claim_vouchers([claim])])

        after = await watched.look()

    assert before == []
    assert [finding.fault for finding in after] == [Fault.OVER_CLAIM]
    assert f"{10 * charged} base units were claimed" in after[0].detail


async def test_a_node_that_cannot_be_asked_is_unavailable(registries: Registries, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        await Watched(MirrorFolder(tmp_path), registries).look()
