"""What answers demands on a batch is the same, however many are answered, and only for the batch itself."""

from dataclasses import replace

import pytest

from attribution import evidence
from attribution.answers import BatchAnswers, NotRebuilt
from attribution.batch import build
from tests.attribution.ledgers import HonestNode


def test_every_leaf_is_justified_as_a_single_answer_would_be() -> None:
    node = HonestNode()
    items = node.serve_many(7, seed=1)
    batch = build(node.genesis, items)

    answers = BatchAnswers.of(node.genesis, batch.header, items)

    for index in range(7):
        assert answers.justification(index) == evidence.answer(node.genesis, items, index)


def test_a_batch_after_another_one_starts_where_that_ended() -> None:
    node = HonestNode()
    first = build(node.genesis, node.serve_many(3, seed=1))
    items = node.serve_many(2, seed=2)
    second = build(first.tip, items)

    answers = BatchAnswers.of(first.tip, second.header, items)

    assert answers.justification(0)[0].root_before == first.state.root
    with pytest.raises(NotRebuilt, match="does not follow"):
        BatchAnswers.of(node.genesis, second.header, items)


@pytest.mark.parametrize("index", [-1, 3, 2**32 - 1])
def test_a_leaf_that_the_batch_does_not_have_is_refused(index: int) -> None:
    node = HonestNode()
    items = node.serve_many(3, seed=1)
    answers = BatchAnswers.of(node.genesis, build(node.genesis, items).header, items)

    with pytest.raises(IndexError):
        answers.justification(index)


def test_other_receipts_than_those_of_the_header_are_refused() -> None:
    node = HonestNode()
    items = node.serve_many(3, seed=1)
    header = build(node.genesis, items).header
    changed = [items[0], replace(items[1], receipt=replace(items[1].receipt, tokens_out=9)), items[2]]
    free = [replace(items[0], receipt=replace(items[0].receipt, fee=0)), *items[1:]]

    for wrong in ([], items[:2], list(reversed(items)), changed, free):
        with pytest.raises(NotRebuilt):
            BatchAnswers.of(node.genesis, header, wrong)
