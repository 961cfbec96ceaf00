"""Which page belongs to whom, and which can be found by what it holds. Knows nothing of tensors."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import NewType

PAGE_TOKENS = 16

PageKey = NewType("PageKey", bytes)
"""Stands for what a page holds: all tokens up to its end, the weights that read them, and whose they are."""


def pages_for(tokens: int) -> int:
    return -(-tokens // PAGE_TOKENS)


class PagePool:
    """A fixed number of pages, each in one of three places. Owned by the engine thread.

        free ──take──▶ held by sequences ──give_back──▶ kept, if it was published; else free
                               ▲                          │
                               └───────────take───────────┘   as it is, for the prefix it holds,
                                                              or emptied, longest unused first

    A published page is full and never written again, so any number of sequences may hold it.
    """

    def __init__(self, num_pages: int) -> None:
        self.num_pages = num_pages
        self._free = list(range(num_pages - 1, -1, -1))
        self._holders: Counter[int] = Counter()
        self._kept: OrderedDict[int, None] = OrderedDict()
        """Longest unused first."""
        self._page_of: dict[PageKey, int] = {}
        self._key_of: dict[int, PageKey] = {}

    @property
    def free(self) -> int:
        """Pages that hold nothing."""
        return len(self._free)

    @property
    def held(self) -> int:
        return len(self._holders)

    @property
    def kept(self) -> int:
        """Pages that nobody holds and that wait for another request with their prefix, or for whoever needs a page."""
        return len(self._kept)

    @property
    def holders(self) -> Counter[int]:
        """How many sequences hold each page that any holds."""
        return self._holders.copy()

    def find(self, keys: Sequence[PageKey]) -> list[int]:
        """The published pages of the longest known beginning of `keys`."""
        pages = []
        for key in keys:
            page = self._page_of.get(key)
            if page is None:
                break
            pages.append(page)
        return pages

    def can_take(self, count: int, shared: Sequence[int] = ()) -> bool:
        """Whether `count` pages remain to be emptied once `shared` are held."""
        return count <= self.free + self.kept - sum(page in self._kept for page in shared)

    def take(self, count: int, shared: Sequence[int] = ()) -> list[int]:
        """`shared` as they are, then `count` pages to be written; the caller has checked that they can be had."""
        assert self.can_take(count, shared), "admission promised pages that do not exist"
        for page in shared:
            self._kept.pop(page, None)
        pages = [*shared, *(self._empty_page() for _ in range(count))]
        self._holders.update(pages)
        return pages

    def publish(self, page: int, key: PageKey) -> None:
        """Lets others find a full page by what it holds, unless another page is known for the same."""
        assert page in self._holders, "only who holds a page knows what is in it"
        assert page not in self._key_of, "a page was published twice"
        if key not in self._page_of:
            self._page_of[key], self._key_of[page] = page, key

    def forget(self, pages: Sequence[int]) -> None:
        """Nobody finds these held pages any more; who holds them goes on."""
        for page in pages:
            assert page in self._holders, "a kept page that is not found could never be emptied"
            key = self._key_of.pop(page, None)
            if key is not None:
                del self._page_of[key]

    def give_back(self, pages: list[int]) -> None:
        """Empties the page table `pages` into the pool."""
        assert all(page in self._holders for page in pages), "a page was given back twice"
        for page in reversed(pages):  # the first page of a prefix is kept longest: without it no later one is found
            self._holders[page] -= 1
            if self._holders[page]:
                continue
            del self._holders[page]
            if page in self._key_of:
                self._kept[page] = None
            else:
                self._free.append(page)
        pages.clear()

    def check_integrity(self) -> None:
        """Every page is free, held by sequences, or kept for a prefix, and only one of these; what is kept is found."""
        assert self.free + self.held + self.kept == self.num_pages
        assert {*self._free, *self._holders, *self._kept} == set(range(self.num_pages))
        assert all(count > 0 for count in self._holders.values())
        assert {page: key for key, page in self._page_of.items()} == self._key_of
        assert len(self._page_of) == len(self._key_of)
        assert self._kept.keys() <= self._key_of.keys()
        assert self._key_of.keys().isdisjoint(self._free)

    def _empty_page(self) -> int:
        if self._free:
            return self._free.pop()
        page, _ = self._kept.popitem(last=False)
        del self._page_of[self._key_of.pop(page)]
        return page
