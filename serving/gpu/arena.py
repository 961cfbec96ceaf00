"""Which bytes of one piece of memory are taken. Knows no tensors."""

from bisect import bisect_left, insort


class Arena:
    """Ranges of `nbytes` bytes, each a multiple of `align_bytes` long, none overlapping.

        | taken | free | taken | taken |   free   |     neighbours that are both free become one

    The smallest free range that is large enough is used, so large ones stay for what needs them.
    """

    def __init__(self, nbytes: int, align_bytes: int = 4096) -> None:
        self.nbytes = nbytes // align_bytes * align_bytes
        self.used_bytes = 0
        self._align_bytes = align_bytes
        self._free = [(0, self.nbytes)] if self.nbytes else []
        """(start, length) by start."""
        self._taken: dict[int, int] = {}

    def take(self, nbytes: int) -> int | None:
        """Where a range of at least `nbytes` begins; None if no free one is large enough."""
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
        """Frees the range that begins at `start`."""
        length = self._taken.pop(start)
        self.used_bytes -= length
        at = bisect_left(self._free, (start, 0))
        if at < len(self._free) and self._free[at][0] == start + length:
            length += self._free.pop(at)[1]
        if at and sum(self._free[at - 1]) == start:
            start, before = self._free.pop(at - 1)
            length += before
        insort(self._free, (start, length))

    def check_integrity(self) -> None:
        """Free and taken ranges tile the arena, and no two free ones are neighbours."""
        ranges = sorted([*self._free, *self._taken.items()])
        ends = [start + length for start, length in ranges]
        assert [0, *ends] == [*[start for start, _ in ranges], self.nbytes]
        assert sum(self._taken.values()) == self.used_bytes
        assert all(sum(before) < after[0] for before, after in zip(self._free, self._free[1:], strict=False))
        assert self._free == sorted(self._free)
