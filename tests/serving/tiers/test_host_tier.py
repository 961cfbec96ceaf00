"""Adapters in host memory: never more than the budget, never one away that is being copied."""

import random
from contextlib import ExitStack

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from serving.adapters.blob import AdapterBlob, Allocate
from serving.adapters.layout import Placement, views
from serving.errors import AdapterCorrupt
from serving.gpu.staging import PinnedBuffers, ordinary
from serving.tiers.host_tier import HostTier, PlainBuffers
from serving.types import AdapterDigest

BYTES = 4096


class Counting(PlainBuffers):
    """Plain buffers, counted."""

    def __init__(self) -> None:
        super().__init__()
        self.out: dict[int, int] = {}

    def take(self, nbytes: int) -> torch.Tensor:
        buffer = super().take(nbytes)
        self.out[buffer.data_ptr()] = nbytes
        return buffer

    def give_back(self, buffer: torch.Tensor) -> None:
        del self.out[buffer.data_ptr()]


class Disk:
    """Adapters of BYTES each, all of whose bytes are their number."""

    def __init__(self) -> None:
        self.reads: list[str] = []

    def read(self, name: str, allocate: Allocate) -> AdapterBlob:
        self.reads.append(name)
        payload = allocate(BYTES)
        if name.startswith("broken"):
            raise AdapterCorrupt(name, "blob", "cut short")
        payload.fill_(int(name))
        placements = (Placement("m", 4, 4, 4, 0, 64),)
        layers = views(payload, placements, torch.float32)
        return AdapterBlob(AdapterDigest(name), torch.float32, payload, placements, layers)


def tier(fits: int) -> tuple[HostTier, Disk, Counting]:
    buffers, ticks = Counting(), iter(range(10**9))
    return HostTier(fits * BYTES, buffers, lambda: float(next(ticks))), Disk(), buffers


def use(host: HostTier, disk: Disk, *names: str) -> None:
    for name in names:
        with host.hold(AdapterDigest(name), lambda allocate, name=name: disk.read(name, allocate)) as blob:  # type: ignore[misc]
            assert set(blob.payload.tolist()) == {int(name)}


@given(st.integers(0, 10**6))
def test_whatever_is_held_read_and_forgotten_bytes_are_conserved_and_right(seed: int) -> None:
    rng = random.Random(seed)
    host, disk, buffers = tier(rng.randint(0, 5))
    held: list[tuple[ExitStack, AdapterBlob, str]] = []
    for _ in range(60):
        name, doing = rng.choice(["1", "2", "3", "4", "5", "6", "broken"]), rng.random()
        with_it = [each for each in held if each[2] == name]
        if doing < 0.5 and (not with_it or name in host.adapters):
            stack = ExitStack()
            if name == "broken":
                with pytest.raises(AdapterCorrupt):
                    stack.enter_context(host.hold(AdapterDigest(name), lambda a: disk.read("broken", a)))
            else:
                blob = stack.enter_context(host.hold(AdapterDigest(name), lambda a, n=name: disk.read(n, a)))  # type: ignore[misc]
                held.append((stack, blob, name))
        elif doing < 0.8 and held:
            held.pop(rng.randrange(len(held)))[0].close()
        elif doing > 0.9:
            host.forget(AdapterDigest(name))
        host.check_integrity()
        assert sum(buffers.out.values()) == host.used_bytes
        assert all(set(blob.payload.tolist()) == {int(name)} for _, blob, name in held)

    for stack, _, _ in held:
        stack.close()
    for name in host.adapters:
        host.forget(name)
    assert (host.used_bytes, buffers.out) == (0, {})


def test_what_is_kept_is_not_read_again_and_the_least_used_leaves_first() -> None:
    host, disk, _ = tier(2)

    use(host, disk, "1", "1", "1", "2", "3", "1")

    assert disk.reads == ["1", "2", "3"]
    assert (host.adapters, host.hits, host.evictions) == ({"1", "3"}, 3, 1)


def test_the_gpu_s_own_buffers_serve_the_tier_as_plain_ones_do() -> None:
    buffers, disk = PinnedBuffers(2 * BYTES, ordinary), Disk()
    host = HostTier(2 * BYTES, buffers)

    use(host, disk, "1", "1", "2", "3", "1", "2", "3")

    assert len(host.adapters) == 2
    assert buffers.used_bytes == host.used_bytes == 2 * BYTES
    host.check_integrity()
    buffers.check_integrity()


def test_what_does_not_fit_beside_those_that_are_copied_is_read_and_not_kept() -> None:
    host, disk, _ = tier(1)
    with host.hold(AdapterDigest("1"), lambda allocate: disk.read("1", allocate)):
        use(host, disk, "2")

        assert host.adapters == {"1"}
    assert host.evictions == 0


def test_an_adapter_that_is_forgotten_while_it_is_copied_leaves_when_that_is_done() -> None:
    host, disk, buffers = tier(2)
    with host.hold(AdapterDigest("1"), lambda allocate: disk.read("1", allocate)) as blob:
        host.forget(AdapterDigest("1"))

        assert set(blob.payload.tolist()) == {1}
        assert host.used_bytes == BYTES
    assert (host.used_bytes, buffers.out) == (0, {})


def test_a_cpu_has_no_tier_beside_its_memory_and_a_gpu_one_of_the_size_asked_or_measured() -> None:
    assert HostTier.for_device(torch.device("cpu"), 1 << 20, PlainBuffers) is None
    asked, measured = (HostTier.for_device(torch.device("cuda"), size, PlainBuffers) for size in (1 << 20, None))

    assert asked is not None
    assert measured is not None
    assert asked.budget_bytes == 1 << 20
    assert measured.budget_bytes > 0
