"""An adapter's weights on the device."""

import torch

from serving.lora.slot import LoraModule, Slot
from serving.types import AdapterDigest


def module(rank: int) -> LoraModule:
    return LoraModule(torch.zeros(rank, 8), torch.zeros(rank, 6))


def test_the_rank_of_a_slot_is_its_largest() -> None:
    slot = Slot(AdapterDigest("a"), {"q": module(4), "k": module(16), "v": module(1)}, 100)

    assert slot.rank == 16
    assert [each.rank for each in slot.modules.values()] == [4, 16, 1]


def test_two_slots_with_the_same_bytes_are_two() -> None:
    """A plan must not mistake a reloaded adapter's slot for the evicted one."""
    first, second = (Slot(AdapterDigest("a"), {"q": module(4)}, 100) for _ in range(2))

    assert first != second
    assert len({first, second}) == 2
