"""Which sequences hold each page, and which page holds a given prefix. Knows nothing of tensors."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import NewType, TypeVar

import numpy as np
from numpy.typing import NDArray

PAGE_TOKENS = 16

_Row = TypeVar("_Row", int, NDArray[np.int64])

PageKey = NewType("PageKey", bytes)
"""Identifies the content of a page: all tokens up to its end, the weights that computed it, and the tenant."""


def pages_for(tokens: int) -> int:
    """The number of pages that `tokens` positions need."""
    return -(-tokens // PAGE_TOKENS)


def cache_row(page: _Row, position: _Row) -> _Row:
    """The row of the cache that holds the token at `position` of a sequence, whose page is `page`; ints or arrays."""
    return page * PAGE_TOKENS + position % PAGE_TOKENS


def cache_rows(page_table: Sequence[int], start: int, end: int) -> list[int]:
    """The rows of the cache that hold the tokens from `start` to before `end` of a sequence."""
    return [cache_row(page_table[position // PAGE_TOKENS], position) for position in range(start, end)]


class PagePool:
    """A fixed number of pages, each in one of three states. Owned by the engine thread.

        free ──take──▶ held by sequences ──give_back──▶ kept, if it was published; else free
                               ▲                          │
                               └───────────take───────────┘   unchanged, for the prefix it holds,
                                                              or emptied, least recently used first

    A published page is full and is never written again, so any number of sequences may hold it.
    """

    def __init__(self, num_pages: int) -> None:
        self.num_pages = num_pages
        self._free = list(range(num_pages - 1, -1, -1))
        self._holders: Counter[int] = Counter()
        self._kept: OrderedDict[int, None] = OrderedDict()
        """Least recently used first."""
        self._page_of: dict[PageKey, int] = {}
        self._key_of: dict[int, PageKey] = {}

    @property
    def free(self) -> int:
        """The number of pages that hold nothing."""
        return len(self._free)

    @property
    def held(self) -> int:
        """The number of pages that at least one sequence holds."""
        return len(self._holders)

    @property
    def kept(self) -> int:
        """The number of pages that no sequence holds, kept for a request with their prefix until a page is needed."""
        return len(self._kept)

    @property
    def holders(self) -> Counter[int]:
        """Page → number of sequences that hold it, for the held pages."""
        return self._holders.copy()

    def find(self, keys: Sequence[PageKey]) -> list[int]:
        """The published pages of the longest prefix of `keys` that is known."""
        pages = []
        for key in keys:
            page = self._page_of.get(key)
            if page is None:
                break
            pages.append(page)
        return pages

    def can_take(self, count: int, shared: Sequence[int] = ()) -> bool:
        """Whether `count` pages are free or can be emptied once `shared` are held."""
        return count <= self.free + self.kept - sum(page in self._kept for page in shared)

    def take(self, count: int, shared: Sequence[int] = ()) -> list[int]:
        """`shared` unchanged, then `count` pages to write. The caller has checked `can_take`."""
        assert self.can_take(count, shared), "admission promised pages that do not exist"
        for page in shared:
            self._kept.pop(page, None)
        pages = [*shared, *(self._empty_page() for _ in range(count))]
        self._holders.update(pages)
        return pages

    def publish(self, page: int, key: PageKey) -> None:
        """Makes a full page available to sequences with the same prefix, unless another page has the same key."""
        assert page in self._holders, "only a held page has a known content"
        assert page not in self._key_of, "a page was published twice"
        if key not in self._page_of:
            self._page_of[key], self._key_of[page] = page, key

    def forget(self, pages: Sequence[int]) -> None:
        """Removes the keys of held pages, so that no further sequence shares them. Their holders keep them."""
        for page in pages:
            assert page in self._holders, "a kept page without a key could never be emptied"
            key = self._key_of.pop(page, None)
            if key is not None:
                del self._page_of[key]

    def give_back(self, pages: list[int]) -> None:
        """Returns the pages of the page table `pages` to the pool and clears the table."""
        assert all(page in self._holders for page in pages), "a page was given back twice"
        for page in reversed(pages):  # keep the first page of a prefix longest: without it no later page can be found
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
        """Every page is exactly one of free, held and kept, and every kept page has a key."""
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
