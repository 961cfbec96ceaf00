"""Which page belongs to whom. Knows nothing of tensors."""

PAGE_TOKENS = 16


def pages_for(tokens: int) -> int:
    return -(-tokens // PAGE_TOKENS)


class PagePool:
    """A fixed number of pages, each free or held by exactly one sequence. Owned by the engine thread."""

    def __init__(self, num_pages: int) -> None:
        self.num_pages = num_pages
        self._free = list(range(num_pages - 1, -1, -1))
        self._held: set[int] = set()

    @property
    def free(self) -> int:
        return len(self._free)

    @property
    def held(self) -> int:
        return len(self._held)

    def take(self, count: int) -> list[int]:
        """`count` pages, which the caller has checked to be free."""
        assert count <= self.free, "admission promised pages that do not exist"
        pages = [self._free.pop() for _ in range(count)]
        self._held.update(pages)
        return pages

    def give_back(self, pages: list[int]) -> None:
        """Empties `pages` into the pool."""
        assert self._held.issuperset(pages), "a page was given back twice"
        self._held.difference_update(pages)
        self._free.extend(pages)
        pages.clear()

    def check_integrity(self) -> None:
        """Every page is free or held by a sequence, and only one of these."""
        assert len(self._free) + len(self._held) == self.num_pages
        assert not self._held.intersection(self._free)
        assert len(set(self._free)) == len(self._free)
