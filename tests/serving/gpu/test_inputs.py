"""A step's numbers say where each token goes and what it reads, and survive the way to the device."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from serving.gpu.inputs import NOWHERE, UNUSED, StaticInputs, StepInputs, StepNumbers
from serving.gpu.tiles import LARGE, SMALL, lora_tiles
from serving.kv.pages import PAGE_TOKENS, pages_for
from serving.lora.plan import LoraPlan, Segment
from tests.serving.gpu.machine import DEVICE
from tests.serving.lora.popularity import make_slot

SLOT, OTHER = (make_slot(number, 1, {"m": 8}, d_in=8) for number in range(2))
SPANS = st.lists(st.tuples(st.integers(0, 70), st.integers(1, 70)), min_size=1, max_size=6)


def numbers_of(spans: list[tuple[int, int]], decode_rows: int, lora: LoraPlan | None = None) -> StepNumbers:
    """Sequence i has the pages 100 * i, 100 * i + 1, …"""
    tables = [[100 * i + page for page in range(20)] for i in range(len(spans))]
    rows = {SLOT: 7, OTHER: 3}
    return StepNumbers.of(tables, spans, decode_rows, lora, row_of=rows.__getitem__, prefill_tokens=16)


@given(SPANS)
def test_every_token_has_the_place_that_its_sequence_gives_it(drawn: list[tuple[int, int]]) -> None:
    spans = [(start, start + count) for start, count in drawn]

    numbers = numbers_of(spans, 0)

    tokens = [(i, at) for i, (start, end) in enumerate(spans) for at in range(start, end)]
    assert list(numbers.positions) == [at for _, at in tokens]
    for place, (i, at) in zip(numbers.places, tokens, strict=True):
        assert divmod(place, PAGE_TOKENS) == (100 * i + at // PAGE_TOKENS, at % PAGE_TOKENS)


@given(SPANS)
def test_prefill_tiles_cover_every_token_once(drawn: list[tuple[int, int]]) -> None:
    spans = [(start, start + count) for start, count in drawn]

    numbers = numbers_of(spans, 0)

    covered = [first + i for first, count, _, _ in numbers.prefill for i in range(count)]
    assert covered == list(range(len(numbers.positions)))
    for first, count, position, pages_at in numbers.prefill:
        assert 0 < count <= 16
        assert list(numbers.positions[first : first + count]) == list(range(position, position + count))
        assert numbers.pages[pages_at] == numbers.places[first] // PAGE_TOKENS // 100 * 100


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 150), st.booleans()), min_size=1, max_size=6))
def test_lora_tiles_cover_every_segment_once_and_never_two(drawn: list[tuple[int, int, bool]]) -> None:
    segments, at = [], 0
    for gap, count, other in drawn:
        segments.append(Segment(OTHER if other else SLOT, at + gap, at + gap + count))
        at += gap + count
    plan = LoraPlan.of(segments)
    assert plan is not None

    for tile_tokens in (SMALL, LARGE):
        tiles = lora_tiles(plan, {SLOT: 7, OTHER: 3}.__getitem__, tile_tokens)
        owners = {first + i: row for row, first, count in tiles for i in range(count)}
        assert sum(count for _, _, count in tiles) == len(owners)
        assert owners == {t: 7 if s.slot is SLOT else 3 for s in plan.segments for t in range(s.start, s.end)}
        assert all(0 < count <= tile_tokens for _, _, count in tiles)
        assert len(tiles) <= at


def test_a_decode_step_in_numbers() -> None:
    plan = LoraPlan.of([Segment(SLOT, 0, 1), Segment(OTHER, 2, 3)])

    numbers = numbers_of([(4, 5), (16, 17), (40, 41)], 3, plan).padded(4)

    assert numbers == StepNumbers(
        positions=[4, 16, 40, 0],
        places=[4, 101 * 16, 202 * 16 + 8, NOWHERE],
        lengths=[5, 17, 41, 0],
        pages_at=[0, 1, 3, 0],
        prefill=[],
        lora=[(7, 0, 1), (3, 2, 1), UNUSED, UNUSED],
        lora_tile_tokens=SMALL,
        pages=[0, 100, 101, 200, 201, 202],
    )


def check_views(inputs: StepInputs, numbers: StepNumbers) -> None:
    for name in ("positions", "places", "lengths", "pages_at"):
        assert getattr(inputs, name).tolist() == list(getattr(numbers, name)), name
    assert inputs.prefill.tolist() == [list(tile) for tile in numbers.prefill]
    assert inputs.lora.tolist() == [list(tile) for tile in numbers.lora]
    assert inputs.pages.tolist()[: len(numbers.pages)] == list(numbers.pages)
    views = (
        inputs.positions,
        inputs.places,
        inputs.lengths,
        inputs.pages_at,
        inputs.prefill,
        inputs.lora,
        inputs.pages,
    )
    base = inputs.positions.data_ptr()
    assert all((view.data_ptr() - base) % 128 == 0 for view in views if view.numel())


@given(SPANS, st.integers(0, 6))
def test_the_device_gets_what_was_counted(drawn: list[tuple[int, int]], decode_rows: int) -> None:
    decode_rows = min(decode_rows, len(drawn))
    spans = [(start, start + (1 if i < decode_rows else count)) for i, (start, count) in enumerate(drawn)]
    numbers = numbers_of(spans, decode_rows, LoraPlan.of([Segment(SLOT, 0, 1)]))

    check_views(StepInputs.upload(numbers, DEVICE), numbers)


def test_static_inputs_are_refilled_where_they_are() -> None:
    static = StaticInputs(4, pages_for(64), DEVICE)
    addresses = [static.token_ids.data_ptr(), static.inputs.lora.data_ptr(), static.inputs.pages.data_ptr()]

    for spans in ([(63, 64)] * 4, [(3, 4), (20, 21)]):
        numbers = numbers_of(spans, len(spans), LoraPlan.of([Segment(OTHER, 1, 2)]))
        static.fill(torch.arange(len(spans), device=DEVICE), numbers)
        check_views(static.inputs, numbers.padded(4))
        assert static.token_ids[: len(spans)].tolist() == list(range(len(spans)))

    assert addresses == [static.token_ids.data_ptr(), static.inputs.lora.data_ptr(), static.inputs.pages.data_ptr()]
