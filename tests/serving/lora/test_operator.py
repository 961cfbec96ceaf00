"""The LoRA operator equals its float32 reference, by popularity, ranks and batch."""

import random

import pytest
import torch

from serving.lora.groups import Group
from serving.lora.layout import LoraLayout, Segment
from serving.lora.operator import add_lora
from serving.lora.reference import lora_delta
from serving.lora.slot import LoraPair, Slot
from serving.lora.stack import Stack, rank_class
from serving.types import AdapterDigest

D_IN, D_OUT = 24, 40


def make_slot(number: int, rank: int, modules: tuple[str, ...] = ("m", "n")) -> Slot:
    rng = torch.Generator().manual_seed(number)
    pairs = {
        name: LoraPair(torch.randn(D_IN, rank, generator=rng) / 5, torch.randn(rank, D_OUT, generator=rng) / 5)
        for name in modules
    }
    return Slot(AdapterDigest(f"{number:064x}"), pairs, sum(p.a.nbytes + p.b.nbytes for p in pairs.values()))


RANKS = [1, 3, 8, 9, 16, 40, 64]
SLOTS = [make_slot(i, RANKS[i % len(RANKS)]) for i in range(40)]


def chosen(mix: str, rows: int, rng: random.Random) -> list[Slot | None]:
    match mix:
        case "distinct":
            return [SLOTS[i % 40] for i in range(rows)]
        case "identical":
            return [SLOTS[5]] * rows
        case "zipf":
            return rng.choices([None, *SLOTS], weights=[1 / rank for rank in range(1, 42)], k=rows)
        case "skewed":
            return [rng.choice(SLOTS[:2])] * (rows - rows // 4) + [None] * (rows // 4)
    return rng.choices([None, *SLOTS], k=rows)


@pytest.mark.parametrize("rows", [1, 3, 7, 32, 133])
@pytest.mark.parametrize("mix", ["distinct", "uniform", "zipf", "identical", "skewed"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 6e-2)])
def test_every_row_gets_its_own_adapter(rows: int, mix: str, dtype: torch.dtype, tolerance: float) -> None:
    rng = random.Random(f"{mix}{rows}")
    decode, prefill = chosen(mix, rows, rng), chosen("zipf", 3, rng)
    layout = LoraLayout(torch.device("cpu"))
    counts: dict[Slot, int] = {}
    for slot in decode:
        if slot is not None:
            counts[cast(slot, dtype)] = counts.get(cast(slot, dtype), 0) + 1
    order, stacks = layout.arrange(counts, [cast(slot, dtype) for slot in prefill if slot])
    owners: list[Slot | None] = [None] * decode.count(None)
    segments = {}
    for slot in order:
        segments[slot] = Segment(slot, len(owners), len(owners) + counts[slot])
        owners += [slot] * counts[slot]
    prompts = []
    for slot in prefill:
        if slot is not None:
            prompts.append(Segment(cast(slot, dtype), len(owners), len(owners) + 5))
        owners += [cast(slot, dtype) if slot else None] * 5
    plan = layout.plan(stacks, segments, prompts)
    x = torch.randn(len(owners), D_IN, generator=torch.Generator().manual_seed(rows)).to(dtype)
    y = torch.randn(len(owners), D_OUT).to(dtype)
    expected = y.float() + lora_delta(x, [slot.modules["m"] if slot else None for slot in owners], D_OUT)

    if plan is not None:
        add_lora(y, x, "m", plan)

    assert (y.float() - expected).abs().max().item() <= tolerance * max(1.0, expected.abs().max().item())


_casts: dict[tuple[AdapterDigest, torch.dtype], Slot] = {}


def cast(slot: Slot, dtype: torch.dtype) -> Slot:
    """The same object for the same slot and dtype: slots are told apart by identity."""
    pairs = {name: LoraPair(pair.a.to(dtype), pair.b.to(dtype)) for name, pair in slot.modules.items()}
    return _casts.setdefault((slot.digest, dtype), Slot(slot.digest, pairs, slot.nbytes))


def test_no_adapter_means_no_plan() -> None:
    layout = LoraLayout(torch.device("cpu"))
    order, stacks = layout.arrange({})

    assert order == stacks == []
    assert layout.plan(stacks, {}, []) is None


def test_an_adapter_with_most_rows_is_multiplied_alone_so_that_the_others_need_no_padding() -> None:
    short, long = SLOTS[:3], SLOTS[3]
    layout = LoraLayout(torch.device("cpu"))

    order, stacks = layout.arrange({**dict.fromkeys(short, 1), long: 30})

    assert order[-1] is long
    assert {slot for _, lanes in stacks for slot in lanes} == set(short)


def test_a_fused_group_equals_its_modules_one_by_one() -> None:
    slots = [make_slot(200, 8, ("m",)), make_slot(201, 3, ("n",)), make_slot(202, 12, ("m", "n"))]
    owners = [slots[0], slots[0], slots[1], slots[2], slots[2]]
    x = torch.randn(5, D_IN)

    def added(layout: LoraLayout, group: str, width: int) -> torch.Tensor:
        order, stacks = layout.arrange({slots[0]: 2, slots[1]: 1}, [slots[2]])
        assert order == slots[:2]
        plan = layout.plan(stacks, {slots[0]: Segment(slots[0], 0, 2), slots[1]: Segment(slots[1], 2, 3)}, prompts)
        assert plan is not None
        y = torch.zeros(5, width)
        add_lora(y, x, group, plan)
        return y

    prompts = [Segment(slots[2], 3, 5)]
    fused = added(LoraLayout(torch.device("cpu"), [Group("m+n", ("m", "n"), (D_OUT, D_OUT))]), "m+n", 2 * D_OUT)

    for module, part in (("m", fused[:, :D_OUT]), ("n", fused[:, D_OUT:])):
        expected = lora_delta(x, [slot.modules.get(module) for slot in owners], D_OUT)
        assert torch.allclose(part, expected, atol=1e-5)
        assert torch.allclose(added(LoraLayout(torch.device("cpu")), module, D_OUT), expected, atol=1e-5)


def test_modules_an_adapter_does_not_have_are_left_alone() -> None:
    slots = [make_slot(100, 8, ("m",)), make_slot(101, 8, ("n",)), make_slot(102, 8, ("m", "n"))]
    layout = LoraLayout(torch.device("cpu"))
    order, stacks = layout.arrange(dict.fromkeys(slots, 1))
    plan = layout.plan(stacks, {slot: Segment(slot, i, i + 1) for i, slot in enumerate(order)}, [])
    assert plan is not None
    x = torch.randn(3, D_IN)

    for module in ("m", "n", "absent"):
        y = torch.zeros(3, D_OUT)
        add_lora(y, x, module, plan)
        expected = lora_delta(x, [slot.modules.get(module) for slot in order], D_OUT)
        assert torch.allclose(y, expected, atol=1e-5)


def test_a_stack_holds_exactly_what_was_asked_whatever_came_before() -> None:
    rng = random.Random(3)
    slots = [slot for slot in SLOTS if rank_class(slot.rank) == 8]
    stack = Stack(8)

    for _ in range(60):
        asked = rng.sample(slots, rng.randint(1, len(slots)))
        batched = asked[: rng.randint(0, len(asked))]
        lanes = stack.arrange(batched, asked[len(batched) :])
        assert set(lanes) == set(batched)
        assert [stack.lane_of(slot) for slot in lanes] == list(range(len(batched)))
        assert {stack.lane_of(slot) for slot in asked} == set(range(len(asked)))
        stack.check_integrity()


def test_steady_composition_copies_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = [slot for slot in SLOTS if rank_class(slot.rank) == 8][:6]
    stack = Stack(8)
    stack.arrange(slots)
    filled: list[int] = []
    original = Stack._fill
    monkeypatch.setattr(Stack, "_fill", lambda self, lane: (filled.append(lane), original(self, lane)))

    stack.arrange(list(reversed(slots)))
    assert filled == []
    stack.arrange(slots[2:], slots[:2])
    stack.arrange(slots[1:])
    assert filled == []
