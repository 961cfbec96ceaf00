"""The checks of one receipt against a free node, the chain, a batch file and a proof."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from attribution.receipt_proof import ReceiptProof
from attribution.receipts_file import ReceiptsFile
from contracts.crypto import ZERO_BYTES32, PrivateKey
from node.cli.receipt_checks import Sources, examine
from node.client.errors import Malformed
from node.client.receipt import SignedReceipt
from node.dev.starter import BASE_NAME
from node.metering.issued import IssuedReceipt
from node.watch.registries import Registries
from tests.node.cli.conftest import Cli
from tests.node.settlement.market import Market, Stall, Town, fund, new_stall, open_market, running_town


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_town(tmp_path_factory.mktemp("checked-chain") / "home") as running:
        yield running


def signed(issued: IssuedReceipt, key: PrivateKey, market: Market, **changes: object) -> SignedReceipt:
    """The receipt as a payer got it, or with changes that the operator signed."""
    receipt = replace(issued.receipt, **changes)  # type: ignore[arg-type]  # any field
    document = replace(issued, receipt=receipt, signature=key.sign(receipt.digest(market.payer.receiver.domain)))
    return SignedReceipt.parse(document.to_json())


async def wrong(signed: SignedReceipt, sources: Sources) -> dict[str, str]:
    return {check.name: check.detail for check in await examine(signed, sources) if check.verdict == "WRONG"}


async def proof_of(market: Market, seq: int) -> ReceiptProof:
    return ReceiptProof.parse((await market.settlement.batcher.receipt_proof(1, seq)).to_json(), Malformed)


def test_a_receipt_of_a_free_node_is_verified_by_its_signature(cli: Cli, home: str) -> None:
    reply = json.loads(cli("--home", home, "--json", "chat", BASE_NAME, "Hello").out)

    done = cli("--home", home, "receipts", "verify", reply["receipt"]["id"])

    assert done.code == 0
    assert done.out.startswith("ok       signature")


async def test_a_receipt_is_judged_by_what_was_registered_at_its_time(town: Town, tmp_path: Path) -> None:
    stall: Stall = new_stall(town)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        issued, base = await market.serve("dermatology"), await market.serve(None)
        await market.settlement.cycle.run(market.now, force=True)
        registries = Registries(market.client, town.chain.deployment)
        file = ReceiptsFile.decode(await market.settlement.batcher.receipts_file(1))
        sources = Sources(registries, file=file, proof=await proof_of(market, 1))

        honest = await examine(signed(issued, stall.operator, market), sources)
        unbound = await wrong(signed(issued, stall.operator, market, terms_hash=ZERO_BYTES32), sources)
        overcharged = await wrong(signed(issued, stall.operator, market, fee=issued.receipt.fee + 1), sources)
        early = await wrong(signed(issued, stall.operator, market, started_at=1), sources)
        by_payer = await wrong(signed(issued, market.payer.wallet, market), sources)
        misplaced = await wrong(signed(base, stall.operator, market), Sources(registries, proof=sources.proof))
        renumbered = await wrong(signed(issued, stall.operator, market, seq=2), sources)

    assert [(check.name, check.verdict) for check in honest] == [
        ("signature", "ok"),
        ("form", "ok"),
        ("price and split", "ok"),
        ("batch", "ok"),
    ]
    assert "the terms in force" in unbound["price and split"]
    assert "fee" in overcharged["signature"] + overcharged["price and split"]
    assert "price list in force" in early["price and split"]
    assert set(by_payer) == {"signature"}
    assert misplaced == {"batch": "the proof is for another receipt"}
    assert "as number 2" in renumbered["batch"]


async def test_prices_and_places_of_another_vault_prove_nothing(town: Town, tmp_path: Path) -> None:
    stalls = new_stall(town), new_stall(town)
    folders = tmp_path / "one", tmp_path / "other"
    for folder in folders:
        folder.mkdir()
    async with open_market(town, folders[0], stalls[0]) as one, open_market(town, folders[1], stalls[1]) as other:
        for market in (one, other):
            await fund(market)
            await market.serve("dermatology")
            await market.settlement.cycle.run(market.now, force=True)
        registries = Registries(one.client, town.chain.deployment)
        theirs = other.served[0].receipt

        foreign = signed(one.served[0], stalls[0].operator, one, price_hash=theirs.price_hash)
        priced = await wrong(foreign, Sources(registries))
        proof = await proof_of(other, 1)
        placed = await wrong(signed(one.served[0], stalls[0].operator, one), Sources(registries, proof=proof))
        header = replace(proof, receipt=one.served[0].receipt)
        borrowed = await wrong(signed(one.served[0], stalls[0].operator, one), Sources(registries, proof=header))

    assert f"of node {theirs.node}" in priced["price and split"]
    assert placed == {"batch": "the proof is for another receipt"}
    assert f"the header is of vault {theirs.node}" in borrowed["batch"]
