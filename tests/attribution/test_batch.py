"""Batches: rebuilt bit-identically, chained, provable receipt by receipt; changed headers are refused."""

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution import merkle
from attribution.batch import Batch, ChainTip, Item, build, receipt_leaf, verify
from attribution.state_tree import StateTree, charged_key, state_root
from attribution.transition import InvalidTransition
from contracts.crypto import ZERO_BYTES32
from contracts.encoding import tagged_hash
from contracts.structs import BatchHeader
from tests.attribution.ledgers import OWNERS, PAYERS, HonestNode, word


@pytest.fixture(scope="module")
def honest() -> tuple[ChainTip, list[Item], Batch]:
    """A second batch of five receipts, after a first of three."""
    node = HonestNode()
    tip = build(node.genesis, node.serve_many(3, seed=1)).tip
    items = node.serve_many(5, seed=2)
    return tip, items, build(tip, items)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 12), st.data())
def test_cutting_the_receipts_into_batches_elsewhere_ends_in_the_same_state(count: int, data: st.DataObject) -> None:
    node = HonestNode()
    items = node.serve_many(count, data.draw(st.integers(0, 2**32)))
    cut = data.draw(st.integers(0, count))

    parts = [part for part in (items[:cut], items[cut:]) if part]
    tip = node.genesis
    for part in parts:
        tip = build(tip, part).tip

    whole = build(node.genesis, items)
    assert tip.state == whole.tip.state
    assert tip.epoch == len(parts)
    assert whole == build(node.genesis, items)


def test_the_first_batch_starts_from_nothing() -> None:
    node = HonestNode()

    header = build(node.genesis, [node.serve(PAYERS[0], 0)]).header

    assert (header.epoch, header.from_seq, header.count) == (1, 1, 1)
    assert header.prev_header_hash == ZERO_BYTES32
    assert header.prev_state_root == state_root(StateTree().root, 0) == tagged_hash(4, ZERO_BYTES32, ZERO_BYTES32)


def test_batches_form_one_hash_chain(honest: tuple[ChainTip, list[Item], Batch]) -> None:
    tip, items, batch = honest

    assert batch.header.prev_header_hash == tip.header_hash
    assert batch.header.prev_state_root == tip.state.root
    assert batch.header.from_seq == 4
    assert batch.header.state_root == batch.roots[-1] == batch.state.root
    assert batch.header.closed_at == items[-1].receipt.finished_at
    assert batch.header.cum_total == tip.state.cum_total + sum(item.receipt.fee for item in items)


def test_every_receipt_is_proven_at_its_place_only(honest: tuple[ChainTip, list[Item], Batch]) -> None:
    _, _, batch = honest
    befores = [batch.header.prev_state_root, *batch.roots]

    for index, receipt in enumerate(batch.receipts):
        leaf = receipt_leaf(receipt, befores[index], batch.roots[index])
        path = batch.prove(index)
        assert merkle.verify_path(batch.header.receipts_root, 5, index, leaf, path)
        assert not merkle.verify_path(batch.header.receipts_root, 5, index ^ 1, leaf, path)
        assert not merkle.verify_path(batch.header.receipts_root, 4, index, leaf, path[:-1])


def test_an_honest_header_is_accepted_and_may_close_later(honest: tuple[ChainTip, list[Item], Batch]) -> None:
    tip, items, batch = honest

    assert verify(tip, batch.header, items) == batch
    late = replace(batch.header, closed_at=batch.header.closed_at + 10)
    assert verify(tip, late, items).tip.header_hash == late.struct_hash()


def test_a_receipt_from_before_the_last_batch_closed_is_refused(honest: tuple[ChainTip, list[Item], Batch]) -> None:
    tip, items, _ = honest
    early = replace(items[0].receipt, finished_at=tip.state.closed_at - 1, started_at=tip.state.closed_at - 2)

    with pytest.raises(InvalidTransition, match="before the last batch closed") as refusal:
        build(tip, [Item(early, items[0].evidence), *items[1:]])

    assert refusal.value.rule == "T7"


def test_a_late_closing_time_binds_the_next_batch(honest: tuple[ChainTip, list[Item], Batch]) -> None:
    tip, items, batch = honest
    late = replace(batch.header, closed_at=batch.header.closed_at + 10)
    node = HonestNode(clock=batch.header.closed_at, seq=8)
    after = verify(tip, late, items).tip
    node.charged = {
        item.receipt.channel_id: after.state.tree.get(charged_key(item.receipt.channel_id)) for item in items
    }

    with pytest.raises(InvalidTransition, match="before the last batch closed"):
        build(after, [node.serve(PAYERS[0], 0)])


def test_receipts_of_one_batch_may_finish_in_any_order() -> None:
    node = HonestNode()
    first, second = node.serve(PAYERS[0], 0), node.serve(PAYERS[1], 0)
    swapped = [
        Item(replace(one.receipt, finished_at=other.receipt.finished_at, started_at=10_000), one.evidence)
        for one, other in ((first, second), (second, first))
    ]

    assert build(node.genesis, swapped).header.closed_at == second.receipt.finished_at


@pytest.mark.parametrize("name", [field.name for field in fields(BatchHeader)])
def test_a_header_with_one_changed_field_is_refused(name: str, honest: tuple[ChainTip, list[Item], Batch]) -> None:
    tip, items, batch = honest
    value = getattr(batch.header, name)
    changed = word("other") if isinstance(value, bytes) else OWNERS[0] if isinstance(value, str) else value - 1

    with pytest.raises(InvalidTransition) as refusal:
        verify(tip, replace(batch.header, **{name: changed}), items)

    assert refusal.value.rule == ("T7" if name == "closed_at" else "T8")


def test_leaving_out_swapping_or_repeating_a_receipt_is_refused(honest: tuple[ChainTip, list[Item], Batch]) -> None:
    tip, items, batch = honest

    for forged in (items[1:], items[:2] + items[3:], [items[1], items[0], *items[2:]], [items[0], *items]):
        with pytest.raises(InvalidTransition):
            verify(tip, batch.header, forged)
    with pytest.raises(InvalidTransition) as refusal:
        verify(tip, batch.header, items[:-1])
    assert refusal.value.rule == "T8"


def test_one_request_billed_twice_is_refused() -> None:
    node = HonestNode()
    first, second = node.serve(PAYERS[0], 0), node.serve(PAYERS[0], 0)
    assert first.evidence.request is not None
    receipt = replace(second.receipt, request_digest=first.receipt.request_digest)
    evidence = replace(
        second.evidence, request=first.evidence.request, request_signature=first.evidence.request_signature
    )

    with pytest.raises(InvalidTransition, match="receipts 1 and 2 bill one request"):
        build(node.genesis, [first, Item(receipt, evidence)])


def test_a_batch_has_at_least_one_receipt() -> None:
    with pytest.raises(ValueError, match="at least one"):
        build(HonestNode().genesis, [])
