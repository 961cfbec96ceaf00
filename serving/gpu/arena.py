"""Allocates byte ranges of one piece of memory. Knows no tensors."""

from bisect import bisect_left, insort


class Arena:
    """Ranges of `nbytes` bytes, each a multiple of `align_bytes` long, none overlapping.

        | taken | free | taken | taken |   free   |     adjacent free ranges are merged

    Best fit: the smallest free range that is large enough is used, so that large ranges stay available.
    """

    def __init__(self, nbytes: int, align_bytes: int = 4096) -> None:
        self.nbytes = nbytes // align_bytes * align_bytes
        self.used_bytes = 0
        self._align_bytes = align_bytes
        self._free = [(0, self.nbytes)] if self.nbytes else []
        """(start, length) by start."""
        self._taken: dict[int, int] = {}

    def take(self, nbytes: int) -> int | None:
        """The start of a new range of at least `nbytes`; None if no free range is large enough."""
        length = max(1, -(-nbytes // self._align_bytes)) * self._align_bytes
        fitting = [free for free in self._free if free[1] >= length]
        if not fitting:
            return None
        start, available = min(fitting, key=lambda free: free[1])
        self._free.remove((start, available))
        if available > length:
            insort(self._free, (start + length, available - length))
        self._taken[start] = length
        self.used_bytes += length
        return start

    def give_back(self, start: int) -> None:
        """Frees the range that starts at `start`."""
        length = self._taken.pop(start)
        self.used_bytes -= length
        at = bisect_left(self._free, (start, 0))
        if at < len(self._free) and self._free[at][0] == start + length:
            length += self._free.pop(at)[1]
        if at and sum(self._free[at - 1]) == start:
            start, before = self._free.pop(at - 1)
            length += before
        insort(self._free, (start, length))

    @property
    def taken_ranges(self) -> int:
        """The number of ranges in use."""
        return len(self._taken)

    def check_integrity(self) -> None:
        """Free and taken ranges tile the arena, and no two free ranges are adjacent."""
        ranges = sorted([*self._free, *self._taken.items()])
        ends = [start + length for start, length in ranges]
        assert [0, *ends] == [*[start for start, _ in ranges], self.nbytes]
        assert sum(self._taken.values()) == self.used_bytes
        assert all(sum(before) < after[0] for before, after in zip(self._free, self._free[1:], strict=False))
        assert self._free == sorted(self._free)
