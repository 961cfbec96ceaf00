"""Files against the chain: honest ones agree, and what a file claims about registrations is not believed."""

from dataclasses import replace

from attribution.findings import Fault
from attribution.receipts_file import ReceiptsFile
from attribution.transition import Registered
from contracts.crypto import ZERO_BYTES32
from node.watch.registries import Registries
from tests.node.settlement.market import Market


async def published(market: Market) -> ReceiptsFile:
    return ReceiptsFile.decode(await market.settlement.batcher.receipts_file(1))


def edited(file: ReceiptsFile, index: int, **changes: object) -> ReceiptsFile:
    """The file with another receipt at `index`; its header stays the posted one."""
    entry = file.entries[index]
    changed = replace(entry, receipt=replace(entry.receipt, **changes))  # type: ignore[arg-type]  # any field
    return replace(file, entries=(*file.entries[:index], changed, *file.entries[index + 1 :]))


async def test_an_honest_file_agrees_with_the_chain(market: Market, registries: Registries) -> None:
    file = await published(market)

    assert await registries.contradictions(file) == []
    assert await registries.last_epoch(file.header.node) == 1
    assert await registries.is_posted(file.header)


async def test_no_terms_for_an_adapter_that_has_some_is_found(market: Market, registries: Registries) -> None:
    finding, unsigned = await registries.contradictions(edited(await published(market), 0, terms_hash=ZERO_BYTES32))

    assert (finding.fault, finding.rule) == (Fault.UNJUSTIFIED_LEAF, "T3")
    assert finding.place is not None
    assert finding.place.seq == 1
    assert unsigned.fault == Fault.UNSIGNED


async def test_a_price_list_that_the_node_never_registered_is_found(market: Market, registries: Registries) -> None:
    file = await published(market)
    cheap = replace(file.entries[1].evidence.price_list.value, output_per_m=0)
    entry = file.entries[1]
    evidence = replace(entry.evidence, price_list=Registered(cheap, 0))
    receipt = replace(entry.receipt, price_hash=cheap.struct_hash())
    forged = replace(entry, receipt=receipt, evidence=evidence)

    findings = await registries.contradictions(replace(file, entries=(file.entries[0], forged, file.entries[2])))

    assert "price list in force" in findings[0].detail


async def test_a_signature_by_another_key_is_found(market: Market, registries: Registries) -> None:
    file = await published(market)
    signature = market.payer.wallet.sign(file.entries[0].receipt.digest(file.domain))
    operators = (Registered(market.payer.wallet.address, 0),)
    forged = replace(file.entries[0], signature=signature)

    (finding,) = await registries.contradictions(
        replace(file, operators=operators, entries=(forged, *file.entries[1:]))
    )

    assert finding.fault == Fault.UNSIGNED


async def test_a_file_of_another_chain_vault_or_header_is_found(market: Market, registries: Registries) -> None:
    file = await published(market)
    elsewhere = replace(file, domain=replace(file.domain, chain_id=1))
    nobody = replace(file, header=replace(file.header, node=market.payer.wallet.address))
    forked = replace(file, header=replace(file.header, state_root=ZERO_BYTES32))

    found = [await registries.contradictions(one) for one in (elsewhere, nobody, forked)]

    assert [[finding.fault for finding in findings] for findings in found] == [[Fault.UNCHAINED]] * 3
