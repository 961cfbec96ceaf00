"""Page-locked buffers never overlap and stay within their budget; copies to the GPU do not disturb the steps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from serving.adapter_loader import AdapterLoader
from serving.adapters.blob import AdapterBlob, Allocate
from serving.adapters.load_stages import LoadStages
from serving.gpu.arena import Arena
from serving.gpu.staging import DeviceCopy, PinnedBuffers, ordinary, page_locked
from serving.types import AdapterDigest
from tests.serving.asking import ask
from tests.serving.conftest import Folders, StartService
from tests.serving.gpu.machine import DEVICE, needs_gpu

MIB = 1 << 20


class ArenaRules(RuleBasedStateMachine):
    """Takes and gives back in any order."""

    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        self.arena = Arena(20 * 64, align_bytes=64)
        self.held: dict[int, int] = {}

    @rule(target=taken, nbytes=st.integers(1, 700))
    def take(self, nbytes: int) -> int | None:
        start = self.arena.take(nbytes)
        if start is None:
            assert nbytes > 64 or self.arena.used_bytes == self.arena.nbytes
            return None
        assert start % 64 == 0
        assert start + nbytes <= self.arena.nbytes
        assert all(start + nbytes <= other or other + length <= start for other, length in self.held.items())
        self.held[start] = nbytes
        return start

    @rule(start=consumes(taken))
    def give_back(self, start: int | None) -> None:
        if start is not None:
            self.arena.give_back(start)
            del self.held[start]

    @invariant()
    def tiles(self) -> None:
        self.arena.check_integrity()

    @invariant()
    def nothing_is_lost(self) -> None:
        if not self.held:
            assert self.arena.take(self.arena.nbytes) == 0
            self.arena.give_back(0)


TestArena = ArenaRules.TestCase
TestArena.settings = settings(max_examples=60, deadline=None)


def test_the_smallest_range_that_fits_is_taken() -> None:
    arena = Arena(10 * 64, align_bytes=64)
    starts = [arena.take(nbytes) for nbytes in (3 * 64, 64, 64, 64)]
    assert starts == [0, 192, 256, 320]
    arena.give_back(0)
    arena.give_back(256)

    assert arena.take(50) == 256


@given(st.lists(st.integers(1, 3 * MIB), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None)
def test_buffers_hold_what_was_written_to_them(sizes: list[int]) -> None:
    buffers = PinnedBuffers(8 * MIB, ordinary)

    taken = [buffers.take(nbytes) for nbytes in sizes]
    for number, buffer in enumerate(taken):
        buffer.fill_(number)

    for number, (buffer, nbytes) in enumerate(zip(taken, sizes, strict=True)):
        assert buffer.shape == (nbytes,)
        assert buffer.data_ptr() % 64 == 0
        assert (buffer == number).all()
    buffers.check_integrity()
    for buffer in taken:
        buffers.give_back(buffer)
    buffers.check_integrity()
    assert buffers.used_bytes == 0


def test_memory_is_locked_in_pieces_and_never_beyond_the_budget() -> None:
    locked: list[int] = []

    def lock(nbytes: int) -> torch.Tensor:
        locked.append(nbytes)
        return ordinary(nbytes)

    buffers = PinnedBuffers(300 * MIB, lock)
    assert locked == [256 * MIB, 44 * MIB]

    first, second, third = buffers.take(200 * MIB), buffers.take(100 * MIB), buffers.take(40 * MIB)

    assert buffers.used_bytes == 240 * MIB
    buffers.give_back(second)
    assert buffers.used_bytes == 240 * MIB, "the second had no place in the budget and is ordinary memory"
    buffers.give_back(first)
    buffers.give_back(third)
    assert len(locked) == 2


def test_a_system_that_locks_no_more_pages_gives_ordinary_memory(caplog: pytest.LogCaptureFixture) -> None:
    def lock(nbytes: int) -> torch.Tensor:
        raise RuntimeError("no pages")

    buffers = PinnedBuffers(300 * MIB, lock)

    assert buffers.take(MIB).shape == (MIB,)
    assert buffers.locked_bytes == 0
    assert "host_memory_not_locked" in caplog.text
    buffers.check_integrity()


def test_a_cpu_needs_neither_staging_nor_copies() -> None:
    def nothing(adapter: AdapterDigest, allocate: Allocate, stages: LoadStages) -> AdapterBlob:
        raise AssertionError(adapter)

    loader = AdapterLoader.for_device(torch.device("cpu"), nothing, None)

    assert loader.host is None
    loader.close()


@needs_gpu
def test_a_copy_is_complete_when_it_returns() -> None:
    buffers, copy = PinnedBuffers(8 * MIB), DeviceCopy(DEVICE)
    buffer = buffers.take(MIB)
    assert buffer.is_pinned()
    buffer.copy_(torch.arange(MIB) % 251)

    payload = copy(buffer)
    buffer.zero_()

    assert torch.equal(payload.cpu(), (torch.arange(MIB) % 251).to(torch.uint8))


@needs_gpu
async def test_an_adapter_that_was_evicted_comes_back_out_of_host_memory(
    start_service: StartService, folders: Folders
) -> None:
    service = await start_service(device="cuda")
    await service.add_adapter("a0", f"file:{folders.adapters['a0']}")
    before = await ask(service, "a0")

    await service.evict("a0")
    after = await ask(service, "a0")

    assert after.tokens == before.tokens
    assert service.stats().adapter_host_hits == 1


@needs_gpu
def test_memory_of_a_payload_is_not_used_again_before_the_step_that_reads_it_has_ended() -> None:
    copy, host = DeviceCopy(DEVICE), page_locked(64 * MIB).fill_(1)
    payload = copy(host)
    torch.cuda._sleep(200_000_000)  # a long step, of which the next line is the end
    total = payload.sum(dtype=torch.int64)

    del payload
    others = [copy(page_locked(64 * MIB).zero_()) for _ in range(2)]

    assert int(total) == 64 * MIB
    assert not any(int(each.sum()) for each in others)
