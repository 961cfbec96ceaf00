"""Ranges of an arena."""

import pytest

from serving.gpu.arena import Arena


def test_a_range_is_aligned_and_as_long_as_was_asked() -> None:
    arena = Arena(1000, align_bytes=64)

    assert arena.nbytes == 960
    assert [arena.take(65), arena.take(1), arena.take(0)] == [0, 128, 192]
    assert (arena.used_bytes, arena.taken_ranges) == (256, 3)


def test_the_smallest_range_that_fits_is_used() -> None:
    arena = Arena(10 * 64, align_bytes=64)
    starts = [arena.take(64 * count) for count in (3, 1, 1, 1, 4)]
    assert None not in starts
    for start in (0, 4 * 64):
        arena.give_back(start)

    assert arena.take(64) == 4 * 64
    assert arena.take(3 * 64) == 0


def test_free_neighbours_become_one_again() -> None:
    arena = Arena(6 * 64, align_bytes=64)
    for _ in range(3):
        arena.take(2 * 64)
    assert arena.take(1) is None

    for start in (0, 4 * 64, 2 * 64):
        arena.give_back(start)

    arena.check_integrity()
    assert arena.take(6 * 64) == 0


def test_a_range_cannot_be_freed_twice() -> None:
    arena = Arena(640, align_bytes=64)
    start = arena.take(1)
    assert start is not None
    arena.give_back(start)

    with pytest.raises(KeyError):
        arena.give_back(start)
