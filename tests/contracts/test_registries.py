"""The registries compute the same hashes as Python."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.state_tree import state_root
from contracts.crypto import ZERO_BYTES32, Bytes32, keccak
from contracts.encoding import adapter_commitment, adapter_key, header_commitment, uint_word
from contracts.structs import BatchHeader, DatanetLink, PriceList, Terms
from tests.contracts.machine import Reverted
from tests.contracts.test_structs import WORDS, values_of
from tests.contracts.world import REVEAL_S, STAKE, World

UINT96 = st.integers(0, 2**96 - 1)
PPM = st.integers(0, 1_000_000)


@settings(max_examples=40, deadline=None)
@given(WORDS, UINT96, UINT96, UINT96, UINT96)
def test_a_price_list_has_the_hash_that_python_gives_it(
    world: World, adapter: Bytes32, prompt: int, cached: int, output: int, minimum: int
) -> None:
    expected = PriceList(world.vault.address, adapter, prompt, cached, output, minimum, world.owner.address, 100_000)
    arguments = (world.vault.address, adapter, prompt, cached, output, minimum, world.owner.address, 0)

    registered = world.machine.send(world.owner.address, world.registry, "registerPriceList", *arguments)

    assert registered == expected.struct_hash()
    assert PriceList.from_abi(world.machine.read(world.registry, "priceList", registered)) == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 500_000), PPM, WORDS, st.lists(st.integers(1, 100), max_size=16), st.data())
def test_terms_have_the_hash_that_python_gives_them(
    world: World, royalty: int, evidence: int, manifest: Bytes32, parts: list[int], data: st.DataObject
) -> None:
    salt = data.draw(st.binary(min_size=32, max_size=32))
    machine, owner, assets = world.machine, world.owner.address, world.assets
    with machine.discarding():
        adapter_id = Bytes32(machine.send(owner, assets, "createAdapter", salt, ""))
        digest, base = keccak(b"weights"), keccak(b"base")
        machine.send(owner, assets, "commitAdapterVersion", adapter_commitment(adapter_id, digest, base, manifest))
        machine.warp(REVEAL_S)
        registered_key = machine.send(owner, assets, "publishAdapterVersion", adapter_id, digest, base, manifest)
        assert registered_key == adapter_key(adapter_id, 1, digest, base)
        terms = Terms(
            adapter_key=Bytes32(registered_key),
            owner=world.owner.address,
            royalty_ppm=royalty,
            data_ppm=300_000 if parts else 0,
            evidence_ppm=evidence,
            manifest_digest=manifest,
            datanets=links(world, parts),
        )

        registered = machine.send(owner, assets, "registerTerms", terms.abi_tuple(), 0)

        assert registered == terms.struct_hash()
        assert Terms.from_abi(machine.read(assets, "terms", registered)) == terms


def links(world: World, parts: list[int]) -> tuple[DatanetLink, ...]:
    """One published Datanet per part, in the registry's order, with the parts scaled to the whole."""
    ids = sorted(world.publish_datanet(keccak(uint_word(i)), 1, 1) for i in range(len(parts)))
    shares = [part * 1_000_000 // sum(parts) for part in parts]
    if shares:
        shares[0] += 1_000_000 - sum(shares)
    return tuple(DatanetLink(datanet_id, 1, share) for datanet_id, share in zip(ids, shares, strict=True))


@settings(max_examples=40, deadline=None)
@given(values_of(BatchHeader))
def test_a_header_has_the_hash_that_python_gives_it(world: World, drawn: BatchHeader) -> None:
    machine = world.machine
    header = dataclasses.replace(
        drawn,
        node=world.vault.address,
        epoch=1,
        from_seq=1,
        count=max(1, drawn.count),
        prev_header_hash=ZERO_BYTES32,
        prev_state_root=state_root(ZERO_BYTES32, 0),
        cum_total=1 + drawn.cum_total % STAKE,
        closed_at=drawn.closed_at % machine.now,
    )
    with machine.discarding():
        posted = machine.send(world.operator.address, world.settlement, "post", header.abi_tuple())

        assert posted == header.struct_hash()
        kept = machine.read(world.settlement, "commitmentOf", world.vault.address, 1)
        assert kept == header_commitment(header.struct_hash(), header.state_root)


def test_a_refusal_names_its_error(world: World) -> None:
    with pytest.raises(Reverted) as refusal:
        world.machine.send(
            world.payer.address, world.registry, "rotateOperator", world.vault.address, world.payer.address
        )

    assert refusal.value.reason == "NotOwner"
