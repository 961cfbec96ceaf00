"""Claims from a mirror are those that the node itself would make, and the chain pays them."""

import json
from pathlib import Path

import pytest

from local_chain.accounts import dev_accounts
from node.settlement.direct_sending import send_calls
from node.watch.mirror import mirror
from node.watch.mirrored_claims import mirrored_claims
from node.watch.registries import Registries
from node.watch.source import MirrorFolder, SourceMalformed, SourceUnavailable
from tests.node.settlement.market import Market
from tests.node.watch.publishing import published


async def mirrored(market: Market, folder: Path) -> MirrorFolder:
    """A mirror of the node's public files."""
    return MirrorFolder(mirror(await published(market, folder / "served"), folder / "copy").folder)


async def activate(market: Market) -> None:
    market.town.pass_time(100_000)
    await market.settlement.cycle.run(market.now, force=True)


async def test_a_contributor_claims_from_a_mirror_what_the_node_would_pay(
    market: Market, registries: Registries, tmp_path: Path
) -> None:
    contributor = dev_accounts()[10]
    folder = await mirrored(market, tmp_path)
    early, _ = await mirrored_claims(folder, registries, contributor.address)
    await activate(market)
    expected = await market.settlement.claims(contributor.address)

    plan, _ = await mirrored_claims(folder, registries, contributor.address)
    before = await market.balance(contributor)
    await send_calls(market.client, contributor, plan.calls(market.client, registries.deployment.settlement))
    again, _ = await mirrored_claims(folder, registries, contributor.address)

    assert early.entries == again.entries == ()
    assert plan == expected
    assert await market.balance(contributor) - before == plan.amount > 0


async def test_a_mirror_without_the_active_epoch_or_with_a_forged_one_is_refused(
    market: Market, registries: Registries, tmp_path: Path
) -> None:
    folder = await mirrored(market, tmp_path)
    await activate(market)
    content = folder.receipts_file(1)
    document = json.loads(content)
    document["header"]["closedAt"] = str(int(document["header"]["closedAt"]) + 1)
    address = market.payer.wallet.address

    folder.batch_path(1).write_bytes(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())
    with pytest.raises(SourceMalformed, match="not of the header that the chain holds"):
        await mirrored_claims(folder, registries, address)
    folder.batch_path(1).write_bytes(b"junk")
    with pytest.raises(SourceMalformed, match="run `receipts mirror`"):
        await mirrored_claims(folder, registries, address)
    folder.batch_path(1).unlink()
    with pytest.raises(SourceUnavailable):
        await mirrored_claims(folder, registries, address)
