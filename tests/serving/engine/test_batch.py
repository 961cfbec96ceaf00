"""The rows of a step: decode rows first, an adapter's tokens adjacent, and segments where adapters act."""

from dataclasses import replace

import torch

from serving.engine.batch import Batch, Row
from serving.engine.sequence import Sequence
from serving.lora.slot import HEAD, LoraModule, Slot
from serving.types import AdapterDigest
from tests.serving.engine.test_scheduler import World


def slot(name: str, module: str = "q") -> Slot:
    return Slot(AdapterDigest(name), {module: LoraModule(torch.zeros(1, 1), torch.zeros(1, 1))}, 8)


def sequence(prompt: int, computed: int = 0, active_from: int = 0) -> Sequence:
    made = World().submit(prompt=prompt)
    made.computed_len = computed
    made.request = replace(made.request, prepared=replace(made.request.prepared, active_from=active_from))
    return made


def test_a_row_takes_one_token_of_a_decode_and_at_most_the_budget_of_a_prompt() -> None:
    assert Row.of(sequence(9, 8), 0, None).count == 1
    assert Row.of(sequence(9), 4, None).count == 4
    assert Row.of(sequence(9), 0, None).count == 0
    assert Row.of(sequence(1), 4, None).is_decode is False


def test_decode_rows_come_first_and_the_rows_of_an_adapter_are_adjacent() -> None:
    a, b = slot("a"), slot("b")
    rows = [
        Row.of(sequence(9, active), most, each)
        for active, most, each in [(0, 9, b), (8, 9, b), (0, 4, a), (8, 9, None), (8, 9, a), (8, 9, b)]
    ]

    batch = Batch.of(rows, began_at=3.0)

    assert [(row.is_decode, row.slot.digest if row.slot else None) for row in batch.rows] == [
        (True, None),
        (True, "a"),
        (True, "b"),
        (True, "b"),
        (False, "a"),
        (False, "b"),
    ]
    assert (batch.decode_rows, batch.prefill_tokens, batch.began_at) == (4, 13, 3.0)
    assert batch.lora is not None
    assert [(each.slot.digest, each.start, each.end) for each in batch.lora.segments] == [
        ("a", 1, 2),
        ("b", 2, 4),
        ("a", 4, 8),
        ("b", 8, 17),
    ]


def test_only_rows_that_reach_the_end_of_their_sequence_sample() -> None:
    whole, part = sequence(5), sequence(9)

    batch = Batch.of([Row.of(part, 5, None), Row.of(whole, 5, None)])

    assert batch.sampling == (whole,)


def test_an_activated_adapter_acts_from_its_invocation_on() -> None:
    batch = Batch.of([Row.of(sequence(9, active_from=6), 9, slot("a"))])
    before = Batch.of([Row.of(sequence(9, active_from=6), 4, slot("a"))])

    assert batch.lora is not None
    assert [(each.start, each.end) for each in batch.lora.segments] == [(6, 9)]
    assert before.lora is None


def test_head_segments_count_sampling_rows_only() -> None:
    rows = [Row.of(sequence(9), 4, None), Row.of(sequence(5), 5, slot("h", HEAD)), Row.of(sequence(5), 5, slot("q"))]

    batch = Batch.of(rows)

    assert batch.head is not None
    assert [(each.slot.digest, each.start, each.end) for each in batch.head.segments] == [("h", 0, 1)]
