"""Settlement accepts exactly the proofs that Python builds: random trees, random contributors, and any bit flipped."""

from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.datanets import Contributor, Contributors
from attribution.merkle import verify_path
from attribution.split import TREASURY, Payee, PayeeKind
from attribution.state_tree import MalformedProof, StateTree, charged_key, earned_key, state_root, verify_inclusion
from contracts.crypto import ZERO_BYTES32, Address, Bytes32
from contracts.encoding import datanet_payee
from contracts.structs import BatchHeader
from tests.contracts.test_structs import ADDRESSES, WORDS
from tests.contracts.world import DELAY_S, World

AMOUNTS = st.integers(1, 10**24)
PEOPLE = ADDRESSES.filter(lambda address: int(address, 16) > 0xFFFF)
EARNED = st.dictionaries(st.one_of(PEOPLE.map(Payee.of_address), st.just(TREASURY)), AMOUNTS, min_size=1, max_size=25)
CHARGED = st.dictionaries(WORDS, AMOUNTS, max_size=25)


def activate(world: World, tree: StateTree, total: int) -> BatchHeader:
    """Posts `tree` as epoch 1, fully credited, and lets its window pass."""
    world.fund(world.vault, total)
    header = world.post(tree, total)
    world.machine.warp(DELAY_S)
    return header


@settings(max_examples=40, deadline=None)
@given(EARNED, CHARGED)
def test_every_payee_of_any_tree_claims_exactly_what_it_earned(
    world: World, earned: dict[Payee, int], charged: dict[Bytes32, int]
) -> None:
    with world.machine.discarding():
        leaves = {earned_key(payee): amount for payee, amount in earned.items()}
        tree = StateTree.of(leaves | {charged_key(channel): amount for channel, amount in charged.items()})
        header = activate(world, tree, sum(earned.values()))

        paid = world.claim(*[world.claim_entry(tree, header, payee) for payee in earned])

        assert paid == sum(earned.values())
        for payee, amount in earned.items():
            to = world.treasury.address if payee == TREASURY else payee.address
            assert world.balance(to) == amount


@settings(max_examples=40, deadline=None)
@given(EARNED, CHARGED, st.data())
def test_settlement_accepts_a_proof_iff_python_does(
    world: World, earned: dict[Payee, int], charged: dict[Bytes32, int], data: st.DataObject
) -> None:
    with world.machine.discarding():
        leaves = {earned_key(payee): amount for payee, amount in earned.items()}
        tree = StateTree.of(leaves | {charged_key(channel): amount for channel, amount in charged.items()})
        total = sum(earned.values())
        header = activate(world, tree, total)
        payee = data.draw(st.sampled_from(sorted(earned)))
        *entry, amount, proof = world.claim_entry(tree, header, payee)
        proof = data.draw(mutations_of(proof))

        try:
            proven = verify_inclusion(tree.root, earned_key(payee), amount, proof)
        except MalformedProof:
            proven = False

        assert world.claim((*entry, amount, proof)) == (amount if proven else 0)


def mutations_of(proof: bytes) -> st.SearchStrategy[bytes]:
    """The proof itself, cut, extended, or with any one bit flipped."""
    flipped = st.integers(0, 8 * len(proof) - 1).map(lambda bit: flip(proof, bit))
    cut = st.integers(0, len(proof)).map(lambda length: proof[:length])
    return st.one_of(st.just(proof), flipped, cut, st.just(proof + bytes(32)), st.just(bytes(2) + proof))


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(PEOPLE, st.integers(1, 2**40), min_size=1, max_size=20), AMOUNTS)
def test_contributors_share_by_weight_and_only_dust_stays(
    world: World, weights: dict[Address, int], amount: int
) -> None:
    with world.machine.discarding():
        contributors = Contributors.of(weights.items())
        datanet_id = world.publish_datanet(contributors.root, contributors.total_weight, len(weights))
        payee = Payee(PayeeKind.DATANET, datanet_payee(datanet_id, 1))
        tree = StateTree.of({earned_key(payee): amount})
        head = datanet_head(activate(world, tree, amount), datanet_id, tree, payee)

        paid = world.claim_share(*[share_entry(head, contributors, who) for who in weights])

        for who, weight in weights.items():
            assert world.balance(who) == amount * weight // contributors.total_weight
        assert 0 <= amount - paid < len(weights)


def share_entry(head: tuple[object, ...], contributors: Contributors, who: Address) -> tuple[object, ...]:
    proof = contributors.prove(who)
    return (*head, who, proof.contributor.weight, proof.index, list(proof.path))


def datanet_head(header: BatchHeader, datanet_id: Bytes32, tree: StateTree, payee: Payee) -> tuple[object, ...]:
    """The part of a share claim that shows what the Datanet earned."""
    at = earned_key(payee)
    return (header.node, header.epoch, header.struct_hash(), datanet_id, 1, tree.get(at), tree.prove(at))


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(PEOPLE, st.integers(1, 2**40), min_size=1, max_size=20), st.data())
def test_settlement_accepts_a_weight_iff_python_does(
    world: World, weights: dict[Address, int], data: st.DataObject
) -> None:
    with world.machine.discarding():
        contributors = Contributors.of(weights.items())
        datanet_id = world.publish_datanet(contributors.root, contributors.total_weight, len(weights))
        payee = Payee(PayeeKind.DATANET, datanet_payee(datanet_id, 1))
        tree = StateTree.of({earned_key(payee): 10**24})
        head = datanet_head(activate(world, tree, 10**24), datanet_id, tree, payee)
        who = data.draw(st.sampled_from(sorted(weights)))
        honest = contributors.prove(who)
        index = data.draw(st.sampled_from([honest.index, 0, len(weights) - 1, len(weights)]))
        path = data.draw(st.sampled_from([honest.path, honest.path[:-1], (*honest.path, ZERO_BYTES32)]))
        weight = data.draw(st.sampled_from([weights[who], max(1, weights[who] - 1)]))
        taken = verify_path(contributors.root, len(weights), index, Contributor(who, weight).leaf, path)

        paid = world.claim_share((*head, who, weight, index, list(path)))
        assert paid == (10**24 * weight // contributors.total_weight if taken else 0)


@settings(deadline=None)
@given(st.dictionaries(PEOPLE, AMOUNTS, max_size=5), AMOUNTS)
def test_the_state_root_binds_the_total(earned: dict[Address, int], total: int) -> None:
    tree = StateTree.of({earned_key(Payee.of_address(who)): amount for who, amount in earned.items()})

    assert state_root(tree.root, total) != state_root(tree.root, total + 1)
