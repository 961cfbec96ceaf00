"""A node's public files in a folder, honest or forged, as its operator would publish them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from attribution.batch import Batch, Item, build
from attribution.receipts_file import ReceiptsFile
from attribution.transition import Registered, advance
from contracts.crypto import ZERO_BYTES32, PrivateKey
from node.chain.contracts import SettlementContract
from node.settlement.direct_sending import send_calls
from node.watch.source import Card, MirrorFolder
from tests.node.settlement.market import Market, Stall, Town, fund, new_stall, open_market


async def published(market: Market, folder: Path) -> MirrorFolder:
    """Every batch and list of contributors of an honest node."""
    source = MirrorFolder(folder)
    source.datanets.mkdir(parents=True, exist_ok=True)
    receiver = market.payer.receiver
    card = Card(receiver.domain, receiver.vault, market.payer.wallet.address)
    source.card_path.write_text(json.dumps(card.to_json()))
    for batch in market.settlement.book.batches:
        epoch = batch.header.epoch
        source.batch_path(epoch).write_bytes(await market.settlement.batcher.receipts_file(epoch))
    for datanet in market.town.seeded.datanets:
        rows = [{"address": one.address, "weight": str(one.weight)} for one in datanet.contributors.members]
        listed = {"datanetId": "0x" + datanet.datanet_id.hex(), "version": datanet.version, "contributors": rows}
        (source.datanets / f"{datanet.datanet_id.hex()}-{datanet.version}.json").write_text(json.dumps(listed))
    return source


def signed_file(batch: Batch, items: list[Item], operator: PrivateKey) -> ReceiptsFile:
    domain = batch.state.ledger.domain
    signatures = [operator.sign(item.receipt.digest(domain)) for item in items]
    return ReceiptsFile.of(batch, items, signatures, [Registered(operator.address, 0)])


def without_terms(market: Market, items: list[Item], operator: PrivateKey) -> ReceiptsFile:
    """The next batch as a cheat makes it: the first receipt names no terms, so that the operator keeps the royalty."""
    tip = market.settlement.book.tip_at(market.settlement.progress.last_epoch)
    forged = replace(items[0], receipt=replace(items[0].receipt, terms_hash=ZERO_BYTES32))
    forged = replace(forged, evidence=replace(forged.evidence, terms=None, terms_from=None))
    state, roots = tip.state, []
    for item in (forged, *items[1:]):
        terms = item.evidence.terms
        state = advance(state, item.receipt, item.evidence.price_list.value, terms.value if terms else None)
        roots.append(state.root)
    honest = build(tip, items)
    batch = Batch(honest.header, tuple(item.receipt for item in (forged, *items[1:])), tuple(roots), state)
    draft = signed_file(batch, [forged, *items[1:]], operator)
    draft = replace(draft, header=replace(draft.header, state_root=state.root))
    return replace(draft, header=replace(draft.header, receipts_root=draft.rebuilt_root()))


@asynccontextmanager
async def cheating(town: Town, folder: Path) -> AsyncIterator[tuple[Market, Stall, MirrorFolder]]:
    """A node that posts and publishes a batch whose first receipt leaves out the royalty."""
    stall = new_stall(town)
    async with open_market(town, folder, stall) as market:
        await fund(market)
        await market.serve("dermatology")
        await market.serve(None)
        await market.settlement.batcher.cut()
        _, items = await market.settlement.batcher.rebuild(1)
        forged = without_terms(market, items, stall.operator)
        contract = SettlementContract(market.client, town.chain.deployment.settlement)
        await send_calls(market.client, stall.operator, [contract.post(forged.header)])
        source = await published(market, folder / "public")
        source.batch_path(1).write_bytes(forged.encode())
        yield market, stall, source
