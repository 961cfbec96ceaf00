"""Device memory for adapters: the budget holds, and what is pinned, referenced or loading stays."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import AdapterBusy
from serving.lora.slot import LoraModule, Slot
from serving.tiers.slots import Slots
from serving.types import AdapterDigest

A, B, C, D = (AdapterDigest(letter * 64) for letter in "abcd")


def slot(adapter: AdapterDigest, nbytes: int) -> Slot:
    return Slot(adapter, {"m": LoraModule(torch.zeros(1, 2), torch.zeros(1, 2))}, nbytes)


def resident(slots: Slots, adapter: AdapterDigest, nbytes: int = 10, took_s: float = 1.0) -> None:
    assert slots.reserve(adapter, nbytes)
    slots.fill(slot(adapter, nbytes), took_s=took_s)


def used(slots: Slots, adapter: AdapterDigest, times: int = 1) -> None:
    for _ in range(times):
        slots.acquire(adapter)
        slots.release(adapter)


def test_a_load_reserves_its_bytes_until_it_ends_either_way() -> None:
    slots = Slots(20)
    assert slots.reserve(A, 12)
    assert (slots.used_bytes, slots.reserved_count, slots.is_loading(A), slots.is_resident(A)) == (12, 1, True, False)
    assert not slots.reserve(B, 12)

    slots.fill(slot(A, 10), took_s=1.0)
    assert (slots.used_bytes, slots.reserved_count, slots.resident) == (10, 0, {A})
    assert slots.reserve(B, 10)
    slots.cancel(B)
    assert (slots.used_bytes, slots.resident_count, slots.knows(B)) == (10, 1, False)


def test_the_idle_adapter_of_least_worth_is_evicted_first() -> None:
    slots = Slots(30)
    for adapter in (A, B, C):
        resident(slots, adapter)
    used(slots, A, 3)
    used(slots, B, 1)
    used(slots, C, 2)

    resident(slots, D)

    assert slots.resident == {A, C, D}
    assert (slots.loads, slots.evictions) == (4, 1)


def test_what_is_expensive_to_reload_outlives_what_is_cheap() -> None:
    slots = Slots(20)
    resident(slots, A, took_s=9.0)
    resident(slots, B, took_s=0.1)
    used(slots, A)
    used(slots, B, 3)

    resident(slots, C)

    assert slots.resident == {A, C}


def test_referenced_and_pinned_adapters_are_never_evicted_for_others() -> None:
    slots = Slots(20)
    resident(slots, A)
    resident(slots, B)
    slots.acquire(A)
    slots.pin(B)

    assert not slots.reserve(C, 10)
    slots.release(A)
    assert slots.reserve(C, 10)
    assert slots.resident == {B}


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("pinned", "is pinned. Unpin it first."),
        ("absent and pinned", "is pinned. Unpin it first."),
        ("loading", "is being loaded. Try again when that has ended."),
        ("in use", "serves 1 request(s). Try again when they have ended."),
    ],
)
def test_evicting_a_busy_adapter_is_refused_with_what_to_do(state: str, reason: str) -> None:
    slots = Slots(20)
    if state == "loading":
        slots.reserve(A, 10)
    elif "absent" not in state:
        resident(slots, A)
    if "pinned" in state:
        slots.pin(A)
    if state == "in use":
        slots.acquire(A)

    with pytest.raises(AdapterBusy) as refusal:
        slots.evict(A)

    assert (refusal.value.adapter, refusal.value.reason) == (A, reason)


def test_evicting_an_absent_adapter_is_no_error() -> None:
    assert not Slots(20).evict(A)


def test_an_adapter_could_be_held_if_the_pins_leave_room() -> None:
    slots = Slots(20)
    resident(slots, A)
    resident(slots, B)
    slots.pin(A)

    assert slots.could_hold(C, 10)
    assert not slots.could_hold(C, 11)
    assert slots.could_hold(A, 20)


@given(st.lists(st.tuples(st.sampled_from([A, B, C, D]), st.integers(0, 6)), max_size=60))
def test_whatever_happens_bytes_are_conserved(moves: list[tuple[AdapterDigest, int]]) -> None:
    slots = Slots(25)
    sizes = {A: 5, B: 10, C: 15, D: 20}
    for adapter, move in moves:
        if move == 0 and not slots.knows(adapter):
            slots.reserve(adapter, sizes[adapter])
        elif move == 1 and slots.is_loading(adapter):
            slots.fill(slot(adapter, sizes[adapter] - 1), took_s=1.0)
        elif move == 2 and slots.is_loading(adapter):
            slots.cancel(adapter)
        elif move == 3 and slots.is_resident(adapter):
            slots.acquire(adapter)
        elif move == 4 and slots.references(adapter):
            slots.release(adapter)
        elif move == 5:
            slots.pin(adapter) if adapter not in slots.pinned else slots.unpin(adapter)
        elif move == 6 and not (slots.is_loading(adapter) or slots.references(adapter) or adapter in slots.pinned):
            slots.evict(adapter)
        slots.check_integrity()
